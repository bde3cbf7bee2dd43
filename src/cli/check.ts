import { parseArgs } from 'node:util'
import { type Command, EXIT_CONFIG } from './command.ts'
import { egress } from './egress.ts'
import { readSetup } from './setup.ts'

export const check: Command = {
  usage: 'check [--config FILE] [--print] [--egress]',
  text: 'reads the configuration as serve would, and tells every problem at once; --print shows what counts and why, --egress every host it can connect to',
  async run(args, process) {
    const { values } = parseArgs({ args: [...args], options: { config: { type: 'string' }, print: { type: 'boolean' }, egress: { type: 'boolean' } } })
    const read = readSetup(values, process)
    if ('setup' in read) {
      for (const hint of read.setup.hints) process.stderr.write(`${hint}\n`)
      const { options, config } = read.setup
      if (values.print === true) for (const { name, value, source } of options) process.stdout.write(`${name} = ${value}  (${source})\n`)
      if (values.egress === true) for (const { host, text } of egress(config, process.env)) process.stdout.write(`${host}  ${text}\n`)
      if (values.print !== true && values.egress !== true) process.stdout.write('the configuration is good\n')
      return 0
    }
    for (const problem of read.problems) process.stderr.write(`${problem}\n`)
    return EXIT_CONFIG
  },
}

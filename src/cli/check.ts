import { parseArgs } from 'node:util'
import { type Command, EXIT_CONFIG } from './command.ts'
import { readSetup } from './setup.ts'

export const check: Command = {
  usage: 'check [--config FILE]',
  text: 'reads the configuration as serve would, and tells every problem at once',
  async run(args, process) {
    const { values } = parseArgs({ args: [...args], options: { config: { type: 'string' } } })
    const read = readSetup(values, process)
    if ('setup' in read) {
      for (const hint of read.setup.hints) process.stdout.write(`${hint}\n`)
      process.stdout.write('the configuration is good\n')
      return 0
    }
    for (const problem of read.problems) process.stderr.write(`${problem}\n`)
    return EXIT_CONFIG
  },
}

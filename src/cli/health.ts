import { parseArgs } from 'node:util'
import { httpGet } from '../identity/index.ts'
import { type Command, EXIT_CONFIG } from './command.ts'
import { readSetup } from './setup.ts'

const MAX_MS = 3000

export const health: Command = {
  usage: 'health [--config FILE]',
  text: 'asks the admin listener of a proxy on this host whether it is ready: 0 if so, 1 if not; for containers that have no curl',
  async run(args, process) {
    const { values } = parseArgs({ args: [...args], options: { config: { type: 'string' } } })
    const read = readSetup(values, process)
    if ('problems' in read) return tell(read.problems.join('\n'), EXIT_CONFIG)
    const { host, port } = read.setup.config.admin
    if (port === 0) return tell('admin.port is 0: there is nobody to ask', EXIT_CONFIG)
    // From everywhere is from here too.
    const near = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host
    return httpGet()(`http://${near}:${port}/health`, AbortSignal.timeout(MAX_MS)).then(() => 0, () => tell('not ready', 1))

    function tell(problem: string, code: number): number {
      process.stderr.write(`${problem}\n`)
      return code
    }
  },
}

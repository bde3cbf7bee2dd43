import { openApi } from '../proxy/index.ts'
import type { Command } from './command.ts'

export const openapi: Command = {
  usage: 'openapi',
  text: 'prints the description of all operations that /openapi.json serves',
  run(_args, process) {
    process.stdout.write(`${JSON.stringify(openApi(), undefined, 2)}\n`)
    return Promise.resolve(0)
  },
}

import { audit } from './audit.ts'
import { check } from './check.ts'
import { demo } from './demo.ts'
import { doctor } from './doctor.ts'
import type { Command, Terminal } from './command.ts'
import { explain } from './explain.ts'
import { health } from './health.ts'
import { login } from './login.ts'
import { openapi } from './openapi.ts'
import { selftest } from './selftest.ts'
import { serveCommand } from './serve.ts'
import { token } from './token.ts'

/** What the process gives to a command: its environment, its streams, its signals. */
const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ['serve', serveCommand],
  ['demo', demo],
  ['check', check],
  ['doctor', doctor],
  ['health', health],
  ['login', login],
  ['token', token],
  ['explain', explain],
  ['openapi', openapi],
  ['audit', audit],
  ['selftest', selftest],
])

/**
 * Runs one command; `serve` where none is named.
 *
 * @returns The exit code, once the command has ended.
 */
export async function main(args: readonly string[], process: Terminal): Promise<number> {
  const named = args[0] !== undefined && !args[0].startsWith('-')
  const command = COMMANDS.get(named ? args[0]! : 'serve')
  if (args.includes('--help') || args[0] === 'help') {
    process.stdout.write(help())
    return 0
  }
  if (command === undefined) {
    process.stderr.write(`no such command: ${args[0]}\n\n${help()}`)
    return EXIT_USAGE
  }
  try {
    return await command.run(named ? args.slice(1) : args, process)
  } catch (error) {
    if (!(error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))) throw error
    process.stderr.write(`${error.message}\n\nusage: ${command.usage}\n`)
    return EXIT_USAGE
  }
}

/** sysexits.h EX_USAGE. */
const EXIT_USAGE = 64

function help(): string {
  const lines = [...COMMANDS.values()].map(({ usage, text }) => `  ${usage}\n      ${text}\n`)
  return `bedrock-sso-proxy: AWS Bedrock for people who hold a token of their single sign-on\n\n${lines.join('')}`
}

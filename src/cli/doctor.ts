import { parseArgs } from 'node:util'
import { type AskerArguments, askerOf } from './asker.ts'
import { checkup } from './checkup.ts'
import type { Command, Terminal } from './command.ts'
import { fail, type Finding, ok, warn } from './finding.ts'
import { environmentProblems } from './gate.ts'
import { readSetup } from './setup.ts'

const OPTIONS = {
  config: { type: 'string' }, json: { type: 'boolean', default: false }, model: { type: 'string', multiple: true },
  user: { type: 'string' }, issuer: { type: 'string' }, groups: { type: 'string' }, token: { type: 'string' },
} as const

export const doctor: Command = {
  usage: 'doctor [--user USER [--groups A,B] [--issuer ISS] | --token JWT] [--model ID]… [--config FILE] [--json]',
  text: 'looks at all that serve needs: configuration, environment, AWS credentials and whose they are, keys of issuers, endpoints, clock, and for a user their role; tries models by a request without content, which runs nothing; says what to do, and ends with 1 where something is wrong',
  async run(args, process) {
    const { values } = parseArgs({ args: [...args], options: OPTIONS })
    const findings = [...environment(process.env), ...await configuration(values, process)]
    const isWell = findings.every(({ level }) => level !== 'fail')
    process.stdout.write(values.json ? `${JSON.stringify({ ok: isWell, findings })}\n` : findings.map(line).join(''))
    return isWell ? 0 : 1
  },
}

function environment(env: Terminal['env']): readonly Finding[] {
  const problems = environmentProblems(env)
  return problems.length === 0 ? [ok('environment: no variable that undoes a promise')] : problems.map((problem) => fail(`environment: ${problem}`, 'serve does not start with it'))
}

/** With a configuration that is good, all that it names too. */
async function configuration(args: AskerArguments & { readonly config?: string; readonly model?: readonly string[] }, process: Terminal): Promise<readonly Finding[]> {
  const read = readSetup(args, process)
  if ('problems' in read) return read.problems.map((problem) => fail(`configuration: ${problem}`, 'serve does not start with it'))
  const asker = args.user === undefined && args.token === undefined ? undefined : askerOf(args, read.setup.issuers)
  if (typeof asker === 'string') return [fail(`arguments: ${asker}`, 'see --help')]
  const hints = read.setup.hints.map((hint) => warn(`configuration: ${hint}`, 'it works, but should not stay'))
  return [ok('configuration: good'), ...hints, ...await checkup(read.setup, process.env, { asker, models: args.model ?? [] })]
}

const MARKS = { ok: 'ok   ', warn: 'warn ', fail: 'FAIL ' }

const line = ({ level, what, remedy }: Finding): string => `${MARKS[level]} ${what}${remedy === undefined ? '' : `  (${remedy})`}\n`

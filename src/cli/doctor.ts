import { parseArgs } from 'node:util'
import { checkup, fail, type Finding, ok, warn } from './checkup.ts'
import type { Command, Terminal } from './command.ts'
import { environmentProblems } from './gate.ts'
import { readSetup } from './setup.ts'

export const doctor: Command = {
  usage: 'doctor [--config FILE] [--json]',
  text: 'looks at all that serve needs: configuration, environment, AWS credentials, keys of issuers, endpoints, clock; says what to do, and ends with 1 where something is wrong',
  async run(args, process) {
    const { values } = parseArgs({ args: [...args], options: { config: { type: 'string' }, json: { type: 'boolean', default: false } } })
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
async function configuration(args: { readonly config?: string | undefined }, process: Terminal): Promise<readonly Finding[]> {
  const read = readSetup(args, process)
  if ('problems' in read) return read.problems.map((problem) => fail(`configuration: ${problem}`, 'serve does not start with it'))
  const hints = read.setup.hints.map((hint) => warn(`configuration: ${hint}`, 'it works, but should not stay'))
  return [ok('configuration: good'), ...hints, ...await checkup(read.setup, process.env)]
}

const MARKS = { ok: 'ok   ', warn: 'warn ', fail: 'FAIL ' }

const line = ({ level, what, remedy }: Finding): string => `${MARKS[level]} ${what}${remedy === undefined ? '' : `  (${remedy})`}\n`

import { parseArgs } from 'node:util'
import type { Asker } from '../asker/index.ts'
import { type Model, parseModel } from '../model/index.ts'
import { OPERATIONS } from '../proxy/index.ts'
import { askerOf } from './asker.ts'
import { type Command, EXIT_CONFIG, printable } from './command.ts'
import { readSetup } from './setup.ts'

const OPTIONS = {
  config: { type: 'string' }, user: { type: 'string' }, issuer: { type: 'string' }, groups: { type: 'string' }, token: { type: 'string' },
  operation: { type: 'string' }, model: { type: 'string' },
} as const

const EXIT_DENIED = 1

export const explain: Command = {
  usage: 'explain --user USER [--groups A,B] [--issuer ISS] --operation NAME [--model ID] [--config FILE] | explain --token JWT --operation NAME …',
  text: 'tells which rule of the policy decides on a request, and ends with 1 where it is denied; of a token only the claims are read',
  run(args, process) {
    const { values } = parseArgs({ args: [...args], options: OPTIONS })
    const read = readSetup(values, process)
    const fail = (problems: readonly string[]): Promise<number> => {
      for (const problem of problems) process.stderr.write(`${problem}\n`)
      return Promise.resolve(EXIT_CONFIG)
    }
    if ('problems' in read) return fail(read.problems)
    const { operation, model: id } = values
    const asker = askerOf(values, read.setup.issuers)
    if (typeof asker === 'string') return fail([asker])
    if (!OPERATIONS.some(({ name }) => name === operation)) return fail(['--operation is the name of one: openapi prints them'])
    const models = id === undefined ? [] : [parseModel(id)]
    const { allow, rule } = read.setup.rules.policy.decide(asker, operation!, models)
    process.stdout.write(`${allow ? 'allowed' : 'denied'} by ${rule}\n${described(asker)}\n${models.map(told).join('')}`)
    return Promise.resolve(allow ? 0 : EXIT_DENIED)
  },
}

function described({ user, issuer, groups }: Asker): string {
  return printable(`  ${user}${issuer === '' ? '' : ` of ${issuer}`}, ${groups.length === 0 ? 'in no group' : `in ${groups.join(', ')}`}`)
}

function told({ id, names, geography, type }: Model): string {
  return names.length === 0 ? `  ${id}: ${type}, what is behind it is not known here\n` : `  ${id}: ${names.join(', ')}, ${geography ?? 'nobody knows where'}\n`
}

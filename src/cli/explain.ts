import { parseArgs } from 'node:util'
import { type Caller, callerOf, IdentityError, type TrustedIssuer } from '../identity/index.ts'
import { JwtError, parseClaims, parseCompact } from '../jwt/index.ts'
import { type Model, parseModel } from '../model/index.ts'
import type { Asker } from '../asker/index.ts'
import { OPERATIONS } from '../proxy/index.ts'
import { type Command, EXIT_CONFIG } from './command.ts'
import { readSetup } from './setup.ts'

const OPTIONS = {
  config: { type: 'string' }, user: { type: 'string' }, issuer: { type: 'string' }, groups: { type: 'string' }, token: { type: 'string' },
  operation: { type: 'string' }, model: { type: 'string' },
} as const

const EXIT_DENIED = 1
const MAX_TOKEN_BYTES = 32_768

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

/** Who asks, or what is wrong with how it is said. */
function askerOf(values: { readonly [name in 'user' | 'issuer' | 'groups' | 'token']?: string }, issuers: readonly TrustedIssuer[]): Asker | string {
  if ((values.user === undefined) === (values.token === undefined)) return 'either --user or --token says who asks'
  if (values.token !== undefined) return bearerOf(values.token, issuers)
  const issuer = values.issuer ?? (issuers.length === 1 ? issuers[0]!.options.issuer ?? '' : undefined)
  if (issuer === undefined) return 'with several issuers --issuer is needed'
  return { issuer, user: values.user!, groups: values.groups?.split(',') ?? [] }
}

function bearerOf(token: string, issuers: readonly TrustedIssuer[]): Caller | string {
  try {
    const claims = parseClaims(parseCompact(token, MAX_TOKEN_BYTES))
    const trusted = issuers.find(({ options: { issuer } }) => issuer === undefined || issuer === claims.iss)
    return trusted === undefined ? '"iss" is no issuer that is known' : callerOf({ ...claims, exp: 0 }, trusted.options.names, token)
  } catch (error) {
    if (error instanceof JwtError || error instanceof IdentityError) return error.message
    throw error
  }
}

function described({ user, issuer, groups }: Asker): string {
  return `  ${user}${issuer === '' ? '' : ` of ${issuer}`}, ${groups.length === 0 ? 'in no group' : `in ${groups.join(', ')}`}`
}

function told({ id, names, geography, type }: Model): string {
  return names.length === 0 ? `  ${id}: ${type}, what is behind it is not known here\n` : `  ${id}: ${names.join(', ')}, ${geography ?? 'nobody knows where'}\n`
}

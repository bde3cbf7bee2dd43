import type { Described } from '../asker/index.ts'
import { callerOf, IdentityError, type TrustedIssuer } from '../identity/index.ts'
import { JwtError, parseClaims, parseCompact } from '../jwt/index.ts'

const MAX_TOKEN_BYTES = 32_768

/** How a command is told who asks. */
export type AskerArguments = { readonly [name in 'user' | 'issuer' | 'groups' | 'token']?: string }

/** Who asks, or what is wrong with how it is said. */
export function askerOf(values: AskerArguments, issuers: readonly TrustedIssuer[]): Described | string {
  if ((values.user === undefined) === (values.token === undefined)) return 'either --user or --token says who asks'
  if (values.token !== undefined) return bearerOf(values.token, issuers)
  const issuer = values.issuer ?? (issuers.length === 1 ? issuers[0]!.options.issuer ?? '' : undefined)
  if (issuer === undefined) return 'with several issuers --issuer is needed'
  return { issuer, user: values.user!, groups: values.groups?.split(',') ?? [], claims: new Map() }
}

function bearerOf(token: string, issuers: readonly TrustedIssuer[]): Described | string {
  try {
    const claims = parseClaims(parseCompact(token, MAX_TOKEN_BYTES))
    const trusted = issuers.find(({ options: { issuer } }) => issuer === undefined || issuer === claims.iss)
    return trusted === undefined ? '"iss" is no issuer that is known' : callerOf({ ...claims, exp: 0 }, trusted.options.names, token)
  } catch (error) {
    if (error instanceof JwtError || error instanceof IdentityError) return error.message
    throw error
  }
}

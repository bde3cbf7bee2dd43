import { ALGORITHMS, type CheckedClaims, JwtError, parseJwkSet, verify } from '../jwt/index.ts'
import type { Ask } from './ask.ts'
import { documentAt } from './ask.ts'
import type { Provider } from './discovery.ts'
import { SsoError } from './error.ts'

/** What an ID token must say besides what every one says. */
export interface Expected {
  readonly clientId: string
  /** Of the sign-in; none where tokens were refreshed, or come to a device. */
  readonly nonce?: string | undefined
  /** OpenID Connect Core section 12.2: the same one as before. */
  readonly subject?: string | undefined
}

const MAX_BYTES = 32_768
const PUBLIC_ALGORITHMS = ALGORITHMS.filter((name) => !name.startsWith('HS'))

/**
 * The claims of an ID token, verified (OpenID Connect Core section 3.1.3.7).
 *
 * @throws SsoError - `SSO_ID_TOKEN_INVALID`, with the reason in `detail`; `SSO_UNREACHABLE` where the keys cannot be had.
 */
export async function checkIdToken(token: string, { issuer, keysUrl }: Provider, expected: Expected, ask: Ask, nowS: number): Promise<CheckedClaims> {
  const jwks = JSON.stringify(await documentAt(ask, keysUrl))
  try {
    const rules = { issuer, audiences: [expected.clientId], required: ['sub', 'iat'], algorithms: PUBLIC_ALGORITHMS, maxBytes: MAX_BYTES }
    const { header, claims } = verify(token, { ...rules, keys: parseJwkSet(jwks) }, nowS)
    // RFC 9068 section 2.1: an access token says by its type that it is none of these.
    if (/at\+jwt$/i.test(String(header.typ))) throw invalid('it is an access token')
    checkParty(claims, expected.clientId)
    if (expected.nonce !== undefined && claims.nonce !== expected.nonce) throw invalid('"nonce" is not that of the sign-in')
    if (expected.subject !== undefined && claims.sub !== expected.subject) throw invalid('"sub" is somebody else')
    return claims
  } catch (error) {
    if (error instanceof JwtError) throw invalid(`${error.code}: ${error.message}`)
    throw error
  }
}

/** Steps 3 to 5: of several audiences the authorized party says for whom it is. */
function checkParty({ aud, azp }: CheckedClaims, clientId: string): void {
  const several = Array.isArray(aud) && aud.length > 1
  if (azp === undefined ? several : azp !== clientId) throw invalid('"azp" is not the client')
}

const invalid = (detail: string): SsoError => new SsoError('SSO_ID_TOKEN_INVALID', 'the ID token is not one for this sign-in', detail)

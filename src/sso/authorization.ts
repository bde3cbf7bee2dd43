import { createHash, timingSafeEqual } from 'node:crypto'
import type { ClientOptions } from './client.ts'
import type { Provider } from './discovery.ts'
import { plainWord, SsoError } from './error.ts'

/** What must be kept, where only the browser that began has it, until the answer comes. */
export interface Transaction {
  /** RFC 6749 section 10.12: the answer belongs to this browser. */
  readonly state: string
  /** OpenID Connect Core section 3.1.2.1: the ID token belongs to this sign-in. */
  readonly nonce: string
  /** RFC 7636 section 4.1: the code belongs to who asked for it. */
  readonly verifier: string
}

/** @param random - As many bytes that nobody can guess. */
export function newTransaction(random: (bytes: number) => Buffer): Transaction {
  const word = () => random(32).toString('base64url')
  return { state: word(), nonce: word(), verifier: word() }
}

/** Where a browser goes to sign in (RFC 6749 section 4.1.1, with PKCE). */
export function authorizationUrl(provider: Provider, client: ClientOptions, redirectUrl: string, { state, nonce, verifier }: Transaction): string {
  const url = new URL(provider.authorizationEndpoint)
  const parameters = {
    ...client.parameters, response_type: 'code', client_id: client.clientId, redirect_uri: redirectUrl, scope: client.scopes.join(' '), state, nonce,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256', ...client.target,
    // OpenID Connect Core section 11: without consent there is no refresh token.
    ...(client.scopes.includes('offline_access') && { prompt: 'consent' }),
  }
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return url.href
}

/**
 * The code in the answer that comes back through the browser (RFC 6749 section 4.1.2, RFC 9207).
 *
 * @param query - As it stands behind the `?`.
 * @throws SsoError - `SSO_CALLBACK_MALFORMED`, `SSO_STATE_MISMATCH`, `SSO_ISSUER_MISMATCH`, `SSO_DENIED`
 */
export function codeIn(query: string, { issuer, namesItself }: Provider, transaction: Transaction): string {
  const { state, iss, error, code } = parametersIn(query)
  if (state === undefined || !isSame(state, transaction.state)) throw new SsoError('SSO_STATE_MISMATCH', 'the answer does not belong to this sign-in')
  // RFC 9207 section 2.4: before anything else is done with it, an error too. It may come from another issuer that mixes itself in.
  if (iss === undefined ? namesItself : iss !== issuer) throw new SsoError('SSO_ISSUER_MISMATCH', 'the answer comes from another issuer')
  if (error !== undefined) throw new SsoError('SSO_DENIED', 'the issuer has not let you in', plainWord(error))
  if (code === undefined || code === '') throw new SsoError('SSO_CALLBACK_MALFORMED', 'the answer holds no code')
  return code
}

/** Whether the answer is to this sign-in at all; a forged one must not end it. */
export function isAnswerTo(query: string, { state }: Transaction): boolean {
  return isSame(new URLSearchParams(query).get('state') ?? '', state)
}

function parametersIn(query: string): { readonly [name in 'state' | 'iss' | 'error' | 'code']: string | undefined } {
  const parameters = new URLSearchParams(query)
  const one = (name: string) => {
    const values = parameters.getAll(name)
    // RFC 6749 section 3.1: not more than once.
    if (values.length > 1) throw new SsoError('SSO_CALLBACK_MALFORMED', 'the answer holds a parameter twice')
    return values[0]
  }
  return { state: one('state'), iss: one('iss'), error: one('error'), code: one('code') }
}

function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}

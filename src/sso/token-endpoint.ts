import { type Ask, post } from './ask.ts'
import type { ClientOptions } from './client.ts'
import type { Provider } from './discovery.ts'
import { plainWord, SsoError } from './error.ts'

/** Tokens as the token endpoint hands them out; none of them is verified. */
export interface Granted {
  readonly idToken: string | undefined
  readonly accessToken: string
  readonly refreshToken: string | undefined
}

/**
 * Asks for tokens (RFC 6749 section 3.2).
 *
 * @param grant - The parameters of the grant.
 * @throws SsoError - `SSO_GRANT_REFUSED` where the grant is of no use any more, `SSO_REQUEST_REFUSED` where it is refused as such; `detail` is the
 *   issuer's word for why. `SSO_UNREACHABLE`, `SSO_ANSWER_MALFORMED`.
 */
export async function requestTokens(provider: Provider, client: ClientOptions, ask: Ask, grant: Readonly<Record<string, string>>): Promise<Granted> {
  const { status, said } = await post(ask, provider.tokenEndpoint, clientForm(provider, client, grant))
  if (status !== 200) throw refusal(said.error)
  const { access_token: accessToken, token_type: type, id_token: idToken, refresh_token: refreshToken } = said
  // Section 7.1: a client must not use a token whose type it does not understand.
  const bearer = typeof type === 'string' && type.toLowerCase() === 'bearer'
  if (!bearer || !isToken(accessToken) || !isTokenOrNone(idToken) || !isTokenOrNone(refreshToken)) {
    throw new SsoError('SSO_ANSWER_MALFORMED', 'the issuer answered without tokens that can be used')
  }
  return { idToken, accessToken, refreshToken }
}

function refusal(error: unknown): SsoError {
  const code = error === 'invalid_grant' ? 'SSO_GRANT_REFUSED' : 'SSO_REQUEST_REFUSED'
  return new SsoError(code, 'the issuer gave no tokens', plainWord(error))
}

const isToken = (value: unknown): value is string => typeof value === 'string' && /^[!-~]+$/.test(value)
const isTokenOrNone = (value: unknown): value is string | undefined => value === undefined || isToken(value)

/** A form that says which client asks (RFC 6749 section 2.3.1). */
export function clientForm({ secretInForm }: Pick<Provider, 'secretInForm'>, { clientId, clientSecret }: ClientOptions, parameters: Readonly<Record<string, string>>) {
  const secret = clientSecret?.reveal()
  const inHeader = secret !== undefined && !secretInForm
  const credentials = { client_id: clientId, ...(secret !== undefined && { client_secret: secret }) }
  const body = new URLSearchParams({ ...parameters, ...(inHeader ? {} : credentials) }).toString()
  const basic = inHeader ? { Authorization: `Basic ${Buffer.from(`${encoded(clientId)}:${encoded(secret)}`).toString('base64')}` } : {}
  return { fields: { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': String(Buffer.byteLength(body)), ...basic }, body }
}

const encoded = (text: string): string => new URLSearchParams({ '': text }).toString().slice(1)

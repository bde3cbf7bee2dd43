import { HttpError } from './errors.ts'
import type { RequestFields } from './headers.ts'

/** RFC 6750 §2.1: b64token. */
const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/
/** The subprotocol that WebSockets agree on. */
export const SUBPROTOCOL = 'bedrock'
const BEARER = 'bearer.'
const SIGV4 = /^AWS4-(?:HMAC-SHA256|ECDSA-P256-SHA256)[ ,]/

/**
 * The one token a request carries: in `Authorization: Bearer`, in `x-api-key`, or, from clients that can only
 * sign, as the session token of a signature that is itself ignored. Browsers can set none of them for a WebSocket:
 * they offer the subprotocols `bedrock` and `bearer.<token>`.
 *
 * @throws HttpError - `HTTP_NO_TOKEN`, `HTTP_MALFORMED_TOKEN`, `HTTP_TWO_TOKENS` where two of them differ, or `HTTP_LONE_BEARER`
 *   where no other subprotocol is offered: the token is never named in the answer, and browsers fail where none is.
 */
export function presentedToken(fields: RequestFields): string {
  let token: string | undefined
  for (const found of [authorization(fields.get('authorization')), fields.get('x-api-key'), fields.get('x-amz-security-token'), ...offered(fields)]) {
    if (found === undefined) continue
    if (token !== undefined && token !== found) throw new HttpError('HTTP_TWO_TOKENS', 'the request carries two different tokens')
    token = found
  }
  if (token === undefined) throw new HttpError('HTTP_NO_TOKEN', 'the request carries no token')
  if (!TOKEN.test(token)) throw new HttpError('HTTP_MALFORMED_TOKEN', 'the token is malformed')
  return token
}

function authorization(value: string | undefined): string | undefined {
  if (value === undefined || SIGV4.test(value)) return undefined
  // RFC 9110 §11.1, §11.4: the scheme is case-insensitive, then 1*SP.
  const credentials = /^bearer +(.*)$/i.exec(value)
  if (credentials === null) throw new HttpError('HTTP_MALFORMED_TOKEN', 'the Authorization header is not a bearer token')
  return credentials[1]
}

function offered(fields: RequestFields): string[] {
  if (fields.get('upgrade')?.toLowerCase() !== 'websocket') return []
  const protocols = (fields.get('sec-websocket-protocol') ?? '').split(',').map((protocol) => protocol.trim())
  const tokens = protocols.filter((protocol) => protocol.startsWith(BEARER)).map((protocol) => protocol.slice(BEARER.length))
  if (tokens.length > 0 && !protocols.includes(SUBPROTOCOL)) throw new HttpError('HTTP_LONE_BEARER', 'the token is offered without the subprotocol "bedrock"')
  return tokens
}

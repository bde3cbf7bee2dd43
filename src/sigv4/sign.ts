import { createHmac, hash, type KeyObject } from 'node:crypto'
import { canonicalHeaders, canonicalRequest, STREAMING_EVENTS, type CanonicalInput } from './canonical.ts'
import { dayOf, toAmzDate } from './date.ts'
import type { Pair } from './encode.ts'
import { SigV4Error } from './error.ts'
import { credentialScope, type Scope, type SigningKeys } from './key.ts'

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

export interface SigningRequest extends CanonicalInput {
  /** Those to sign, `host` (over HTTP/2 perhaps `:authority`) among them; none of those that `sign` adds. */
  readonly headers: readonly Pair[]
  /** Adds `x-amz-content-sha256`. It is added for event streams in any case: there it announces them. */
  readonly sendPayloadHash?: boolean
}

/**
 * Signs a request with AWS4-HMAC-SHA256 and returns the headers to add to it, in lower case: `x-amz-date`,
 * `x-amz-security-token` with temporary credentials, `x-amz-content-sha256` where asked for, and last `authorization`.
 *
 * @param date - Milliseconds since 1970, or `YYYYMMDDTHHMMSSZ`.
 * @throws SigV4Error - one of `SigningCode`; nothing is signed that AWS would read in another way.
 *
 * @example
 * sign({ method: 'POST', path: '/model/x-v1%3A0/invoke', query: [], headers: [['host', host]], payloadHash }, credentials,
 *   { region: 'us-east-1', service: 'bedrock' }, Date.now(), keys)
 */
export function sign(request: SigningRequest, credentials: Credentials, scope: Scope, date: number | string, keys: SigningKeys): Pair[] {
  refuseReserved(request)
  const at = toAmzDate(date)
  const added: Pair[] = [['x-amz-date', at]]
  if (credentials.sessionToken !== undefined) added.push(['x-amz-security-token', credentials.sessionToken])
  if (request.sendPayloadHash === true || request.payloadHash === STREAMING_EVENTS) added.push(['x-amz-content-sha256', request.payloadHash])

  const headers = canonicalHeaders([...request.headers, ...added])
  const key = keys.get(credentials.secretAccessKey, dayOf(at), scope)
  const signed = signature(key, stringToSign(at, scope, canonicalRequest(request, headers)))
  added.push(['authorization', authorization(credentials.accessKeyId, at, scope, headers.signedHeaders, signed)])
  return added
}

/** The signature within what `sign` returned: the seed of an event stream's chain. */
export function signatureOf(signed: readonly Pair[]): string {
  const [name, value = ''] = signed.at(-1) ?? []
  if (name !== 'authorization') throw new TypeError('signed must be what sign() returned')
  return value.slice(-64)
}

/** The string to sign of a request. Its characters are bytes, and so they are hashed: a header value need not be UTF-8. */
export function stringToSign(date: string, scope: Scope, canonicalRequest: string): string {
  const hashed = hash('sha256', Buffer.from(canonicalRequest, 'latin1'), 'hex')
  return `AWS4-HMAC-SHA256\n${date}\n${credentialScope(dayOf(date), scope)}\n${hashed}`
}

/** The signature, in lower-case hex. */
export function signature(key: KeyObject, stringToSign: string): string {
  return createHmac('sha256', key).update(stringToSign).digest('hex')
}

/**
 * The value of the Authorization header.
 *
 * @throws SigV4Error SIGV4_CREDENTIALS where the access key id could be read as another part of the header.
 */
export function authorization(accessKeyId: string, date: string, scope: Scope, signedHeaders: string, signature: string): string {
  if (typeof accessKeyId !== 'string') throw new TypeError('accessKeyId must be a string')
  if (!ACCESS_KEY_ID.test(accessKeyId)) throw new SigV4Error('SIGV4_CREDENTIALS', 'the access key id must be letters, digits and "_"')
  return `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${credentialScope(dayOf(date), scope)}, SignedHeaders=${signedHeaders}, Signature=${signature}`
}

const ACCESS_KEY_ID = /^\w{1,128}$/

// Were they let in, the request would hold two dates or two signatures, and AWS would choose.
function refuseReserved({ headers, query }: SigningRequest): void {
  let hosts = 0
  for (const [given] of headers) {
    const name = given.toLowerCase()
    if (RESERVED_HEADERS.has(name)) throw new SigV4Error('SIGV4_RESERVED', 'a header is given that only the signer writes')
    if (name === 'host' || name === ':authority') hosts++
  }
  if (hosts !== 1) throw new SigV4Error('SIGV4_HOST', 'one host header must be signed')
  for (const [name] of query) {
    if (RESERVED_PARAMETERS.has(name.toLowerCase())) throw new SigV4Error('SIGV4_RESERVED', 'a query parameter of presigned requests is given')
  }
}

const RESERVED_HEADERS: ReadonlySet<string> = new Set(['authorization', 'x-amz-date', 'x-amz-security-token', 'x-amz-content-sha256'])
const RESERVED_PARAMETERS: ReadonlySet<string> = new Set([
  'x-amz-algorithm', 'x-amz-credential', 'x-amz-date', 'x-amz-expires', 'x-amz-security-token', 'x-amz-signature', 'x-amz-signedheaders',
])

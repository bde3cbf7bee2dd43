import { HttpError } from './errors.ts'

/** More header lines than any client of ours sends; Node 20 silently drops lines past about 1,000, so the count is ours to check. */
export const MAX_HEADER_LINES = 200

/** What becomes of a request header: `end` at this hop and `dropped` never go up, `forward` does. */
type Fate = 'forward' | 'end' | 'dropped'

const FATES: ReadonlyMap<string, Fate> = new Map<string, Fate>([
  // RFC 9110 §7.6.1 and the older fields it names.
  ...names('end', 'connection keep-alive proxy-connection te trailer transfer-encoding upgrade http2-settings'),
  // Credentials, by the names that clients and gateways have for them.
  ...names('dropped', 'authorization x-api-key api-key x-auth-token cookie proxy-authorization'),
  // Host and Content-Length are set anew. Answers are asked for uncompressed, because their token counts are read.
  ...names('dropped', 'host content-length expect accept-encoding via forwarded origin referer'),
  // AWS writes this one into its own logs: only the proxy may say who called.
  ...names('dropped', 'x-amzn-bedrock-request-metadata'),
])

/** Families of headers that never go up: signatures and SDK bookkeeping, claims of front proxies, browser and client brands. */
const DROPPED_PREFIXES = [
  'x-amz-', 'amz-sdk-', 'x-amzn-oidc-', 'x-auth-request-', 'x-ms-token-', 'x-goog-authenticated-user-', 'x-original-', 'x-forwarded-',
  'x-stainless-', 'sec-', 'proxy-',
]
const DROPPED_SUFFIX = '-jwt-assertion'

/** RFC 9110 §5.3: fields that are no lists. A second line is an attempt to be read differently by two parsers. */
const SINGLETONS = new Set(['host', 'authorization', 'content-type', 'content-length', 'transfer-encoding', 'x-api-key'])

/** The header fields of one request, checked. Names are lower-case. */
export interface RequestFields {
  /** Value of a field; list fields of several lines are joined by ", ". */
  get(name: string): string | undefined
  /** What may go upstream, as flat name, value pairs in the order they came. */
  readonly forward: readonly string[]
}

/**
 * Reads the raw header lines (flat name, value pairs) of a request.
 *
 * Host is checked here, message framing (RFC 9112 §6) too: what node:http lets through and two parsers could read
 * in two ways is refused.
 *
 * @param version - `1.0`, `1.1` or `2`; over HTTP/2 the caller gives `:authority` as `host`.
 * @throws HttpError - for anything the sender could have caused.
 */
export function requestFields(raw: readonly string[], version: string): RequestFields {
  // llhttp takes HTTP/0.9 and a request line of "HTTP/2.0" too.
  if (version !== '1.1' && version !== '2' && version !== '1.0') throw new HttpError('HTTP_BAD_VERSION', 'the HTTP version is not known')
  if (raw.length > 2 * MAX_HEADER_LINES) throw new HttpError('HTTP_TOO_MANY_HEADERS', 'too many header lines')
  const values = new Map<string, string>()
  const forward: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase()
    const value = raw[i + 1]!
    const before = values.get(name)
    if (before !== undefined && isSingleton(name)) throw new HttpError('HTTP_DUPLICATE_HEADER', `${name} is given twice`)
    values.set(name, before === undefined ? value : `${before}, ${value}`)
    if (fate(name) === 'forward' && isPlain(name, value)) forward.push(name, value)
  }
  checkHost(values.get('host'), version)
  checkFraming(values, version)
  return { get: (name) => values.get(name), forward: withoutNamed(forward, values.get('connection')) }
}

function fate(name: string): Fate {
  const known = FATES.get(name)
  if (known !== undefined) return known
  // Content_Length and content-length are one name to many gateways (CVE-2025-64484): an underscore never goes up.
  if (name.includes('_') || name.endsWith(DROPPED_SUFFIX)) return 'dropped'
  for (const prefix of DROPPED_PREFIXES) if (name.startsWith(prefix)) return 'dropped'
  return 'forward'
}

/** A value of other than visible ASCII cannot be signed alike by everybody: refused where it would be signed, else dropped. */
function isPlain(name: string, value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i)
    if ((c < 0x20 && c !== 0x09) || c > 0x7e) {
      if (isSigned(name)) throw new HttpError('HTTP_BAD_HEADER', `${name} holds a character outside of ASCII`)
      return false
    }
  }
  return true
}

/** Forwarded headers that take part in the signature, because AWS acts on them. The set is small on purpose. */
export const isSigned = (name: string): boolean => name === 'content-type' || name.startsWith('x-amzn-bedrock-')

const isSingleton = (name: string): boolean => SINGLETONS.has(name) || name.startsWith('x-amz-') || isSigned(name)

// RFC 9110 §7.2. `a@b` and friends are read as another host by some parsers.
function checkHost(host: string | undefined, version: string): void {
  if (host === undefined && version === '1.0') return
  if (host === undefined || !/^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?$/.test(host)) {
    throw new HttpError('HTTP_BAD_HOST', 'the Host header is missing or malformed')
  }
}

// llhttp refuses Content-Length beside Transfer-Encoding; it accepts "gzip, chunked", ",chunked" and either in HTTP/1.0.
function checkFraming(values: ReadonlyMap<string, string>, version: string): void {
  const encoding = values.get('transfer-encoding')
  if (encoding !== undefined && (version !== '1.1' || encoding.toLowerCase() !== 'chunked')) {
    throw new HttpError('HTTP_BAD_FRAMING', 'transfer-encoding can only be "chunked", on HTTP/1.1')
  }
  // A body that is packed hides its model and its length from us, and AWS might unpack it.
  if ((values.get('content-encoding') ?? 'identity').toLowerCase() !== 'identity') throw new HttpError('HTTP_BODY_ENCODED', 'the body is encoded')
  const length = values.get('content-length')
  if (length !== undefined && !/^\d{1,15}$/.test(length)) throw new HttpError('HTTP_BAD_FRAMING', 'content-length is not a number')
}

// RFC 9110 §7.6.1: fields named by Connection are ours to remove, not to forward. Naming one we decide on is an attack.
function withoutNamed(forward: string[], connection: string | undefined): string[] {
  if (connection === undefined) return forward
  const named = connectionNames(connection)
  for (const name of named) {
    if (name === 'host' || name === 'authorization' || name.startsWith('x-amz-')) {
      throw new HttpError('HTTP_CONNECTION_NAMES', 'the Connection header names a field it cannot')
    }
  }
  return named.length === 0 ? forward : withoutFields(forward, (name) => named.includes(name))
}

/** Names listed in Connection that are header fields, lower-case. */
function connectionNames(connection: string): string[] {
  if (connection === 'keep-alive' || connection === 'close') return []
  const listed = connection.toLowerCase().split(',').map((name) => name.trim())
  return listed.filter((name) => name !== '' && name !== 'keep-alive' && name !== 'close' && name !== 'upgrade')
}

function withoutFields(pairs: readonly string[], drop: (name: string) => boolean): string[] {
  const kept: string[] = []
  for (let i = 0; i < pairs.length; i += 2) if (!drop(pairs[i]!)) kept.push(pairs[i]!, pairs[i + 1]!)
  return kept
}

// AWS's load balancers set cookies and name themselves; neither is a client's business.
const RESPONSE_DROPPED = new Set(['set-cookie', 'set-cookie2', 'server', 'proxy-authenticate'])

/**
 * The response headers that go on to the client, as flat pairs with the spelling and order they came in.
 * Left out: hop-by-hop fields, those that Connection names, cookies, the server's name.
 */
export function responseFields(raw: readonly string[]): string[] {
  const fields: string[] = []
  let named: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase()
    if (name === 'connection') named = named.concat(connectionNames(raw[i + 1]!))
    if (FATES.get(name) !== 'end' && !RESPONSE_DROPPED.has(name)) fields.push(raw[i]!, raw[i + 1]!)
  }
  return named.length === 0 ? fields : withoutFields(fields, (name) => named.includes(name.toLowerCase()))
}

function names(fate: Fate, list: string): [string, Fate][] {
  return list.split(' ').map((name) => [name, fate])
}

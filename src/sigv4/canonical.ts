import { canonicalPath, canonicalQuery, type Pair } from './encode.ts'
import { SigV4Error } from './error.ts'

/** In place of a body's hash: each event of the stream is signed by itself (see `event.ts`). */
export const STREAMING_EVENTS = 'STREAMING-AWS4-HMAC-SHA256-EVENTS'

export interface CanonicalHeaders {
  /** `name:value\n` of each header. */
  readonly block: string
  /** Their names, `;` between them. */
  readonly signedHeaders: string
}

export interface CanonicalInput {
  /** Upper case. */
  readonly method: string
  /** Exactly as on the wire, without the query. */
  readonly path: string
  /** Decoded. */
  readonly query: readonly Pair[]
  /** SHA-256 of the body in lower-case hex, or `STREAMING_EVENTS`. */
  readonly payloadHash: string
}

/**
 * The canonical request (AWS General Reference, "Create a canonical request"): what both sides hash.
 *
 * @throws SigV4Error - SIGV4_METHOD, SIGV4_PATH, SIGV4_TEXT, SIGV4_PAYLOAD_HASH.
 */
export function canonicalRequest(request: CanonicalInput, headers: CanonicalHeaders): string {
  const { method, path, query, payloadHash } = request
  if (!METHOD.test(method)) throw new SigV4Error('SIGV4_METHOD', 'the method must be upper-case letters')
  if (!PAYLOAD_HASH.test(payloadHash)) throw new SigV4Error('SIGV4_PAYLOAD_HASH', 'the payload hash must be 64 hex digits or name event signing')
  return `${method}\n${canonicalPath(path)}\n${canonicalQuery(query)}\n${headers.block}\n${headers.signedHeaders}\n${payloadHash}`
}

/**
 * The canonical headers: names in lower case and sorted, values trimmed and their blanks folded, values of one name joined
 * by commas in the order given. What changes between hops and what is never signed by AWS clients is left out.
 *
 * Values are bytes, one character each (as `node:http` gives and sends them).
 *
 * @throws SigV4Error SIGV4_HEADER for a name that is no token or a value HTTP cannot carry; a line break would be a header of its own.
 */
export function canonicalHeaders(headers: readonly Pair[]): CanonicalHeaders {
  const values = new Map<string, string>()
  for (const [given, raw] of headers) {
    if (typeof raw !== 'string') throw new TypeError('a header value must be a string')
    if (!NAME.test(given)) throw new SigV4Error('SIGV4_HEADER', 'a header name is no token')
    const name = given.toLowerCase()
    if (UNSIGNED.has(name) || name.startsWith('proxy-') || name.startsWith('sec-')) continue
    const value = PLAIN.test(raw) ? raw : foldBlanks(raw)
    const earlier = values.get(name)
    values.set(name, earlier === undefined ? value : `${earlier},${value}`)
  }
  const names = [...values.keys()].sort()
  let block = ''
  for (const name of names) block += `${name}:${values.get(name)}\n`
  return { block, signedHeaders: names.join(';') }
}

const METHOD = /^[A-Z]{1,32}$/
const PAYLOAD_HASH = /^(?:[0-9a-f]{64}|STREAMING-AWS4-HMAC-SHA256-EVENTS)$/
// RFC 9110 section 5.6.2, and the pseudo header `:authority`, which AWS clients sign over HTTP/2.
const NAME = /^:?[\w!#$%&'*+.^`|~-]+$/
// RFC 9110 section 5.5. Nearly every value is plain, and one pass is all it takes.
const PLAIN = /^[!-~\x80-\xff]*$/
const VALUE = /^[\t -~\x80-\xff]*$/

const UNSIGNED: ReadonlySet<string> = new Set([
  'authorization', 'cache-control', 'connection', 'expect', 'from', 'keep-alive', 'max-forwards', 'pragma', 'referer',
  'te', 'trailer', 'transfer-encoding', 'upgrade', 'user-agent', 'x-amzn-trace-id',
])

// Not trim(): that would also take a no-break space, a byte (A0) of its own on the wire.
function foldBlanks(value: string): string {
  if (!VALUE.test(value)) throw new SigV4Error('SIGV4_HEADER', 'a header value cannot be sent over HTTP')
  return value.replace(/[ \t]+/g, ' ').replace(/^ | $/g, '')
}

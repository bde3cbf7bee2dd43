import { createHash, createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import { SigV4Error } from './error.ts'

// The other side of sign.ts. It shares no line with it, on purpose: a mistake made once would otherwise agree with itself.

export interface ReceivedRequest {
  readonly method: string
  /** The request target as received, the query with it; one character per byte, as `node:http` gives it. */
  readonly target: string
  /** As received: in any case and order, one character per byte. Over HTTP/2 `:authority` may be among them. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** What the body hashed to (lower-case hex), or `STREAMING-AWS4-HMAC-SHA256-EVENTS` where its events are signed. */
  readonly payloadHash: string
}

export interface Clock {
  readonly nowMs: number
  /** How far a date may be from `nowMs`; AWS allows 5 minutes. `Infinity` accepts every date. */
  readonly maxSkewMs: number
}

export interface Expected extends Clock {
  /** Without it any region is accepted. */
  readonly region?: string
  /** Without it any service is accepted. */
  readonly service?: string
  /** Sign paths without their empty, `.` and `..` segments, as AWS does. Default: as they are. */
  readonly normalizePath?: boolean
}

export interface VerifiedRequest {
  readonly accessKeyId: string
  readonly region: string
  readonly service: string
  /** In hex: the seed of the event chain. */
  readonly signature: string
  readonly signedHeaders: readonly string[]
  readonly sessionToken: string | undefined
}

/**
 * Verifies a request signed in its headers with AWS4-HMAC-SHA256, by every service's rule but S3's.
 *
 * @param secretFor - The secret of an access key id, or undefined for an unknown one.
 * @throws SigV4Error - one of `VerificationCode`: the request's shape first, then in the order they are listed there.
 */
export function verifyRequest(request: ReceivedRequest, secretFor: (accessKeyId: string) => string | undefined, expected: Expected): VerifiedRequest {
  const headers = collect(request.headers)
  const authorization = single(headers, 'authorization')
  const date = single(headers, 'x-amz-date')
  const dateMs = parseDate(date)
  const claim = parseAuthorization(authorization, headers)
  const hash = sha256(Buffer.from(canonical(request, claim, headers, expected), 'latin1'))
  checkScope(claim, date, expected)
  checkSkew(dateMs, expected)
  const secret = secretFor(claim.accessKeyId)
  if (typeof secret !== 'string') throw new SigV4Error('SIGV4_UNKNOWN_KEY', 'the access key id is unknown')
  checkSigned(claim, headers)
  checkPayload(request, headers)
  checkSignature(Buffer.from(claim.signature, 'hex'), keyOf(secret, claim), ['AWS4-HMAC-SHA256', date, scopeOf(claim), hash])
  const { accessKeyId, region, service, signature, signedHeaders } = claim
  return { accessKeyId, region, service, signature, signedHeaders, sessionToken: headers.get('x-amz-security-token')?.[0] }
}

export interface ReceivedEvent {
  /** The encoded header `:date`, the 15 bytes that stood in the frame. */
  readonly dateHeader: Uint8Array
  readonly payload: Uint8Array
  /** The bytes of `:chunk-signature`. */
  readonly signature: Uint8Array
  /** The signature before this one in hex; for the first event that of the request. */
  readonly priorSignature: string
}

/**
 * Verifies one event of a stream and returns its signature in hex, which is the next event's prior one.
 *
 * @throws SigV4Error - SIGV4_MALFORMED, SIGV4_SKEW, SIGV4_MISMATCH.
 */
export function verifyEvent(event: ReceivedEvent, secret: string, scope: { readonly region: string; readonly service: string }, clock: Clock): string {
  const dateMs = parseDateHeader(Buffer.from(event.dateHeader))
  const signature = Buffer.from(event.signature)
  if (signature.length !== 32) throw malformed('a signature has 32 bytes')
  checkSkew(dateMs, clock)
  const date = new Date(dateMs).toISOString().replace(/[-:]|\.\d+/g, '')
  const full = { ...scope, day: date.slice(0, 8) }
  const toSign = ['AWS4-HMAC-SHA256-PAYLOAD', date, scopeOf(full), event.priorSignature, sha256(event.dateHeader), sha256(event.payload)]
  checkSignature(signature, keyOf(secret, full), toSign)
  return signature.toString('hex')
}

type Headers = ReadonlyMap<string, readonly string[]>

interface FullScope {
  readonly day: string
  readonly region: string
  readonly service: string
}

interface Claim extends FullScope {
  readonly accessKeyId: string
  readonly signedHeaders: readonly string[]
  readonly signature: string
}

// A colon in a name or a line break in a value would let two requests share one canonical form.
function collect(pairs: ReceivedRequest['headers']): Headers {
  const headers = new Map<string, string[]>()
  for (const [name, value] of pairs) {
    if (!/^:?[^\s:;,]+$/.test(name) || /[\r\n\0]|[^\0-\xff]/.test(name + value)) throw malformed('a header name or value is not one of HTTP')
    const values = headers.get(name.toLowerCase())
    if (values === undefined) headers.set(name.toLowerCase(), [value])
    else values.push(value)
  }
  return headers
}

function single(headers: Headers, name: string): string {
  const values = headers.get(name) ?? []
  if (values.length > 1) throw malformed('Authorization or X-Amz-Date is there twice')
  if (values[0] === undefined) throw new SigV4Error('SIGV4_MISSING', 'Authorization and X-Amz-Date are needed')
  return values[0]
}

function parseAuthorization(value: string, headers: Headers): Claim {
  const match = /^AWS4-HMAC-SHA256 +Credential=([^\s,/]+)\/(\d{8})\/([^\s,/]+)\/([^\s,/]+)\/aws4_request, *SignedHeaders=([^\s,]+), *Signature=([0-9a-f]{64})$/.exec(value)
  if (match === null) throw malformed('Authorization does not read Credential, SignedHeaders, Signature')
  const [, accessKeyId = '', day = '', region = '', service = '', names = '', signature = ''] = match
  const signedHeaders = names.split(';')
  if (names !== [...new Set(signedHeaders)].sort().join(';')) throw malformed('SignedHeaders must be sorted, each named once')
  if (!signedHeaders.every((name) => headers.has(name))) throw malformed('SignedHeaders names a header that is not there in lower case')
  return { accessKeyId, day, region, service, signedHeaders, signature }
}

function parseDate(date: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date)
  if (match === null) throw malformed('X-Amz-Date must read YYYYMMDDTHHMMSSZ')
  const [year = 0, month = 0, ...rest] = match.slice(1).map(Number)
  const dateMs = Date.UTC(year, month - 1, ...rest)
  if (new Date(dateMs).toISOString().replace(/[-:]|\.\d+/g, '') !== date) throw malformed('X-Amz-Date is no date of the calendar')
  return dateMs
}

function parseDateHeader(header: Buffer): number {
  const isDate = header.length === 15 && header.toString('latin1', 0, 7) === '\x05:date\x08'
  const dateMs = isDate ? Number(header.readBigInt64BE(7)) : -1
  if (dateMs < 0 || dateMs >= Date.UTC(10000)) throw malformed('the header block must hold :date, a timestamp, and nothing else')
  return dateMs
}

function checkScope(claim: Claim, date: string, expected: Expected): void {
  const isExpected =
    claim.day === date.slice(0, 8) &&
    (expected.region === undefined || claim.region === expected.region) &&
    (expected.service === undefined || claim.service === expected.service)
  if (!isExpected) throw new SigV4Error('SIGV4_WRONG_SCOPE', 'the credential is scoped to another day, region or service')
}

function checkSkew(dateMs: number, { nowMs, maxSkewMs }: Clock): void {
  // Written so that NaN refuses.
  if (!(Math.abs(nowMs - dateMs) <= maxSkewMs)) throw new SigV4Error('SIGV4_SKEW', 'the signature is too old or not yet current')
}

function checkSigned(claim: Claim, headers: Headers): void {
  const signed = new Set(claim.signedHeaders)
  const isHostSigned = signed.has('host') || signed.has(':authority')
  const areOursSigned = [...headers.keys()].every((name) => !name.startsWith('x-amz-') || signed.has(name))
  if (!isHostSigned || !areOursSigned) throw new SigV4Error('SIGV4_NOT_SIGNED', 'host and every x-amz-* header must be signed')
}

function checkPayload(request: ReceivedRequest, headers: Headers): void {
  for (const sent of headers.get('x-amz-content-sha256') ?? []) {
    if (sent !== request.payloadHash) throw new SigV4Error('SIGV4_PAYLOAD_MISMATCH', 'X-Amz-Content-Sha256 is not the hash of the body')
  }
}

function checkSignature(given: Buffer, key: Buffer, toSign: readonly string[]): void {
  if (!timingSafeEqual(given, hmac(key, toSign.join('\n')))) throw new SigV4Error('SIGV4_MISMATCH', 'the signature does not match')
}

function canonical(request: ReceivedRequest, claim: Claim, headers: Headers, expected: Expected): string {
  const { method, target } = request
  if (!/^[A-Za-z]+$/.test(method)) throw malformed('the method is none')
  if (!target.startsWith('/') || /[^\0-\xff]/.test(target)) throw malformed('the target must be a path, one character per byte')
  const mark = target.includes('?') ? target.indexOf('?') : target.length
  const path = expected.normalizePath === true ? withoutDots(target.slice(0, mark)) : target.slice(0, mark)
  return [
    method,
    path.split('/').map(percentEncode).join('/'),
    canonicalizeQuery(target.slice(mark + 1)),
    ...claim.signedHeaders.map((name) => `${name}:${(headers.get(name) ?? []).map(squeeze).join(',')}`),
    '',
    claim.signedHeaders.join(';'),
    request.payloadHash,
  ].join('\n')
}

function canonicalizeQuery(query: string): string {
  const parameters = query.split('&').filter((parameter) => parameter !== '')
  const encoded = parameters.map((parameter) => {
    const [name = '', ...value] = parameter.split('=')
    // NUL sorts before all that encoding leaves, so a name stands before the longer ones it begins.
    return `${percentEncode(percentDecode(name))}\0${percentEncode(percentDecode(value.join('=')))}`
  })
  return encoded.sort().map((parameter) => parameter.replace('\0', '=')).join('&')
}

// From the end: each `..` takes with it the next segment before it that is not one itself.
function withoutDots(path: string): string {
  let climbs = 0
  const kept = path.split('/').reverse().filter((segment) => {
    if (segment === '..') climbs++
    if (segment === '' || segment === '.' || segment === '..') return false
    if (climbs === 0) return true
    climbs--
    return false
  })
  return `/${kept.reverse().join('/')}${kept.length > 0 && path.endsWith('/') ? '/' : ''}`
}

const percentEncode = (bytes: string): string => bytes.replace(/[^\w.~-]/g, (byte) => `%${Buffer.from(byte, 'latin1').toString('hex').toUpperCase()}`)

function percentDecode(text: string): string {
  if (/%(?![\dA-Fa-f]{2})/.test(text)) throw malformed('the query holds a broken escape')
  return text.replace(/%../g, (escape) => String.fromCharCode(Number.parseInt(escape.slice(1), 16)))
}

const squeeze = (value: string): string => value.split(/[ \t]+/).filter((word) => word !== '').join(' ')

const scopeOf = ({ day, region, service }: FullScope): string => `${day}/${region}/${service}/aws4_request`

const keyOf = (secret: string, { day, region, service }: FullScope): Buffer =>
  hmac(hmac(hmac(hmac(Buffer.from(`AWS4${secret}`), day), region), service), 'aws4_request')

const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', createSecretKey(key)).update(text).digest()

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const malformed = (message: string): SigV4Error => new SigV4Error('SIGV4_MALFORMED', message)

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import * as sigv4 from '../../src/sigv4/index.ts'

/** One vector of any suite, brought to one form. */
export interface Case {
  readonly name: string
  readonly request: sigv4.SigningRequest
  /** The path to sign, where it is not the one on the wire (dot segments removed). */
  readonly normalized?: boolean
  /** As received: one character per byte. */
  readonly target: string
  /** What the request holds beside the signed headers and those that sign() adds. */
  readonly unsigned?: readonly sigv4.Pair[]
  readonly credentials: sigv4.Credentials
  readonly scope: sigv4.Scope
  /** YYYYMMDDTHHMMSSZ */
  readonly date: string
  readonly expected: {
    readonly canonicalRequest?: string | undefined
    readonly stringToSign?: string | undefined
    readonly signature?: string | undefined
    readonly authorization?: string | undefined
  }
}

export const sha256 = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

export const msOf = (date: string): number => Date.parse(date.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'))

/** Decodes the query of a target as an application would. */
export function pairsOf(query: string): sigv4.Pair[] {
  return query.split('&').filter(Boolean).map((part) => {
    const [name = '', ...value] = part.split('=')
    return [decodeURIComponent(name), decodeURIComponent(value.join('='))]
  })
}

/** Compares every rung of the ladder, then sign() as a whole; returns what sign() returned. */
export function checkSigner({ request, credentials, scope, date, expected }: Case): sigv4.Pair[] {
  const added = sigv4.sign(request, credentials, scope, date, new sigv4.SigningKeys())
  assert.deepEqual(sigv4.sign(request, credentials, scope, msOf(date), new sigv4.SigningKeys()), added, 'the date in milliseconds')

  const headers = sigv4.canonicalHeaders([...added.slice(0, -1), ...request.headers])
  const canonical = sigv4.canonicalRequest(request, headers)
  compare(canonical, expected.canonicalRequest, 'canonical request')
  const toSign = sigv4.stringToSign(date, scope, canonical)
  compare(toSign, expected.stringToSign, 'string to sign')
  const signature = sigv4.signature(sigv4.signingKey(credentials.secretAccessKey, date.slice(0, 8), scope), toSign)
  compare(signature, expected.signature, 'signature')
  const authorization = sigv4.authorization(credentials.accessKeyId, date, scope, headers.signedHeaders, signature)
  compare(authorization, expected.authorization, 'authorization')

  assert.deepEqual(added.at(-1), ['authorization', authorization], 'sign() climbs the same ladder')
  assert.equal(sigv4.signatureOf(added), signature)
  return added
}

function compare(actual: string, expected: string | undefined, rung: string): void {
  if (expected !== undefined) assert.equal(actual, expected, rung)
}

/** The request as the other side receives it. */
export function received({ request, target, unsigned = [] }: Case, added: readonly sigv4.Pair[]): sigv4.ReceivedRequest {
  return { method: request.method, target, headers: [...unsigned, ...request.headers, ...added], payloadHash: request.payloadHash }
}

const verify = (vector: Case, request: sigv4.ReceivedRequest) =>
  sigv4.verifyRequest(request, (id) => (id === vector.credentials.accessKeyId ? vector.credentials.secretAccessKey : undefined), {
    nowMs: msOf(vector.date),
    maxSkewMs: Infinity,
    ...vector.scope,
    normalizePath: vector.normalized === true,
  })

/** The verifier accepts what the signer made, and refuses it with any one byte changed. Returns how many changes it refused. */
export function checkVerifier(vector: Case, added: readonly sigv4.Pair[]): number {
  const request = received(vector, added)
  const verified = verify(vector, request)
  assert.equal(verified.accessKeyId, vector.credentials.accessKeyId)
  assert.equal(verified.signature, sigv4.signatureOf(added))
  assert.equal(verified.sessionToken, vector.credentials.sessionToken)
  assert.deepEqual({ region: verified.region, service: verified.service }, vector.scope)

  let refused = 0
  for (const [changed, code] of changes(vector, request, verified.signedHeaders)) {
    assert.throws(() => verify(vector, changed), { name: 'SigV4Error', code }, JSON.stringify(changed))
    refused++
  }
  return refused
}

type Change = readonly [sigv4.ReceivedRequest, sigv4.VerificationCode]

function* changes(vector: Case, request: sigv4.ReceivedRequest, signedHeaders: readonly string[]): Generator<Change> {
  for (const target of flips(request.target.slice(1)).map((rest) => `/${rest}`)) {
    if (!isSameNormalized(vector, target)) yield [{ ...request, target }, /%(?![\da-f]{2})/i.test(target.split('?')[1] ?? '') ? 'SIGV4_MALFORMED' : 'SIGV4_MISMATCH']
  }
  const isHashSent = signedHeaders.includes('x-amz-content-sha256')
  for (const payloadHash of flips(request.payloadHash)) yield [{ ...request, payloadHash }, isHashSent ? 'SIGV4_PAYLOAD_MISMATCH' : 'SIGV4_MISMATCH']
  for (const [at, [name, value]] of request.headers.entries()) {
    const isSignature = name === 'authorization'
    if (!isSignature && !signedHeaders.includes(name.toLowerCase())) continue
    for (const flipped of isSignature ? flips(value.slice(-64)).map((end) => value.slice(0, -64) + end) : flips(value)) {
      yield [{ ...request, headers: request.headers.with(at, [name, flipped]) }, codeOf(name, value, flipped)]
    }
  }
}

/** The text with its lowest bit of one byte changed, for every byte. */
const flips = (text: string): string[] => Array.from(text, (char, at) => text.slice(0, at) + String.fromCharCode(char.charCodeAt(0) ^ 1) + text.slice(at + 1))

// `/example/..` and `/dxample/..` are one path once the dots are gone.
const isSameNormalized = ({ normalized, target }: Case, changed: string): boolean =>
  normalized === true && !changed.includes('?') && sigv4.normalizePath(target) === sigv4.normalizePath(changed)

function codeOf(name: string, value: string, changed: string): sigv4.VerificationCode {
  if (name === 'authorization') return /=[0-9a-f]{64}$/.test(changed) ? 'SIGV4_MISMATCH' : 'SIGV4_MALFORMED'
  if (name === 'x-amz-content-sha256') return 'SIGV4_PAYLOAD_MISMATCH'
  if (name !== 'x-amz-date') return 'SIGV4_MISMATCH'
  if (Number.isNaN(msOf(changed))) return 'SIGV4_MALFORMED'
  return changed.slice(0, 8) === value.slice(0, 8) ? 'SIGV4_MISMATCH' : 'SIGV4_WRONG_SCOPE'
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as sigv4 from '../../src/sigv4/index.ts'
import { sha256 } from './case.ts'

const CREDENTIALS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' }
const SCOPE = { region: 'us-east-1', service: 'bedrock' }
const DATE = '20260314T150926Z'
const NOW_MS = Date.UTC(2026, 2, 14, 15, 9, 26)
const EXPECTED: sigv4.Expected = { nowMs: NOW_MS, maxSkewMs: 300_000, ...SCOPE }
const REQUEST: sigv4.SigningRequest = { method: 'POST', path: '/model/x-v1%3A0/invoke', query: [['b', ''], ['a', '+ /']], headers: [['Host', 'example.com']], payloadHash: sha256('') }

const signed = (change: Partial<sigv4.SigningRequest> = {}, credentials: sigv4.Credentials = CREDENTIALS): sigv4.ReceivedRequest => {
  const request = { ...REQUEST, ...change }
  const added = sigv4.sign(request, credentials, SCOPE, DATE, new sigv4.SigningKeys())
  return { method: request.method, target: `${request.path}?${sigv4.canonicalQuery(request.query)}`, headers: [...request.headers, ...added], payloadHash: request.payloadHash }
}
const secretFor = (id: string): string | undefined => (id === CREDENTIALS.accessKeyId ? CREDENTIALS.secretAccessKey : undefined)
const verify = (request: sigv4.ReceivedRequest, expected: Partial<sigv4.Expected> = {}) => sigv4.verifyRequest(request, secretFor, { ...EXPECTED, ...expected })
const refuses = (code: sigv4.VerificationCode, request: sigv4.ReceivedRequest, expected: Partial<sigv4.Expected> = {}) =>
  assert.throws(() => verify(request, expected), { name: 'SigV4Error', code })

/** The request with one header changed, or with it gone. */
const withHeader = (request: sigv4.ReceivedRequest, changed: string, change: (value: string) => string | undefined): sigv4.ReceivedRequest => ({
  ...request,
  headers: request.headers.flatMap(([name, value]): sigv4.Pair[] => {
    const after = name.toLowerCase() === changed ? change(value) : value
    return after === undefined ? [] : [[name, after]]
  }),
})
const withAuthorization = (from: string | RegExp, to: string): sigv4.ReceivedRequest =>
  withHeader(signed(), 'authorization', (value) => {
    assert.notEqual(value.replace(from, to), value)
    return value.replace(from, to)
  })

test('verifyRequest() says who signed, for what, and which headers are covered', () => {
  const request = signed({ sendPayloadHash: true }, { ...CREDENTIALS, sessionToken: 'token' })
  assert.deepEqual(verify(request), {
    accessKeyId: 'AKIDEXAMPLE',
    ...SCOPE,
    signature: sigv4.signatureOf(request.headers),
    signedHeaders: ['host', 'x-amz-content-sha256', 'x-amz-date', 'x-amz-security-token'],
    sessionToken: 'token',
  })
})

test('verifyRequest() accepts names in any case, headers in any order, and unsigned ones that are nobody\'s business', () => {
  const request = signed({ headers: [['Host', 'example.com'], ['x-b', '1'], ['X-A', 'a  b'], ['X-B', '2']] })
  const shouted = request.headers.map(([name, value]): sigv4.Pair => [name.toUpperCase(), value])
  verify({ ...request, headers: [['User-Agent', 'x'], ['x-amzn-trace-id', 'x'], ...shouted.filter(([name]) => name !== 'X-B').reverse(), ...shouted.filter(([name]) => name === 'X-B')] })
})

test('verifyRequest() reads a query in any order and spelling that means the same', () => {
  const request = signed()
  for (const query of ['a=%2B%20%2F&b=', 'b&a=%2b%20%2f', '&b=&&a=+%20/&', '%61=+ /&b']) verify({ ...request, target: `${REQUEST.path}?${query}` })
  for (const query of ['', 'a=%2B%20%2F', 'a=%2B%20%2F&b=&b=', 'a=%2B%20%2F&b==', 'a=++/&b=']) refuses('SIGV4_MISMATCH', { ...request, target: `${REQUEST.path}?${query}` })
})

test('verifyRequest() takes a path literally: another spelling is another path', () => {
  for (const path of ['/model/x-v1:0/invoke', '/model/x-v1%3a0/invoke', '//model/x-v1%3A0/invoke', '/model/./x-v1%3A0/invoke', '/model/x-v1%3A0/invoke/']) {
    refuses('SIGV4_MISMATCH', { ...signed(), target: `${path}?a=%2B%20%2F&b=` })
  }
})

test('verifyRequest() removes dot segments where it is told to', () => {
  const request = signed({ path: '/a/c/' })
  for (const path of ['/a/c/', '//a//c/', '/a/b/../c/', '/../a/./x/y/../../c//']) verify({ ...request, target: `${path}?a=%2B%20%2F&b=` }, { normalizePath: true })
  for (const path of ['/a/c', '/a/../c/', '/a/c/..', '/c/']) refuses('SIGV4_MISMATCH', { ...request, target: `${path}?a=%2B%20%2F&b=` }, { normalizePath: true })
})

test('verifyRequest() misses what is not there', () => {
  for (const name of ['authorization', 'x-amz-date']) refuses('SIGV4_MISSING', withHeader(signed(), name, () => undefined))
})

const MALFORMED: readonly (readonly [what: string, request: sigv4.ReceivedRequest])[] = [
  ['another scheme', withAuthorization('AWS4-HMAC-SHA256', 'Bearer')],
  ['another algorithm', withAuthorization('AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256')],
  ['an upper-case signature', withAuthorization(/Signature=.*/, `Signature=${'A'.repeat(64)}`)],
  ['a short signature', withAuthorization(/.$/, '')],
  ['no credential', withAuthorization(/Credential=[^ ]+ /, '')],
  ['another terminator', withAuthorization('aws4_request', 'aws5_request')],
  ['a slash too many', withAuthorization('us-east-1/', 'us-east-1//')],
  ['something after the signature', withAuthorization(/$/, ' ')],
  ['no signed headers', withAuthorization('host;x-amz-date', '')],
  ['signed headers out of order', withAuthorization('host;x-amz-date', 'x-amz-date;host')],
  ['a signed header twice', withAuthorization('host;', 'host;host;')],
  ['a signed header in upper case', withAuthorization('host;', 'Host;')],
  ['a signed header that is not there', withAuthorization('host;', 'host;not-there;')],
  ['two authorizations', { ...signed(), headers: [...signed().headers, ['Authorization', 'x']] }],
  ['two dates', { ...signed(), headers: [...signed().headers, ['x-amz-date', DATE]] }],
  ['a date of another format', withHeader(signed(), 'x-amz-date', () => '2026-03-14T15:09:26Z')],
  ['a thirteenth month', withHeader(signed(), 'x-amz-date', () => '20261314T150926Z')],
  ['a thirtieth of February', withHeader(signed(), 'x-amz-date', () => '20260230T150926Z')],
  ['a year before 100', withHeader(signed(), 'x-amz-date', () => '00260314T150926Z')],
  ['a line break in a value', { ...signed(), headers: [...signed().headers, ['x', 'a\nb']] }],
  ['a carriage return in a value', { ...signed(), headers: [...signed().headers, ['x', 'a\rb']] }],
  ['a NUL in a value', { ...signed(), headers: [...signed().headers, ['x', '\0']] }],
  ['a colon in a name', { ...signed(), headers: [...signed().headers, ['x:y', '']] }],
  ['a character that is no byte in a header', { ...signed(), headers: [...signed().headers, ['x', '\u0131']] }],
  ['a character that is no byte in the target', { ...signed(), target: '/\u0131' }],
  ['a target that is no path', { ...signed(), target: 'http://example.com/' }],
  ['a broken escape in the query', { ...signed(), target: '/?a=%2' }],
  ['a method with a line in it', { ...signed(), method: 'POST\n/' }],
]

for (const [what, request] of MALFORMED) test(`verifyRequest() calls it malformed: ${what}`, () => refuses('SIGV4_MALFORMED', request))

test('verifyRequest() refuses another scope', () => {
  refuses('SIGV4_WRONG_SCOPE', signed(), { region: 'eu-west-1' })
  refuses('SIGV4_WRONG_SCOPE', signed(), { service: 'sts' })
  refuses('SIGV4_WRONG_SCOPE', withAuthorization('/20260314/', '/20260315/'))
  refuses('SIGV4_MISMATCH', withAuthorization('us-east-1', 'us-east-2'), { region: 'us-east-2' })
  const { nowMs, maxSkewMs } = EXPECTED
  assert.deepEqual(sigv4.verifyRequest(signed(), secretFor, { nowMs, maxSkewMs }).region, 'us-east-1')
})

test('verifyRequest() bounds the age of a signature on both sides, and refuses what is no number', () => {
  for (const nowMs of [NOW_MS - 300_000, NOW_MS + 300_000]) verify(signed(), { nowMs })
  for (const nowMs of [NOW_MS - 300_001, NOW_MS + 300_001, NaN]) refuses('SIGV4_SKEW', signed(), { nowMs })
  refuses('SIGV4_SKEW', signed(), { maxSkewMs: NaN })
})

test('verifyRequest() refuses a key it does not know, also where the answer is null', () => {
  refuses('SIGV4_UNKNOWN_KEY', signed({}, { ...CREDENTIALS, accessKeyId: 'AKIDOTHER' }))
  const request = signed({}, { ...CREDENTIALS, secretAccessKey: 'null' })
  assert.throws(() => sigv4.verifyRequest(request, () => null as unknown as undefined, EXPECTED), { code: 'SIGV4_UNKNOWN_KEY' })
  refuses('SIGV4_MISMATCH', signed({}, { ...CREDENTIALS, secretAccessKey: 'other' }))
})

test('verifyRequest() wants host and every x-amz-* header signed', () => {
  refuses('SIGV4_NOT_SIGNED', withAuthorization('host;', ''))
  refuses('SIGV4_NOT_SIGNED', withAuthorization(';x-amz-date', ''))
  refuses('SIGV4_NOT_SIGNED', { ...signed(), headers: [...signed().headers, ['X-Amz-Meta', 'x']] })
  refuses('SIGV4_NOT_SIGNED', { ...signed(), headers: [...signed().headers, ['X-Amz-Security-Token', 'x']] })
  verify({ ...signed(), headers: [...signed().headers, ['x-amzn-bedrock-trace', 'x']] })
  verify(signed({ headers: [[':authority', 'example.com']] }))
})

test('verifyRequest() compares the hash that was sent with the body that came', () => {
  refuses('SIGV4_PAYLOAD_MISMATCH', { ...signed({ sendPayloadHash: true }), payloadHash: sha256('x') })
  refuses('SIGV4_PAYLOAD_MISMATCH', { ...signed({ payloadHash: sigv4.STREAMING_EVENTS }), payloadHash: sha256('') })
  refuses('SIGV4_MISMATCH', { ...signed(), payloadHash: sha256('x') })
})

test('verifyRequest() refuses another method, and a header moved into another', () => {
  refuses('SIGV4_MISMATCH', { ...signed(), method: 'PUT' })
  const request = signed({ headers: [['host', 'h'], ['x-a', '1'], ['x-b', '2']] })
  refuses('SIGV4_MISMATCH', { ...request, headers: request.headers.map(([name, value]) => [name, name === 'x-a' ? '2' : name === 'x-b' ? '1' : value]) })
  refuses('SIGV4_MISMATCH', { ...request, headers: [...request.headers, ['x-a', '1']] })
})

test('verifyRequest() speaks in the order of its codes when several apply', () => {
  const bad = { ...withAuthorization('host;', ''), payloadHash: sha256('x') }
  refuses('SIGV4_WRONG_SCOPE', bad, { region: 'eu-west-1', nowMs: 0 })
  refuses('SIGV4_SKEW', bad, { nowMs: 0 })
  assert.throws(() => sigv4.verifyRequest(bad, () => undefined, EXPECTED), { code: 'SIGV4_UNKNOWN_KEY' })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as sigv4 from '../../src/sigv4/index.ts'
import { sha256 } from './case.ts'

const CREDENTIALS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' }
const SCOPE = { region: 'us-east-1', service: 'bedrock' }
const DATE = '20260314T150926Z'
const REQUEST: sigv4.SigningRequest = { method: 'POST', path: '/model/x-v1%3A0/invoke', query: [], headers: [['Host', 'example.com']], payloadHash: sha256('') }

const sign = (change: Partial<sigv4.SigningRequest> = {}, credentials: sigv4.Credentials = CREDENTIALS, scope = SCOPE, date: number | string = DATE) =>
  sigv4.sign({ ...REQUEST, ...change }, credentials, scope, date, new sigv4.SigningKeys())
const names = (pairs: readonly sigv4.Pair[]) => pairs.map(([name]) => name)

test('sign() returns the headers to add and no other', () => {
  assert.deepEqual(names(sign()), ['x-amz-date', 'authorization'])
  assert.deepEqual(names(sign({ sendPayloadHash: true }, { ...CREDENTIALS, sessionToken: 'token' })), ['x-amz-date', 'x-amz-security-token', 'x-amz-content-sha256', 'authorization'])
  assert.deepEqual(sign({ payloadHash: sigv4.STREAMING_EVENTS })[1], ['x-amz-content-sha256', sigv4.STREAMING_EVENTS])
})

test('sign() hashes a header value as the bytes Node sends, not as UTF-8', () => {
  const added = sign({ headers: [['host', 'h'], ['x-amzn-name', '\xe9']] })
  const canonical = Buffer.from(`POST\n/model/x-v1%253A0/invoke\n\nhost:h\nx-amz-date:${DATE}\nx-amzn-name:\xe9\n\nhost;x-amz-date;x-amzn-name\n${sha256('')}`, 'latin1')
  const toSign = `AWS4-HMAC-SHA256\n${DATE}\n20260314/us-east-1/bedrock/aws4_request\n${sha256(canonical)}`
  assert.equal(sigv4.signatureOf(added), sigv4.signature(sigv4.signingKey('secret', '20260314', SCOPE), toSign))
})

const REFUSED: readonly (readonly [sigv4.SigningCode, Partial<sigv4.SigningRequest>])[] = [
  ['SIGV4_METHOD', { method: 'post' }],
  ['SIGV4_METHOD', { method: '' }],
  ['SIGV4_METHOD', { method: 'GET\n' }],
  ['SIGV4_PATH', { path: '/a?b' }],
  ['SIGV4_TEXT', { query: [['a', '\ud800']] }],
  ['SIGV4_PAYLOAD_HASH', { payloadHash: 'UNSIGNED-PAYLOAD' }],
  ['SIGV4_PAYLOAD_HASH', { payloadHash: sha256('').toUpperCase() }],
  ['SIGV4_PAYLOAD_HASH', { payloadHash: '' }],
  ['SIGV4_HOST', { headers: [] }],
  ['SIGV4_HOST', { headers: [['host', 'a'], ['Host', 'a']] }],
  ['SIGV4_HOST', { headers: [['host', 'a'], [':authority', 'b']] }],
  ['SIGV4_HEADER', { headers: [['host', 'a'], ['x', 'a\r\nx-amz-date: 1']] }],
  ['SIGV4_RESERVED', { headers: [['host', 'a'], ['AUTHORIZATION', 'a']] }],
  ['SIGV4_RESERVED', { headers: [['host', 'a'], ['X-Amz-Date', 'a']] }],
  ['SIGV4_RESERVED', { headers: [['host', 'a'], ['x-amz-security-token', 'a']] }],
  ['SIGV4_RESERVED', { headers: [['host', 'a'], ['x-amz-content-sha256', 'a']] }],
  ...['Algorithm', 'Credential', 'Date', 'Expires', 'Security-Token', 'Signature', 'SignedHeaders'].map((name) => ['SIGV4_RESERVED', { query: [[`X-Amz-${name}`, '']] }] as const),
]

for (const [at, [code, change]] of REFUSED.entries()) {
  test(`sign() refuses with ${code} (row ${at + 1})`, () => assert.throws(() => sign(change), { name: 'SigV4Error', code }))
}

test('sign() refuses a scope, key id or date that would be read as something else', () => {
  for (const region of ['', 'us-east-1/s3', 'a b', 'a\n', 'x'.repeat(65)]) assert.throws(() => sign({}, CREDENTIALS, { ...SCOPE, region }), { code: 'SIGV4_SCOPE' })
  for (const service of ['', 'a,b', 'a/b']) assert.throws(() => sign({}, CREDENTIALS, { ...SCOPE, service }), { code: 'SIGV4_SCOPE' })
  for (const accessKeyId of ['', 'A/B', 'A, SignedHeaders=host', 'A\n', 'x'.repeat(129)]) assert.throws(() => sign({}, { ...CREDENTIALS, accessKeyId }), { code: 'SIGV4_CREDENTIALS' })
  for (const date of ['', '2026-03-14', '20260314T150926', '20260314T150926Z\n', -1, NaN]) assert.throws(() => sign({}, CREDENTIALS, SCOPE, date), { code: 'SIGV4_DATE' })
  for (const sessionToken of ['a\nb', '\u0100']) assert.throws(() => sign({}, { ...CREDENTIALS, sessionToken }), { code: 'SIGV4_HEADER' })
})

test('sign() never signs the word "undefined" for what its caller forgot', () => {
  const forgot = undefined as unknown as string
  for (const key of ['accessKeyId', 'secretAccessKey']) assert.throws(() => sign({}, { ...CREDENTIALS, [key]: forgot }), TypeError)
  for (const key of ['region', 'service']) assert.throws(() => sign({}, CREDENTIALS, { ...SCOPE, [key]: forgot }), TypeError)
  assert.throws(() => sigv4.sign(REQUEST, CREDENTIALS, SCOPE, forgot, new sigv4.SigningKeys()), TypeError)
  assert.throws(() => sign({ headers: [['host', 'h'], ['x', forgot]] }), TypeError)
  assert.throws(() => sign({ query: [['x', forgot]] }), TypeError)
  assert.throws(() => sign({}, { ...CREDENTIALS, sessionToken: null as unknown as string }), TypeError)
})

test('signatureOf() wants what sign() returned', () => {
  assert.throws(() => sigv4.signatureOf([]), TypeError)
  assert.throws(() => sigv4.signatureOf([['x-amz-date', DATE]]), TypeError)
})

test('SigningKeys derives a key once for each secret, day, region and service', () => {
  const keys = new sigv4.SigningKeys()
  const first = keys.get('secret', '20260314', SCOPE)
  assert.equal(keys.get('secret', '20260314', { ...SCOPE }), first)
  for (const [secret, day, scope] of [['other', '20260314', SCOPE], ['secret', '20260315', SCOPE], ['secret', '20260314', { ...SCOPE, region: 'eu-west-1' }], ['secret', '20260314', { ...SCOPE, service: 'sts' }]] as const) {
    assert.notDeepEqual(keys.get(secret, day, scope).export(), first.export())
  }
  assert.equal(keys.size, 5)
})

test('SigningKeys is bounded: the oldest key leaves, and comes back the same', () => {
  const keys = new sigv4.SigningKeys(2)
  const first = keys.get('a', '20260314', SCOPE)
  const second = keys.get('b', '20260314', SCOPE)
  keys.get('c', '20260314', SCOPE)
  assert.equal(keys.size, 2)
  assert.equal(keys.get('b', '20260314', SCOPE), second)
  assert.notEqual(keys.get('a', '20260314', SCOPE), first)
  assert.deepEqual(keys.get('a', '20260314', SCOPE).export(), first.export())
  assert.equal(new sigv4.SigningKeys(1).size, 0)
  for (const maxKeys of [0, -1, 1.5, NaN, Infinity]) assert.throws(() => new sigv4.SigningKeys(maxKeys), TypeError)
})

test('SigningKeys keeps nothing of a scope it refused', () => {
  const keys = new sigv4.SigningKeys()
  assert.throws(() => keys.get('secret', '20260314', { region: 'a/b', service: 'c' }), { code: 'SIGV4_SCOPE' })
  assert.equal(keys.size, 0)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HttpError, type HttpErrorCode, MAX_HEADER_LINES, requestFields, responseFields } from '../../src/http/index.ts'

const HOST = ['Host', 'proxy.example']

function refused(code: HttpErrorCode, raw: readonly string[], version = '1.1'): void {
  assert.throws(() => requestFields(raw, version), (error) => error instanceof HttpError && error.code === code, `${code} for ${JSON.stringify(raw)}`)
}

test('requestFields() forwards what AWS may see, in order, with lower-case names', () => {
  const raw = [...HOST, 'Content-Type', 'application/json', 'X-Amzn-Bedrock-Trace', 'ENABLED', 'anthropic-beta', 'a', 'Anthropic-Beta', 'b', 'User-Agent', 'x']
  assert.deepEqual(requestFields(raw, '1.1').forward, [
    'content-type', 'application/json', 'x-amzn-bedrock-trace', 'ENABLED', 'anthropic-beta', 'a', 'anthropic-beta', 'b', 'user-agent', 'x',
  ])
})

test('requestFields() lets no credential, signature, front-proxy claim or hop-by-hop field through', () => {
  const never = [
    'Authorization', 'X-Api-Key', 'Cookie', 'Proxy-Authorization', 'X-Amz-Date', 'X-Amz-Security-Token', 'x-amz-content-sha256', 'Amz-Sdk-Request',
    'x-amzn-oidc-data', 'cf-access-jwt-assertion', 'X-Goog-IAP-JWT-Assertion', 'Api-Key', 'X-Auth-Token', 'X-Ms-Token-Aad-Id-Token', 'X-Goog-Authenticated-User-Email',
    'X-Original-URL', 'X-Original-Forwarded-For', 'x-auth-request-email', 'X-Forwarded-For', 'Forwarded', 'Via', 'Expect',
    'TE', 'Trailer', 'Accept-Encoding', 'Origin', 'Referer', 'Sec-Fetch-Mode', 'X-Stainless-Lang', 'X-Amzn-Bedrock-Request-Metadata', 'Keep-Alive',
    'Proxy-Connection', 'Upgrade', 'Content-Length', 'HTTP2-Settings', 'Content_Type', 'Transfer_Encoding',
  ]
  for (const name of never) assert.deepEqual(requestFields([...HOST, name, name === 'Content-Length' ? '1' : 'x'], '1.1').forward, [], name)
})

test('requestFields() removes the fields that Connection names', () => {
  assert.deepEqual(requestFields([...HOST, 'Connection', 'close, X-Hop', 'x-hop', '1', 'x-stay', '2'], '1.1').forward, ['x-stay', '2'])
})

test('requestFields() refuses a Connection header that names what is not the client\'s to remove', () => {
  for (const name of ['Authorization', 'host', 'X-Amz-Date']) refused('HTTP_CONNECTION_NAMES', [...HOST, 'Connection', `keep-alive, ${name}`])
})

test('requestFields() refuses a second line of a field that is no list', () => {
  for (const name of ['Authorization', 'Content-Type', 'Content-Length', 'X-Api-Key', 'X-Amz-Security-Token', 'X-Amzn-Bedrock-Trace', 'Transfer-Encoding']) {
    refused('HTTP_DUPLICATE_HEADER', [...HOST, name, '1', name.toUpperCase(), '1'])
  }
  refused('HTTP_DUPLICATE_HEADER', [...HOST, ...HOST])
})

test('requestFields() refuses a Host that is missing, empty or more than a host and port', () => {
  refused('HTTP_BAD_HOST', [])
  for (const host of ['', 'a@b', 'a/b', 'a b', 'a:b', 'a:1:2', '[::1', 'a,b', 'a\\b', 'a?b', 'a#b']) refused('HTTP_BAD_HOST', ['Host', host])
  for (const host of ['localhost', 'a.b-c:8080', '127.0.0.1:1', '[::1]:3000', 'my_service']) assert.equal(requestFields(['Host', host], '1.1').get('host'), host)
})

test('requestFields() takes a request of HTTP/1.0 without a Host', () => {
  assert.equal(requestFields([], '1.0').get('host'), undefined)
})

test('requestFields() refuses a body that is encoded', () => {
  for (const value of ['gzip', 'br', 'identity, gzip', '']) refused('HTTP_BODY_ENCODED', [...HOST, 'Content-Encoding', value])
  refused('HTTP_BODY_ENCODED', [...HOST, 'Content-Encoding', 'identity', 'Content-Encoding', 'gzip'])
  assert.equal(requestFields([...HOST, 'Content-Encoding', 'Identity'], '1.1').get('content-encoding'), 'Identity')
})

test('requestFields() refuses versions of HTTP that nobody speaks', () => {
  for (const version of ['0.9', '1.2', '2.0', '']) refused('HTTP_BAD_VERSION', HOST, version)
})

test('requestFields() accepts transfer-encoding only as "chunked" on HTTP/1.1', () => {
  assert.equal(requestFields([...HOST, 'Transfer-Encoding', 'Chunked'], '1.1').get('transfer-encoding'), 'Chunked')
  for (const value of ['gzip, chunked', ',chunked', 'identity', 'chunked, chunked', 'xchunked', '']) refused('HTTP_BAD_FRAMING', [...HOST, 'Transfer-Encoding', value])
  refused('HTTP_BAD_FRAMING', [...HOST, 'Transfer-Encoding', 'chunked'], '1.0')
  refused('HTTP_BAD_FRAMING', [...HOST, 'Transfer-Encoding', 'chunked'], '2')
})

test('requestFields() accepts a Content-Length of digits only', () => {
  for (const value of ['', '-1', '+1', '0x1', '1 2', '1e3', '9999999999999999']) refused('HTTP_BAD_FRAMING', [...HOST, 'Content-Length', value])
})

test('requestFields() drops a value outside of ASCII, and refuses it where it would be signed', () => {
  assert.deepEqual(requestFields([...HOST, 'x-name', 'Jos\xe9'], '1.1').forward, [])
  refused('HTTP_BAD_HEADER', [...HOST, 'Content-Type', 'a\xff'])
  refused('HTTP_BAD_HEADER', [...HOST, 'x-amzn-bedrock-trace', 'a\x01'])
})

test('requestFields() counts header lines', () => {
  const lines = (count: number) => [...HOST, ...Array.from({ length: count - 1 }, (_, i) => [`x-${i}`, '']).flat()]
  assert.equal(requestFields(lines(MAX_HEADER_LINES), '1.1').forward.length, 2 * (MAX_HEADER_LINES - 1))
  refused('HTTP_TOO_MANY_HEADERS', lines(MAX_HEADER_LINES + 1))
})

test('requestFields() keeps names of object prototypes as ordinary names', () => {
  const fields = requestFields([...HOST, '__proto__', 'a', 'constructor', 'b'], '1.1')
  assert.equal(fields.get('constructor'), 'b')
  assert.equal(fields.get('toString'), undefined)
})

test('responseFields() keeps spelling, order and duplicates, and drops hop-by-hop fields, cookies and the server\'s name', () => {
  const raw = [
    'Date', 'd', 'Set-Cookie', 'c', 'Server', 's', 'Connection', 'keep-alive, X-Hop', 'Keep-Alive', 'k', 'X-Hop', 'h', 'Transfer-Encoding', 'chunked',
    'X-Twice', '1', 'x-twice', '2', 'x-amzn-RequestId', 'r',
  ]
  assert.deepEqual(responseFields(raw), ['Date', 'd', 'X-Twice', '1', 'x-twice', '2', 'x-amzn-RequestId', 'r'])
})

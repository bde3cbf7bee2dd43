import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { mint } from '../../src/cli/token.ts'
import { FakeBedrock, type Script } from '../kit/bedrock.ts'
import { ask, type Ask, type Got, PROTOCOLS } from '../kit/client.ts'
import { startProxy, type TestProxy, token } from '../kit/proxy.ts'

let bedrock: FakeBedrock
let proxy: TestProxy
before(async () => {
  bedrock = await FakeBedrock.start()
  proxy = await startProxy(bedrock, { SERVER__MAX_BODY: '64KiB', JWT__ISSUER: 'https://idp.example', JWT__AUDIENCE: 'bedrock', AWS__TIMEOUTS__FIRST_BYTE: '300ms' })
})
after(async () => {
  await proxy.stop()
  await bedrock.close()
})

const CLAIMS = { iss: 'https://idp.example', aud: 'bedrock' }
const bearer = (value: string): Ask => ({ headers: { authorization: `Bearer ${value}` }, body: '{}' })
const good = (): Ask => bearer(token(CLAIMS))
const INVOKE = '/model/x/invoke'

interface Expected {
  readonly status: number
  readonly type: string
  /** Of the Anthropic API. */
  readonly kind: string
  readonly message?: string
  readonly headers?: Readonly<Record<string, string | undefined>>
}

/** The one shape that all clients read well. */
function assertProblem(got: Got, { status, type, kind, message, headers = {} }: Expected): void {
  const body = JSON.parse(got.body.toString()) as { message: string; type: string; error: { type: string; message: string } }
  assert.equal(got.status, status)
  assert.equal(got.headers['x-amzn-errortype'], type)
  assert.equal(got.headers['content-type'], 'application/json')
  assert.match(String(got.headers['x-amzn-requestid']), /^[0-9a-f-]{36}$/)
  assert.equal(got.headers['request-id'], got.headers['x-amzn-requestid'])
  assert.deepEqual(body, { message: message ?? body.message, type: 'error', error: { type: kind, message: message ?? body.message } })
  for (const [name, value] of Object.entries(headers)) assert.equal(got.headers[name], value, name)
}

const CHALLENGE = { 'www-authenticate': 'Bearer error="invalid_token"' }
const BAD_TOKEN: Expected = {
  status: 401, type: 'UnrecognizedClientException', kind: 'authentication_error', message: 'The token of your single sign-on was not accepted.',
  headers: { ...CHALLENGE, 'x-should-retry': 'false' },
}
const EXPIRED: Expected = { ...BAD_TOKEN, headers: { ...CHALLENGE, 'x-should-retry': undefined } }

/** Requests that never reach AWS. */
const REFUSALS: readonly (readonly [claim: string, ask: () => Ask & { path?: string }, expected: Expected])[] = [
  ['no token', () => ({ body: '{}' }), { ...BAD_TOKEN, message: 'A token of your single sign-on is needed: Authorization: Bearer <token>.' }],
  ['a malformed token', () => bearer('not!a!token'), BAD_TOKEN],
  ['a token that is none', () => bearer('a.b.c'), BAD_TOKEN],
  ['a token signed by somebody else', () => bearer(mint({ ...CLAIMS, sub: 'alice' }, randomBytes(32).toString('hex'), 60, Date.now())), BAD_TOKEN],
  ['a token of another issuer', () => bearer(token({ ...CLAIMS, iss: 'https://idp.example/' })), BAD_TOKEN],
  ['a token for another audience', () => bearer(token({ ...CLAIMS, aud: 'bedrock-2' })), BAD_TOKEN],
  ['a token that names no user', () => bearer(token({ ...CLAIMS, sub: undefined })), BAD_TOKEN],
  ['a token in the query', () => ({ body: '{}', path: `${INVOKE}?access_token=${token(CLAIMS)}` }), { ...BAD_TOKEN, message: 'A token of your single sign-on is needed: Authorization: Bearer <token>.' }],
  ['an expired token', () => bearer(token(CLAIMS, -120)), EXPIRED],
  ['two different tokens', () => ({ headers: { authorization: `Bearer ${token(CLAIMS)}`, 'x-api-key': token({ ...CLAIMS, sub: 'bob' }) }, body: '{}' }), { status: 400, type: 'ValidationException', kind: 'invalid_request_error' }],
  ['a body that is too large', () => ({ ...good(), body: Buffer.alloc(65_537) }), { status: 413, type: 'ValidationException', kind: 'request_too_large' }],
  ['a body where none belongs', () => ({ ...good(), method: 'GET', path: '/async-invoke' }), { status: 400, type: 'ValidationException', kind: 'invalid_request_error' }],
  ['an unknown path', () => ({ ...good(), path: '/nothing' }), { status: 404, type: 'UnknownOperationException', kind: 'not_found_error' }],
  ['an unknown method', () => ({ ...good(), method: 'PUT' }), { status: 405, type: 'UnknownOperationException', kind: 'invalid_request_error', headers: { allow: 'POST' } }],
  ['a malformed model id', () => ({ ...good(), path: '/model/a%253A0/invoke' }), { status: 400, type: 'ValidationException', kind: 'invalid_request_error', message: 'The provided model identifier is invalid.' }],
]

for (const protocol of PROTOCOLS) {
  for (const [claim, make, expected] of REFUSALS) {
    test(`${claim} is answered ${expected.status} ${expected.type} over ${protocol}, and nothing goes up`, async () => {
      const { path = INVOKE, ...options } = make()
      const before = bedrock.seen.length
      assertProblem(await ask(protocol, proxy.port, path, options), expected)
      assert.equal(bedrock.seen.length, before)
    })
  }

  test(`count-tokens may be a third larger than other bodies over ${protocol}`, async () => {
    const limit = Math.ceil(65_536 * 1.36)
    assert.equal((await ask(protocol, proxy.port, '/model/x/count-tokens', { ...good(), body: Buffer.alloc(limit) })).status, 200)
    assert.equal((await ask(protocol, proxy.port, '/model/x/count-tokens', { ...good(), body: Buffer.alloc(limit + 1) })).status, 413)
  })
}

test('why a token was refused stands in the log, not in the answer', async () => {
  const line = proxy.nextRequestLine()
  await ask('HTTP/1.1', proxy.port, INVOKE, bearer(token({ ...CLAIMS, iss: 'https://other.example' })))
  assert.match(String((await line).detail), /^JWT_ISSUER_MISMATCH: /)
})

test('errors on OpenAI surfaces have the shape of OpenAI', async () => {
  const got = await ask('HTTP/1.1', proxy.port, '/openai/v1/chat/completions', { body: '{}' })
  const message = 'A token of your single sign-on is needed: Authorization: Bearer <token>.'
  assert.deepEqual(JSON.parse(got.body.toString()), { error: { message, type: 'authentication_error', code: 'UnrecognizedClientException', param: null } })
})

const answering = (status: number, fields: readonly string[], body: string): Script => (_seen, response) => {
  response.writeHead(status, [...fields, 'Content-Length', String(Buffer.byteLength(body))]).end(body)
}
/** A port on which nobody listens, and which the system gives to nobody who asks for any. */
const NOBODY = 'http://127.0.0.1:1'
const UNAVAILABLE: Expected = { status: 503, type: 'ServiceUnavailableException', kind: 'overloaded_error' }

/** What AWS says when our credentials fail is not for the client: it would take its own token for bad. */
const CREDENTIALS_REFUSED: readonly (readonly [string, Script])[] = [
  ['UnrecognizedClientException', answering(403, ['x-amzn-ErrorType', 'UnrecognizedClientException:http://internal.amazon.com/coral/'], '{"message":"The security token included in the request is invalid."}')],
  ['ExpiredTokenException', answering(403, ['x-amzn-ErrorType', 'ExpiredTokenException'], '{}')],
  ['InvalidSignatureException', answering(403, ['x-amzn-ErrorType', 'com.amazon.coral.service#InvalidSignatureException'], '{}')],
  ['IncompleteSignature', answering(403, [], '{"__type":"com.amazon#IncompleteSignature"}')],
  ['MissingAuthenticationToken', answering(403, [], '{"code":"MissingAuthenticationToken"}')],
]
for (const [name, script] of CREDENTIALS_REFUSED) {
  test(`a 403 ${name} of AWS becomes 503: it is about the proxy, not about the client`, async () => {
    bedrock.script = script
    const line = proxy.nextRequestLine()
    assertProblem(await ask('HTTP/1.1', proxy.port, INVOKE, good()), { ...UNAVAILABLE, message: 'AWS did not accept the credentials of the proxy.' })
    const { failed, error, detail } = await line
    assert.deepEqual({ failed, error, detail }, { failed: 'proxy', error: 'AWS_CREDENTIALS_REFUSED', detail: name })
  })
}

const PASSED: readonly (readonly [number, readonly string[], string])[] = [
  [403, ['x-amzn-ErrorType', 'AccessDeniedException', 'Content-Type', 'application/json'], '{"Message":"User: arn:aws:sts::1:assumed-role/x is not authorized to perform: bedrock:InvokeModel"}'],
  [403, ['Content-Type', 'text/html'], '<html>WAF</html>'],
  [403, ['Content-Type', 'application/json'], 'not json'],
  [400, ['x-amzn-ErrorType', 'ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/'], '{"message":"prompt is too long"}'],
  [404, ['x-amzn-ErrorType', 'ResourceNotFoundException'], '{"message":"no"}'],
  [429, ['x-amzn-ErrorType', 'ThrottlingException', 'Retry-After', '7'], '{"message":"slow down"}'],
  [500, ['x-amzn-ErrorType', 'InternalServerException'], ''],
  [503, ['x-amzn-ErrorType', 'ServiceUnavailableException'], '{"message":"busy"}'],
  [302, ['Location', 'http://169.254.169.254/'], ''],
]
for (const [status, fields, body] of PASSED) {
  for (const protocol of PROTOCOLS) {
    test(`${status} of AWS (${fields[1]}) reaches the client untouched over ${protocol}, and nothing is repeated`, async () => {
      bedrock.script = answering(status, fields, body)
      const before = bedrock.seen.length
      const got = await ask(protocol, proxy.port, INVOKE, good())
      assert.equal(got.status, status)
      assert.equal(got.body.toString(), body)
      for (let i = 0; i < fields.length; i += 2) assert.equal(got.headers[fields[i]!.toLowerCase()], fields[i + 1])
      assert.equal(bedrock.seen.length, before + 1)
    })
  }
}

test('silence of AWS past its timer is answered 408 ModelTimeoutException, not to be repeated', async () => {
  bedrock.script = () => undefined
  const seen = bedrock.next()
  const got = await ask('HTTP/1.1', proxy.port, INVOKE, good())
  assertProblem(got, { status: 408, type: 'ModelTimeoutException', kind: 'timeout_error', headers: { 'x-should-retry': 'false' } })
  await (await seen).over
})

test('a request that AWS takes slowly is not silence: the timer begins when it is sent', async () => {
  const slow = await startProxy(bedrock, { AWS__TIMEOUTS__FIRST_BYTE: '2s' })
  const body = Buffer.alloc(20_000_000)
  // Four seconds in all, of which what lies in the buffers of the system at the end takes less than two.
  bedrock.pauses = { everyBytes: 1_000_000, ms: 200 }
  bedrock.script = answering(200, [], '{}')
  try {
    assert.equal((await ask('HTTP/1.1', slow.port, INVOKE, { ...bearer(token()), body })).status, 200)
  } finally {
    bedrock.pauses = undefined
    await slow.stop()
  }
})

test('an upstream that nobody can reach is answered 503 ServiceUnavailableException', async () => {
  const lost = await startProxy({ url: NOBODY })
  const line = lost.nextRequestLine()
  assertProblem(await ask('HTTP/1.1', lost.port, INVOKE, bearer(token())), { ...UNAVAILABLE, message: 'AWS Bedrock could not be reached.' })
  assert.equal((await line).error, 'UPSTREAM_UNREACHABLE')
  await lost.stop()
})

/** Answers that are no HTTP, or that HTTP has no use for. */
const NO_ANSWERS: readonly (readonly [string, string])[] = [
  ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 'UPSTREAM_BAD_ANSWER'],
  ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 'UPSTREAM_BAD_ANSWER'],
  ['HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n', 'UPSTREAM_BAD_ANSWER'],
  ['garbage\r\n\r\n', 'UPSTREAM_BAD_ANSWER'],
  ['HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n', 'UPSTREAM_BAD_ANSWER'],
  ['HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n', 'UPSTREAM_BAD_ANSWER'],
  ['', 'UPSTREAM_RESET'],
  ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'UPSTREAM_BROKE'],
]
for (const [bytes, error] of NO_ANSWERS) {
  test(`${JSON.stringify(bytes.slice(0, 60))} from upstream is answered 503 and logged as ${error}`, async () => {
    bedrock.script = (seen) => seen.socket.end(bytes)
    const line = proxy.nextRequestLine()
    assertProblem(await ask('HTTP/1.1', proxy.port, INVOKE, good()), UNAVAILABLE)
    assert.equal((await line).error, error)
  })
}

test('a control character in the reason phrase of AWS changes nothing for the client', async () => {
  bedrock.script = (seen) => seen.socket.end('HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\n{}')
  const got = await ask('HTTP/1.1', proxy.port, INVOKE, good())
  assert.ok(got.status === 200 || got.status === 503)
})

test('without AWS credentials everything is answered 503, and the log says where they were looked for', async () => {
  const poor = await startProxy(bedrock, { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' })
  const line = poor.nextRequestLine()
  assertProblem(await ask('HTTP/1.1', poor.port, INVOKE, bearer(token())), { ...UNAVAILABLE, message: 'The proxy has no valid AWS credentials.' })
  assert.match(String((await line).detail), /AWS_ACCESS_KEY_ID/)
  const ready = await ask('HTTP/1.1', poor.port, '/health/ready', { method: 'GET' })
  assert.deepEqual([ready.status, JSON.parse(ready.body.toString())], [503, { status: 'not ready', missing: ['credentials'] }])
  await poor.stop()
})

test('while the keys of the issuer cannot be had its tokens are answered 503, not 401: they may be good', async () => {
  const issuer = NOBODY
  const waiting = await startProxy(bedrock, { JWT__SECRET: '', JWT__ISSUER: issuer })
  const line = waiting.nextRequestLine()
  assertProblem(await ask('HTTP/1.1', waiting.port, INVOKE, bearer(token({ iss: issuer }))), { ...UNAVAILABLE, headers: { 'retry-after': '5' } })
  assert.equal((await line).error, 'KEYS_UNAVAILABLE')
  await waiting.stop()
})

test('a body for which there is no memory waits, then is answered 503 with Retry-After; one that gets memory in time passes', { timeout: 20_000 }, async () => {
  const full = await startProxy(bedrock, { SERVER__MAX_INFLIGHT: '1MiB', SERVER__MAX_BODY: '1MiB' })
  const held: (() => void)[] = []
  bedrock.script = (_seen, response) => held.push(() => response.end('{}'))
  const large: Ask = { ...bearer(token()), body: Buffer.alloc(1_048_576) }
  const arrived = bedrock.next()
  const first = ask('HTTP/1.1', full.port, INVOKE, large)
  await arrived
  assertProblem(await ask('HTTP/1.1', full.port, INVOKE, large), { ...UNAVAILABLE, headers: { 'retry-after': '1' } })
  const second = bedrock.next()
  const waiting = ask('HTTP/2', full.port, INVOKE, large)
  held.shift()!()
  assert.equal((await first).status, 200)
  await second
  held.shift()!()
  assert.equal((await waiting).status, 200)
  await full.stop()
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { after, afterEach, test } from 'node:test'
import { encodeMessage, eventMessage, exceptionMessage } from '../../src/eventstream/index.ts'
import { ACCESS_KEY_ID, FakeBedrock, plainAnswer, type Script, SECRET_ACCESS_KEY } from '../kit/bedrock.ts'
import { certificateFor } from '../kit/certificate.ts'
import { ask, type Got, type Protocol, PROTOCOLS } from '../kit/client.ts'
import { ConfigFile } from '../kit/config.ts'
import { type LogLine, startProxy, type TestProxy, token } from '../kit/proxy.ts'
import { Speaker } from '../kit/speaker.ts'
import { FakeSts } from '../kit/sts.ts'

const [first, second] = await Promise.all([FakeBedrock.start(), FakeBedrock.start()])
const mute = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1')
await once(mute, 'listening')
const refusing = createServer().listen(0, '127.0.0.1')
await once(refusing, 'listening')
const CLOSED = (refusing.address() as AddressInfo).port
await new Promise((resolve) => refusing.close(resolve))
const strangers = await FakeBedrock.start(undefined, certificateFor(['localhost']))
after(() => {
  mute.close()
  return Promise.all([first.close(), second.close(), strangers.close()])
})
afterEach(() => {
  for (const one of [first, second]) {
    one.script = plainAnswer
    one.seen.length = 0
    one.heard.length = 0
    one.apiKey = undefined
    one.onHead = undefined
  }
})

type Row = Readonly<Record<string, unknown>>
const BOTH: readonly Row[] = [{ name: 'first', endpoint: first.url }, { name: 'second', endpoint: second.url }]

async function proxyWith(upstreams: readonly Row[], env: Readonly<Record<string, string>> = {}, aws: object = {}): Promise<TestProxy> {
  const file = new ConfigFile({ aws: { upstreams, failover: { cool_down: '1h' }, ...aws } })
  const proxy = await startProxy({ url: '' }, { ...file.env, AWS__TIMEOUTS__CONNECT: '500ms', AWS__TIMEOUTS__FIRST_BYTE: '1500ms', ...env })
  after(() => proxy.stop())
  return proxy
}

async function call({ port, nextRequestLine }: TestProxy, path = '/model/x/invoke', protocol: Protocol = 'HTTP/1.1', headers = {}): Promise<Got & { readonly line: LogLine }> {
  const line = nextRequestLine()
  const got = await ask(protocol, port, path, { headers: { authorization: `Bearer ${token()}`, ...headers }, body: '{"max_tokens":1}' })
  return { ...got, line: await line }
}

const counts = () => [first.seen.length, second.seen.length]
const told = ({ status, headers, line }: Got & { readonly line: LogLine }) => ({ status, header: headers['x-bedrock-sso-proxy-upstream'], upstream: line.upstream, retried: line.retried, error: line.error })

const refuse = (status: number, type: string): Script => (_seen, response) => response.writeHead(status, { 'x-amzn-ErrorType': type, 'Content-Type': 'application/json' }).end('{"message":"no"}')
const CHUNK = encodeMessage(eventMessage('chunk', Buffer.from('{"bytes":"e30="}')))
const stream = (then: (seen: Parameters<Script>[0], response: Parameters<Script>[1]) => unknown): Script => (seen, response) => {
  response.writeHead(200, { 'Content-Type': 'application/vnd.amazon.eventstream' }).write(CHUNK, () => then(seen, response))
}

/** What befalls the first upstream, and where the second takes over. */
const PASSED_ON: readonly (readonly [fault: string, why: string, row: Row, script?: Script])[] = [
  ['429', 'throttled', BOTH[0]!, refuse(429, 'ThrottlingException')],
  ['429 without a type', 'throttled', BOTH[0]!, (_seen, response) => response.writeHead(429).end()],
  ['ThrottlingException with another status', 'throttled', BOTH[0]!, refuse(400, 'ThrottlingException:http://internal.amazon.com/')],
  ['500', 'failed', BOTH[0]!, refuse(500, 'InternalServerException')],
  ['503', 'failed', BOTH[0]!, refuse(503, 'ServiceUnavailableException')],
  ['a connection that is refused', 'unreachable', { name: 'first', endpoint: `http://127.0.0.1:${CLOSED}` }],
  ['a connection that is not made in time', 'unreachable', { name: 'first', endpoint: `https://127.0.0.1:${(mute.address() as AddressInfo).port}` }],
  ['a name that nobody knows', 'unreachable', { name: 'first', endpoint: 'https://nobody.invalid' }],
  ['a certificate of nobody', 'unreachable', { name: 'first', endpoint: strangers.url }],
]

for (const path of ['/model/x/invoke', '/model/x/converse-stream', '/openai/v1/chat/completions']) {
  for (const [fault, why, row, script] of PASSED_ON) {
    test(`${fault} passes ${path} on: the second answers as if it were the only one`, async () => {
      if (script !== undefined) first.script = script
      const proxy = await proxyWith([row, BOTH[1]!])
      const got = await call(proxy, path)
      assert.deepEqual(told(got), { status: 200, header: 'second', upstream: 'second', retried: why, error: undefined })
      assert.equal(got.body.toString(), '{"ok":true}')
      assert.deepEqual(counts(), [script === undefined ? 0 : 1, 1])
      assert.deepEqual(second.seen[0]!.body.toString(), '{"max_tokens":1}')
      // It rests now.
      assert.deepEqual(told(await call(proxy, path)), { status: 200, header: 'second', upstream: 'second', retried: undefined, error: undefined })
      assert.equal(first.seen.length, script === undefined ? 0 : 1)
    })
  }
}

/** Answers that are the client's to hear, and what may have run: nothing is sent anywhere again. */
const KEPT: readonly (readonly [fault: string, script: Script, expected: object])[] = [
  ['a request that is wrong', refuse(400, 'ValidationException'), { status: 400, error: undefined }],
  ['a model that is not allowed', refuse(403, 'AccessDeniedException'), { status: 403, error: undefined }],
  ['a model that failed', refuse(424, 'ModelErrorException'), { status: 424, error: undefined }],
  ['a model that took too long', refuse(408, 'ModelTimeoutException'), { status: 408, error: undefined }],
  ['a reset before the head', (seen) => seen.socket.resetAndDestroy(), { status: 503, error: 'UPSTREAM_RESET' }],
  ['a reset amid the head', (seen) => seen.socket.write('HTTP/1.1 200 OK\r\nx-amzn-', () => seen.socket.destroy()), { status: 503, error: 'UPSTREAM_RESET' }],
  ['silence', () => undefined, { status: 408, error: 'UPSTREAM_SILENT' }],
]

test('a reset amid the body of a request is not passed on: what was taken may have run', async () => {
  first.onHead = (request) => request.socket.resetAndDestroy()
  const proxy = await proxyWith(BOTH)
  const line = proxy.nextRequestLine()
  const { status } = await ask('HTTP/1.1', proxy.port, '/model/x/invoke', { headers: { authorization: `Bearer ${token()}` }, body: Buffer.alloc(4_000_000, ' ') })
  assert.deepEqual([status, (await line).error, counts()], [503, 'UPSTREAM_RESET', [0, 0]])
})

test('aws.require_private_endpoint: an upstream with a public address is passed over, and nothing is sent there', async () => {
  const proxy = await proxyWith([{ name: 'first', endpoint: 'https://192.0.2.1' }, BOTH[1]!], { AWS__REQUIRE_PRIVATE_ENDPOINT: 'true' })
  assert.deepEqual(told(await call(proxy)), { status: 200, header: 'second', upstream: 'second', retried: 'unreachable', error: undefined })
})

for (const protocol of PROTOCOLS) {
  for (const [fault, script, expected] of KEPT) {
    test(`${fault} is not passed on, over ${protocol}: the second hears nothing of it`, async () => {
      first.script = script
      const { status, error } = told(await call(await proxyWith(BOTH), '/model/x/converse-stream', protocol))
      assert.deepEqual({ status, error }, expected)
      assert.deepEqual(counts(), [1, 0])
    })
  }

  for (const [fault, then, error, complete] of [
    ['a reset after the first event', ((seen) => seen.socket.resetAndDestroy()), 'UPSTREAM_BROKE', true],
    ['silence after the first event', (() => undefined), 'UPSTREAM_STALLED', true],
    ['an exception amid the stream', ((_seen, response) => response.end(encodeMessage(exceptionMessage('throttlingException', Buffer.from('{"message":"slow"}'))))), undefined, true],
  ] as readonly (readonly [string, Parameters<typeof stream>[0], string | undefined, boolean])[]) {
    test(`${fault} is not passed on, over ${protocol}: the client has one answer, with its end`, async () => {
      first.script = stream(then)
      const got = await call(await proxyWith(BOTH, { AWS__TIMEOUTS__IDLE: '500ms' }), '/model/x/converse-stream', protocol)
      assert.deepEqual(told(got), { status: 200, header: 'first', upstream: 'first', retried: undefined, error })
      assert.equal(got.complete, complete)
      assert.ok(got.body.subarray(0, CHUNK.length).equals(CHUNK))
      assert.match(got.body.toString('latin1', CHUNK.length), /:exception-type/)
      assert.deepEqual(counts(), [1, 0])
    })
  }
}

test('where all throttle, the client has the words of the last; where all rest, they are tried all the same', async () => {
  first.script = refuse(429, 'ThrottlingException')
  second.script = refuse(503, 'ServiceUnavailableException')
  const proxy = await proxyWith(BOTH)
  assert.deepEqual(told(await call(proxy)), { status: 503, header: 'second', upstream: 'second', retried: 'throttled', error: undefined })
  first.script = plainAnswer
  assert.deepEqual(told(await call(proxy)), { status: 200, header: 'first', upstream: 'first', retried: undefined, error: undefined })
})

test('one that throttles a model rests for that model only; one that is not reached rests for all', async () => {
  const proxy = await proxyWith(BOTH)
  first.script = refuse(429, 'ThrottlingException')
  await call(proxy, '/model/a/invoke')
  first.script = plainAnswer
  assert.equal(told(await call(proxy, '/model/b/invoke')).upstream, 'first')
  assert.equal(told(await call(proxy, '/model/a/invoke')).upstream, 'second')
  const gone = await proxyWith([PASSED_ON[5]![2], BOTH[1]!])
  assert.equal(told(await call(gone, '/model/a/invoke')).retried, 'unreachable')
  assert.equal(told(await call(gone, '/model/b/invoke')).retried, undefined)
})

test('aws.failover.cool_down: after it one call finds out whether the first serves again', async () => {
  const proxy = await proxyWith(BOTH, {}, { failover: { cool_down: '1s' } })
  first.script = refuse(503, 'ServiceUnavailableException')
  assert.equal(told(await call(proxy)).upstream, 'second')
  first.script = plainAnswer
  let served = told(await call(proxy))
  while (served.upstream !== 'first') served = told(await call(proxy))
  assert.deepEqual(served, { status: 200, header: 'first', upstream: 'first', retried: undefined, error: undefined })
})

test('what runs no model goes to the first, whatever it answers', async () => {
  first.script = refuse(503, 'ServiceUnavailableException')
  const proxy = await proxyWith(BOTH)
  const guardrail = await ask('HTTP/1.1', proxy.port, '/guardrail/g/version/1/apply', { headers: { authorization: `Bearer ${token()}` }, body: '{}' })
  assert.deepEqual([guardrail.status, ...counts()], [503, 1, 0])
})

test('a conversation goes to the next upstream as long as there is no connection, and says which it is', async () => {
  second.converse = (heard) => heard.accept()
  const proxy = await proxyWith([PASSED_ON[5]![2], BOTH[1]!])
  const line = proxy.nextRequestLine()
  const coming = second.nextHeard()
  const speaker = new Speaker('HTTP/2', proxy.port)
  speaker.say('hello')
  const heard = await coming
  assert.equal(await heard.event(0), 'hello')
  heard.say('hi')
  assert.equal(await speaker.event(0), 'hi')
  heard.stream.end()
  const { upstream, retried, status } = await line
  assert.deepEqual({ upstream, retried, status }, { upstream: 'second', retried: 'unreachable', status: 200 })
})

test('aws.upstreams: each has its own access keys or API key, whatever the environment holds', async () => {
  first.apiKey = 'ABSK-first'
  const proxy = await proxyWith([
    { name: 'first', endpoint: first.url, bearer_token: 'ABSK-first', models: ['by.key'] },
    { name: 'second', endpoint: second.url, access_key_id: ACCESS_KEY_ID, secret_access_key: SECRET_ACCESS_KEY, models: ['by.signature'] },
  ], { AWS_ACCESS_KEY_ID: 'AKIANOBODY', AWS_SECRET_ACCESS_KEY: 'nothing' })
  assert.equal(told(await call(proxy, '/model/by.key/invoke')).upstream, 'first')
  assert.equal(told(await call(proxy, '/model/by.signature/invoke')).upstream, 'second')
  assert.deepEqual([first.seen[0]!.headers.authorization, counts()], ['Bearer ABSK-first', [1, 1]])
  const none = await call(proxy, '/model/by.nobody/invoke')
  assert.deepEqual([none.status, none.line.error], [400, 'NO_UPSTREAM'])
})

test('aws.upstreams[].role_arn, profile: calls there are made in the role, in the name of the caller, or with the keys of the profile', async () => {
  const sts = await FakeSts.start()
  after(() => sts.close())
  second.others = sts.keysOf
  const shared = new ConfigFile({}).path
  writeFileSync(shared, `[profile team]\naws_access_key_id = ${ACCESS_KEY_ID}\naws_secret_access_key = ${SECRET_ACCESS_KEY}\n`)
  const role = 'arn:aws:iam::444455556666:role/bedrock'
  const proxy = await proxyWith([{ ...BOTH[0]!, profile: 'team', models: ['by.profile'] }, { ...BOTH[1]!, role_arn: role }], { AWS_ENDPOINT_URL_STS: sts.url, AWS_CONFIG_FILE: shared })
  assert.deepEqual(told(await call(proxy)), { status: 200, header: 'second', upstream: 'second', retried: undefined, error: undefined })
  const { signature } = second.seen[0]!
  if (signature instanceof Error) throw signature
  const { form } = sts.keysOf(signature.accessKeyId)!
  assert.deepEqual([form.get('RoleArn'), form.get('RoleSessionName')], [role, 'alice'])
  const stranger = await proxyWith([{ ...BOTH[0]!, profile: 'team' }], { AWS_CONFIG_FILE: shared, AWS_ACCESS_KEY_ID: 'AKIANOBODY' })
  assert.equal(told(await call(stranger)).status, 200)
  second.others = undefined
})

test('aws.upstreams[].weight: calls are shared, those of one session stay together, and the rest is there for failures', async () => {
  const third = await FakeBedrock.start()
  after(() => third.close())
  const proxy = await proxyWith([...BOTH.map((row) => ({ ...row, weight: 1 })), { name: 'third', endpoint: third.url }])
  const seen = new Set<unknown>()
  while (seen.size < 2) seen.add(told(await call(proxy)).upstream)
  assert.deepEqual([...seen].sort(), ['first', 'second'])
  const session = { 'x-claude-code-session-id': 'a-session' }
  const together = new Set<unknown>()
  for (let i = 0; i < 6; i++) together.add(told(await call(proxy, undefined, undefined, session)).upstream)
  assert.equal(together.size, 1)
  first.script = second.script = refuse(429, 'ThrottlingException')
  assert.deepEqual(told(await call(proxy)), { status: 200, header: 'third', upstream: 'third', retried: 'throttled,throttled', error: undefined })
})

test('aws.failover.allow_cross_geography: a call stays in the geography of the first upstream unless it may leave', async () => {
  first.script = refuse(429, 'ThrottlingException')
  first.apiKey = second.apiKey = 'ABSK'
  const rows = [{ ...BOTH[0]!, region: 'eu-central-1', bearer_token: 'ABSK' }, { ...BOTH[1]!, region: 'us-east-1', bearer_token: 'ABSK' }]
  assert.deepEqual(told(await call(await proxyWith(rows))), { status: 429, header: 'first', upstream: 'first', retried: undefined, error: undefined })
  const free = await proxyWith(rows, {}, { failover: { allow_cross_geography: true, cool_down: '1h' } })
  assert.equal(told(await call(free)).upstream, 'second')
  const us = encodeURIComponent('arn:aws:bedrock:us-east-1:111122223333:provisioned-model/abc')
  for (const [model, upstream] of [['us.anthropic.claude-x', 'second'], ['eu.anthropic.claude-x', 'first'], ['global.anthropic.claude-y', 'second'], [us, 'second']] as const) {
    assert.equal(told(await call(free, `/model/${model}/invoke`)).upstream, upstream, model)
  }
  assert.equal((await call(free, '/model/jp.anthropic.claude-x/invoke')).line.error, 'NO_UPSTREAM')
})

test('with one upstream nothing of this is there: no header, no name, no second try', async () => {
  first.script = refuse(503, 'ServiceUnavailableException')
  const proxy = await startProxy(first)
  after(() => proxy.stop())
  assert.deepEqual(told(await call(proxy)), { status: 503, header: undefined, upstream: undefined, retried: undefined, error: undefined })
  assert.equal(first.seen.length, 1)
})

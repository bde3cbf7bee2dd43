import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { endpointOf, UpstreamClient, UpstreamError } from '../../src/upstream/index.ts'
import type { Resolve } from '../../src/upstream/addresses.ts'
import { FakeBedrock } from '../kit/bedrock.ts'
import { certificateFor } from '../kit/certificate.ts'
import { ask } from '../kit/client.ts'
import { FakeEgress } from '../kit/egress.ts'
import { startProxy, type TestProxy, token } from '../kit/proxy.ts'
import { Speaker } from '../kit/speaker.ts'

const bedrock = await FakeBedrock.start()
const egress = await FakeEgress.start()
after(() => Promise.all([bedrock.close(), egress.close()]))

/** Nothing answers there, and nothing must try. RFC 5737. */
const PUBLIC = '203.0.113.7'

function clientWith(resolve: Resolve, more: object = {}): UpstreamClient {
  const client = new UpstreamClient({ connectMs: 20_000, firstByteMs: 20_000, idleMs: 20_000, privateOnly: true, resolve, ...more })
  after(() => client.close())
  return client
}

const found = (...addresses: string[]): Resolve => () => Promise.resolve(addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })))
const there = (port = bedrock.port, secure = false) => ({ hostname: 'vpce.test', port, secure })
const refused = (error: unknown) => error instanceof UpstreamError && error.code === 'UPSTREAM_PUBLIC_ADDRESS' && error.cause instanceof Error && error.cause.message === PUBLIC

test('a name is dialled at the private address that was checked, and looked up once', async () => {
  let looks = 0
  const client = clientWith((...asked) => {
    looks++
    return found('127.0.0.1')(...asked)
  })
  const socket = await client.connect(there())
  assert.deepEqual([socket.remoteAddress, looks], ['127.0.0.1', 1])
  socket.destroy()
})

test('a name whose answers change between two questions gets what it answered first, for no second one is asked', async () => {
  const answers = ['127.0.0.1', PUBLIC]
  const client = clientWith((...asked) => found(answers.shift()!)(...asked))
  const socket = await client.connect(there())
  assert.equal(socket.remoteAddress, '127.0.0.1')
  socket.destroy()
  await assert.rejects(client.connect(there()), refused)
})

for (const [claim, addresses] of [['a public address', [PUBLIC]], ['one among private ones', ['127.0.0.1', '10.0.0.1', PUBLIC]]] as const) {
  for (const secure of [false, true]) {
    test(`a name with ${claim} is refused and never dialled, ${secure ? 'with' : 'without'} TLS`, () => assert.rejects(clientWith(found(...addresses)).connect(there(443, secure)), refused))
  }
}

test('addresses in other clothes are what they are: IPv4 within IPv6, NAT64, nothing at all', async () => {
  for (const address of [`::ffff:${PUBLIC}`, '64:ff9b::a00:1', '::', '0.0.0.0', '2600:1f00::1']) {
    await assert.rejects(clientWith(found(address)).connect(there()), { code: 'UPSTREAM_PUBLIC_ADDRESS' }, address)
  }
})

test('a host that is an address needs no name to be refused', async () => {
  const never: Resolve = () => assert.fail('nothing is looked up')
  await assert.rejects(clientWith(never).connect({ hostname: PUBLIC, port: 443, secure: true }), refused)
})

test('requests go the same way as connections', async () => {
  const endpoint = endpointOf('runtime', { region: 'us-east-1', fips: false, dualStack: false, overrides: { runtime: 'https://vpce.test' } })
  await assert.rejects(clientWith(found(PUBLIC)).send(endpoint, { method: 'GET', target: '/', fields: ['host', 'vpce.test'], chunks: [] }).answer, refused)
})

test('with an egress proxy its address is looked at; names behind it are its own business', async () => {
  const { port } = new URL(egress.url())
  const proxy = { hostname: 'proxy.test', port: Number(port), secure: false, authorization: undefined }
  const seen: string[] = []
  const client = clientWith((hostname, options) => {
    seen.push(hostname)
    return found('127.0.0.1')(hostname, options)
  }, { proxy })
  ;(await client.connect(there())).destroy()
  assert.deepEqual([seen, egress.asked.at(-1)!.target], [['proxy.test'], `vpce.test:${bedrock.port}`])
  await assert.rejects(clientWith(found(PUBLIC), { proxy }).connect(there()), refused)
})

async function behind(url: string, more: Readonly<Record<string, string>> = {}): Promise<TestProxy> {
  const proxy = await startProxy({ url }, { AWS__REQUIRE_PRIVATE_ENDPOINT: 'true', ...more })
  after(() => proxy.stop())
  return proxy
}

const bearer = () => ({ headers: { authorization: `Bearer ${token()}` }, body: '{}' })
const REFUSED = { status: 503, error: 'UPSTREAM_PUBLIC_ADDRESS', failed: 'proxy', detail: `only private addresses are allowed: ${PUBLIC}` }

test('aws.require_private_endpoint: requests and conversations to a public address are refused, and the log says why', async () => {
  const proxy = await behind(`https://${PUBLIC}`)
  const line = proxy.nextRequestLine()
  assert.equal((await ask('HTTP/1.1', proxy.port, '/model/x/invoke', bearer())).status, 503)
  assert.deepEqual(await line.then(({ status, error, failed, detail }) => ({ status, error, failed, detail })), REFUSED)
  const next = proxy.nextRequestLine()
  const speaker = new Speaker('HTTP/2', proxy.port)
  speaker.say('hello')
  assert.deepEqual(await next.then(({ status, error, failed, detail }) => ({ status, error, failed, detail })), REFUSED)
})

test('aws.require_private_endpoint: a private endpoint is served, by address and by name', async () => {
  assert.equal((await ask('HTTP/1.1', (await behind(bedrock.url)).port, '/model/x/invoke', bearer())).status, 200)
  const tls = certificateFor(['localhost'])
  const named = await FakeBedrock.start(undefined, tls)
  after(() => named.close())
  assert.equal((await ask('HTTP/1.1', (await behind(named.url, { AWS__CA_FILE: tls.certFile })).port, '/model/x/invoke', bearer())).status, 200)
})

test('aws.require_private_endpoint: it holds for STS too', async () => {
  const proxy = await behind(bedrock.url, {
    AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_WEB_IDENTITY_TOKEN_FILE: import.meta.filename, AWS_ROLE_ARN: 'arn:aws:iam::111122223333:role/r', AWS__STS_ENDPOINT: `https://${PUBLIC}`,
  })
  const line = proxy.nextRequestLine()
  assert.equal((await ask('HTTP/1.1', proxy.port, '/model/x/invoke', bearer())).status, 503)
  assert.match(String((await line).detail), /only private addresses are allowed/)
})

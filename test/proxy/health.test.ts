import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { FakeBedrock } from '../kit/bedrock.ts'
import { ask, PROTOCOLS } from '../kit/client.ts'
import { ConfigFile } from '../kit/config.ts'
import { startProxy, type TestProxy, token } from '../kit/proxy.ts'

const bedrock = await FakeBedrock.start()
after(() => bedrock.close())

async function start(more: Readonly<Record<string, string>> = {}, url = bedrock.url): Promise<TestProxy> {
  const proxy = await startProxy({ url }, more)
  after(() => proxy.stop())
  return proxy
}

const bearer = () => ({ authorization: `Bearer ${token()}` })

async function health(proxy: TestProxy, protocol: (typeof PROTOCOLS)[number] = 'HTTP/1.1'): Promise<readonly [number, unknown]> {
  const got = await ask(protocol, proxy.port, '/health/aws', { method: 'GET', headers: bearer() })
  assert.equal(got.headers['cache-control'], 'no-store')
  return [got.status, JSON.parse(got.body.toString())]
}

const ENVIRONMENT = { status: 'ok', provider: 'environment', expires: null }

for (const protocol of PROTOCOLS) {
  test(`/health/aws says over ${protocol} that credentials are there and Bedrock can be reached, and sends no request`, async () => {
    const proxy = await start()
    const line = proxy.nextRequestLine()
    assert.deepEqual(await health(proxy, protocol), [200, { status: 'ok', credentials: ENVIRONMENT, runtime: { status: 'ok' } }])
    const { operation, user, status } = await line
    assert.deepEqual([operation, user, status], ['AwsHealth', 'alice', 200])
    assert.equal(bedrock.seen.length, 0)
  })

  test(`/health/aws needs a token over ${protocol}, and is read only`, async () => {
    const { port } = await start()
    assert.equal((await ask(protocol, port, '/health/aws', { method: 'GET' })).status, 401)
    assert.equal((await ask(protocol, port, '/health/aws', { method: 'GET', headers: { authorization: 'Bearer a.b.c' } })).status, 401)
    const posted = await ask(protocol, port, '/health/aws', { headers: bearer() })
    assert.deepEqual([posted.status, posted.headers.allow], [405, 'GET'])
  })
}

test('however many ask at once and soon after, one connection is made', async () => {
  let connections = 0
  const server = createServer((socket) => {
    connections++
    socket.on('error', () => undefined).resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => server.close())
  const proxy = await start({}, `http://127.0.0.1:${(server.address() as { port: number }).port}`)
  for (const [status] of [...await Promise.all(Array.from({ length: 20 }, () => health(proxy))), await health(proxy)]) assert.equal(status, 200)
  assert.equal(connections, 1)
})

test('a Bedrock that nobody can reach, or that does not finish its handshake, is 503 in one word', async () => {
  assert.deepEqual(await health(await start({}, 'http://127.0.0.1:9')), [503, { status: 'unavailable', credentials: ENVIRONMENT, runtime: { status: 'unreachable' } }])
  const silent = createServer((socket) => { after(() => socket.destroy()) })
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  after(() => silent.close())
  const proxy = await start({ AWS__TIMEOUTS__CONNECT: '200ms' }, `https://127.0.0.1:${(silent.address() as { port: number }).port}`)
  assert.deepEqual(await health(proxy), [503, { status: 'unavailable', credentials: ENVIRONMENT, runtime: { status: 'timeout' } }])
})

test('credentials that are missing or still being looked for are 503; those of a service show when they expire', async () => {
  const none = { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' }
  const poor = await start(none)
  assert.deepEqual(await health(poor), [503, { status: 'unavailable', credentials: { status: 'missing', provider: 'none', expires: null }, runtime: { status: 'ok' } }])
  const agent = createServer((socket) => { after(() => socket.destroy()) })
  agent.listen(0, '127.0.0.1')
  await once(agent, 'listening')
  after(() => agent.close())
  const waiting = await start({ ...none, AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${(agent.address() as { port: number }).port}/` })
  const [status, { credentials }] = await health(waiting) as [number, { credentials: unknown }]
  assert.deepEqual([status, credentials], [503, { status: 'searching', provider: 'none', expires: null }])
  assert.deepEqual(await health(await start({ AWS_CREDENTIAL_EXPIRATION: '2099-01-01T00:00:00Z' })),
    [200, { status: 'ok', credentials: { ...ENVIRONMENT, expires: '2099-01-01T00:00:00.000Z' }, runtime: { status: 'ok' } }])
})

test('of several upstreams all are asked, and none is named: degraded while one serves, 503 when none does', async () => {
  const rows = (...endpoints: readonly string[]) => new ConfigFile({ aws: { upstreams: endpoints.map((endpoint, i) => ({ name: `upstream-${i}`, endpoint })) } }).env
  const credentials = ENVIRONMENT
  const [good, gone] = [bedrock.url, 'http://127.0.0.1:9']
  assert.deepEqual(await health(await start(rows(good, good))), [200, { status: 'ok', credentials, runtime: { status: 'ok' }, upstreams: { all: 2, serving: 2 } }])
  assert.deepEqual(await health(await start(rows(good, gone))), [200, { status: 'degraded', credentials, runtime: { status: 'unreachable' }, upstreams: { all: 2, serving: 1 } }])
  assert.deepEqual(await health(await start(rows(gone, gone))), [503, { status: 'unavailable', credentials, runtime: { status: 'unreachable' }, upstreams: { all: 2, serving: 0 } }])
})

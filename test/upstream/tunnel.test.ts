import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, describe, test } from 'node:test'
import { egressProxy } from '../../src/upstream/index.ts'
import { isNear } from '../../src/upstream/tunnel.ts'
import { Secret } from '../../src/secret/index.ts'
import { FakeBedrock, plainAnswer } from '../kit/bedrock.ts'
import { certificateFor } from '../kit/certificate.ts'
import { ask, type Got, PROTOCOLS } from '../kit/client.ts'
import { FakeEgress } from '../kit/egress.ts'
import { secret } from '../kit/leaks.ts'
import { startProxy, type TestProxy, token } from '../kit/proxy.ts'

const PASSWORD = secret('the password of the egress proxy', 'kit%40pr0xy')
secret('the password of the egress proxy, decoded', 'kit@pr0xy')
const BASIC = secret('the authorization for the egress proxy', Buffer.from('bastion:kit@pr0xy').toString('base64'))
const USER = `bastion:${PASSWORD}@`

// "bedrock.test" is known to the egress proxy alone; "localhost" is there for an https:// one.
const tls = certificateFor(['bedrock.test', 'localhost'])
const bedrock = await FakeBedrock.start(undefined, tls)
const egress = await FakeEgress.start()
after(() => Promise.all([bedrock.close(), egress.close()]))
afterEach(() => {
  bedrock.script = plainAnswer
  egress.script = undefined
})

const PLACE = `bedrock.test:${bedrock.port}`
const running: TestProxy[] = []
after(() => Promise.all(running.map((proxy) => proxy.stop())))

async function start(more: Readonly<Record<string, string>> = {}, url = `https://${PLACE}`): Promise<TestProxy> {
  const proxy = await startProxy({ url }, { AWS__CA_FILE: tls.certFile, AWS__PROXY_URL: egress.url(USER), SERVER__DRAIN_TIMEOUT: '0s', ...more })
  running.push(proxy)
  return proxy
}

const invoke = (proxy: TestProxy, protocol: (typeof PROTOCOLS)[number] = 'HTTP/1.1'): Promise<Got> =>
  ask(protocol, proxy.port, '/model/x/invoke', { headers: { authorization: `Bearer ${token()}` }, body: '{}' })

/** What a failed request is answered, and what the log says of it. */
async function failure(proxy: TestProxy): Promise<{ status: number; message: string; error: unknown; detail: unknown }> {
  const line = proxy.nextRequestLine()
  const got = await invoke(proxy)
  const { error, detail } = await line
  return { status: got.status, message: (JSON.parse(got.body.toString()) as { message: string }).message, error, detail }
}

const unreachable = (detail: string, error = 'UPSTREAM_UNREACHABLE') => ({ status: 503, message: 'AWS Bedrock could not be reached.', error, detail })

for (const protocol of PROTOCOLS) {
  test(`a request of ${protocol} reaches Bedrock through the tunnel, which the next one uses again`, async () => {
    const proxy = await start()
    const before = egress.asked.length
    for (let i = 0; i < 3; i++) assert.equal((await invoke(proxy, protocol)).body.toString(), '{"ok":true}')
    assert.deepEqual(egress.asked.slice(before), [{ target: PLACE, authorization: `Basic ${BASIC}` }])
    assert.equal(bedrock.seen.at(-1)!.headers.host, PLACE)
    assert.equal(bedrock.seen.at(-1)!.headers['proxy-authorization'], undefined)
  })
}

test('a conversation reaches Bedrock through a tunnel of its own', async () => {
  const proxy = await start({ BIDIRECTIONAL__MODELS: '*' })
  const before = egress.asked.length
  bedrock.converse = (heard) => {
    heard.accept()
    heard.stream.end()
  }
  const path = '/model/x/invoke-with-bidirectional-stream'
  const got = await ask('HTTP/2', proxy.port, path, { headers: { authorization: `Bearer ${token()}`, 'content-type': 'application/vnd.amazon.eventstream' }, body: '' })
  assert.deepEqual([got.status, got.complete], [200, true])
  assert.deepEqual(egress.asked.slice(before), [{ target: PLACE, authorization: `Basic ${BASIC}` }])
  egress.script = (client) => client.end('HTTP/1.1 407 No\r\n\r\n')
  const line = proxy.nextRequestLine()
  const refused = await ask('HTTP/2', proxy.port, path, { headers: { authorization: `Bearer ${token()}` }, body: '' })
  assert.equal(refused.status, 503)
  assert.equal((await line).detail, 'the egress proxy refused the tunnel with status 407')
})

test('an egress proxy of https:// is spoken to over TLS, its own host checked; without a user it gets no authorization', async () => {
  const secure = await FakeEgress.start(tls)
  after(() => secure.close())
  assert.equal((await invoke(await start({ AWS__PROXY_URL: secure.url('', 'localhost') }))).status, 200)
  assert.deepEqual(secure.asked, [{ target: PLACE, authorization: undefined }])
  // The certificate is for other names than this.
  const { error, detail } = await failure(await start({ AWS__PROXY_URL: secure.url('', '127.0.0.1') }))
  assert.equal(error, 'UPSTREAM_UNREACHABLE')
  assert.match(String(detail), /^no connection to the egress proxy could be made: .*does not match certificate/)
})

test("TLS in the tunnel checks Bedrock's host: neither another name nor another authority passes", async () => {
  const before = bedrock.seen.length
  const other = await failure(await start({}, `https://other.test:${bedrock.port}`))
  assert.equal(other.error, 'UPSTREAM_UNREACHABLE')
  assert.match(String(other.detail), /^no connection could be made: .*does not match certificate/)
  const strange = await failure(await start({ AWS__CA_FILE: certificateFor(['bedrock.test']).certFile }))
  assert.equal(strange.error, 'UPSTREAM_UNREACHABLE')
  assert.match(String(strange.detail), /^no connection could be made: .*(self-signed|certificate)/)
  assert.equal(bedrock.seen.length, before)
  // Nothing of a failed attempt stays open: only connections that serve are left.
  for (const proxy of running.splice(0)) await proxy.stop()
  while (egress.clients.size > 0) await Promise.all([...egress.clients].map((client) => once(client, 'close')))
})

describe('an egress proxy that', () => {
  for (const [name, answer, detail] of [
    ['wants another password', 'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 2\r\n\r\nno', 'the egress proxy refused the tunnel with status 407'],
    ['does not allow the host', 'HTTP/1.1 403 Forbidden\r\n\r\n', 'the egress proxy refused the tunnel with status 403'],
    ['cannot reach the host', 'HTTP/1.1 502 Bad Gateway\r\n\r\n', 'the egress proxy refused the tunnel with status 502'],
    ['says to go on', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n', 'the egress proxy refused the tunnel with status 100'],
    ['speaks before the other side was asked', 'HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n', 'the egress proxy said more than it was asked'],
    ['closes without a word', '', 'the egress proxy gave no answer: socket hang up'],
  ] as const) {
    test(`${name} costs a 503, and the log says so`, async () => {
      egress.script = (client) => client.end(answer)
      assert.deepEqual(await failure(await start()), unreachable(detail))
    })
  }

  test('speaks no HTTP costs a 503, and the log says so', async () => {
    egress.script = (client) => client.end('SSH-2.0-x\r\n')
    const { error, detail } = await failure(await start())
    assert.equal(error, 'UPSTREAM_UNREACHABLE')
    assert.match(String(detail), /^the egress proxy gave no answer: Parse Error/)
  })

  test('is down costs a 503, and the log says so', async () => {
    const { error, detail } = await failure(await start({ AWS__PROXY_URL: 'http://127.0.0.1:9' }))
    assert.equal(error, 'UPSTREAM_UNREACHABLE')
    assert.match(String(detail), /^no connection to the egress proxy could be made: connect ECONNREFUSED/)
  })

  test('takes the connection and hangs is given up when the connect timeout is over', async () => {
    const closed = new Promise<void>((resolve) => {
      egress.script = (client) => client.on('close', () => resolve()).resume()
    })
    assert.deepEqual(await failure(await start({ AWS__TIMEOUTS__CONNECT: '300ms' })), unreachable('no connection within the connect timeout', 'UPSTREAM_CONNECT_TIMEOUT'))
    await closed
  })

  test('opens a tunnel to a host that hangs in its handshake is given up when the connect timeout is over', async () => {
    const closed = new Promise<void>((resolve) => {
      egress.script = (client) => client.on('close', () => resolve()).resume().write('HTTP/1.1 200 OK\r\n\r\n')
    })
    assert.deepEqual(await failure(await start({ AWS__TIMEOUTS__CONNECT: '300ms' })), unreachable('no connection within the connect timeout', 'UPSTREAM_CONNECT_TIMEOUT'))
    await closed
  })

  test('closes the tunnel in the handshake costs a 503', async () => {
    egress.script = (client) => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      client.once('data', () => client.end())
    }
    const { status, error, detail } = await failure(await start())
    assert.deepEqual([status, error], [503, 'UPSTREAM_UNREACHABLE'])
    assert.match(String(detail), /^no connection could be made: /)
  })
})

for (const [how, end] of [['ends', 'end'], ['is reset', 'resetAndDestroy']] as const) {
  test(`a tunnel that ${how} in the middle of an answer breaks the answer, and the next request gets a tunnel of its own`, async () => {
    const proxy = await start()
    const before = egress.asked.length
    bedrock.script = (_seen, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': '100' }).write('{"half":')
    }
    const line = proxy.nextRequestLine()
    const answer = invoke(proxy)
    await bedrock.next()
    const tunnels = [...egress.clients]
    for (const tunnel of tunnels) tunnel[end]()
    // Whether its head was sent before is chance.
    const got = await answer.catch(() => undefined)
    assert.ok(got === undefined || !got.complete || got.status === 503)
    assert.match(String((await line).error), /^UPSTREAM_(BROKE|RESET)$/)
    bedrock.script = plainAnswer
    assert.equal((await invoke(proxy)).status, 200)
    assert.equal(egress.asked.length, before + 2)
  })
}

test('a tunnel that died while nobody used it costs no request', async () => {
  const proxy = await start()
  assert.equal((await invoke(proxy)).status, 200)
  const gone = Promise.all(bedrock.seen.slice(-1).map(({ socket }) => once(socket, 'close')))
  for (const tunnel of egress.clients) tunnel.resetAndDestroy()
  await gone
  assert.equal((await invoke(proxy)).status, 200)
})

test('a client that leaves while the tunnel is made ends its request at once', async () => {
  const proxy = await start({ AWS__TIMEOUTS__CONNECT: '10m' })
  const asked = new Promise<void>((resolve) => { egress.script = () => resolve() })
  const line = proxy.nextRequestLine()
  const leaving = new AbortController()
  const request = fetch(`${proxy.url}/model/x/invoke`, { method: 'POST', headers: { authorization: `Bearer ${token()}` }, body: '{}', signal: leaving.signal })
  await asked
  leaving.abort()
  await assert.rejects(request)
  assert.equal((await line).error, 'CLIENT_GONE')
  for (const client of egress.clients) client.destroy()
})

test('no variable sends anything to another proxy', async () => {
  const plain = await FakeBedrock.start()
  after(() => plain.close())
  const before = egress.asked.length
  const proxy = await startProxy(plain, { HTTP_PROXY: egress.url(), HTTPS_PROXY: egress.url(), ALL_PROXY: egress.url(), http_proxy: egress.url(), https_proxy: egress.url() })
  running.push(proxy)
  assert.equal((await invoke(proxy)).status, 200)
  assert.equal(egress.asked.length, before)
})

test('a Bedrock on this host is reached without the proxy: what that would call loopback is its own', async () => {
  const plain = await FakeBedrock.start()
  after(() => plain.close())
  const before = egress.asked.length
  assert.equal((await invoke(await start({}, plain.url))).status, 200)
  assert.equal(egress.asked.length, before)
})

test('near are loopback, link-local and the metadata services, and nothing that only looks like them', () => {
  for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '::1', '169.254.169.254', '169.254.170.2', 'fe80::1', 'fd00:ec2::254', 'fd00:ec2::23']) assert.ok(isNear(host), host)
  for (const host of ['bedrock.test', 'localhost.test', '127.0.0.1.test', '12.0.0.1', '1127.0.0.1', '169.25.0.1', 'fd00:ec3::1', 'fe.test', '10.0.0.1', '2001:db8::1']) assert.ok(!isNear(host), host)
})

test('egressProxy() takes a URL apart; what is percent-encoded in user and password is decoded', () => {
  const taken = (url: string) => {
    const { authorization, ...place } = egressProxy(new Secret(url))
    return { ...place, authorization: authorization && Buffer.from(authorization.reveal().replace(/^Basic /, ''), 'base64').toString() }
  }
  assert.deepEqual(taken('http://proxy'), { secure: false, hostname: 'proxy', port: 80, authorization: undefined })
  assert.deepEqual(taken('https://a%3Ab:c:%C3%BC@[2001:db8::1]'), { secure: true, hostname: '2001:db8::1', port: 443, authorization: 'a:b:c:ü' })
  assert.deepEqual(taken('http://u@proxy:3128/'), { secure: false, hostname: 'proxy', port: 3128, authorization: 'u:' })
})

describe('credentials by web identity', () => {
  const folder = mkdtempSync(join(tmpdir(), 'identity-'))
  after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'token'), 'eyJ.web.identity')
  const ENV = { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'token'), AWS_ROLE_ARN: 'arn:aws:iam::111122223333:role/x' }

  test('are asked of STS through the tunnel', async () => {
    const before = [egress.asked.length, bedrock.seen.length] as const
    const stsUrl = `https://bedrock.test:${bedrock.port}`
    const seen = bedrock.next()
    await start({ ...ENV, AWS_ENDPOINT_URL_STS: stsUrl })
    const { method, headers, body } = await seen
    assert.deepEqual([method, headers.host, headers['proxy-authorization']], ['POST', PLACE, undefined])
    assert.match(body.toString(), /^Action=AssumeRoleWithWebIdentity&/)
    assert.deepEqual(egress.asked[before[0]], { target: PLACE, authorization: `Basic ${BASIC}` })
  })

  test('that the egress proxy does not let through cost a 503, and the log says why', async () => {
    egress.script = (client) => client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
    const { status, error, detail } = await failure(await start({ ...ENV, AWS_ENDPOINT_URL_STS: 'https://sts.test' }))
    assert.deepEqual([status, error], [503, 'NO_AWS_CREDENTIALS'])
    assert.match(String(detail), /web identity: the egress proxy refused the tunnel with status 407/)
  })
})

test('the metadata service of a container is asked without the proxy', async () => {
  const agent = createServer()
  agent.listen(0, '127.0.0.1')
  await once(agent, 'listening')
  after(() => agent.close())
  const before = egress.asked.length
  const visited = once(agent, 'connection')
  const { port } = agent.address() as { port: number }
  await start({ AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${port}/` })
  const [socket] = await visited as [{ destroy(): void }]
  socket.destroy()
  assert.equal(egress.asked.length, before)
})

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createServer } from 'node:tls'
import { plainAnswer } from '../kit/bedrock.ts'
import { certificateFor } from '../kit/certificate.ts'
import { ask, type Got } from '../kit/client.ts'
import { secret } from '../kit/leaks.ts'
import { Program } from '../kit/program.ts'
import { JWT_SECRET, proxyEnv, startProxy, startWithAdmin, type TestProxy, token } from '../kit/proxy.ts'
import { type RedisServer, withRedis } from '../kit/redis.ts'
import { emptied } from '../limits/redis-kit.ts'
import { bedrock, serve } from './kit.ts'

const PASSWORD = secret('the password of Redis', `p@ss:${randomBytes(12).toString('hex')}`)
const folder = mkdtempSync(join(tmpdir(), 'redis-password-'))
after(() => rmSync(folder, { recursive: true }))
const passwordFile = join(folder, 'password')
writeFileSync(passwordFile, `${PASSWORD}\n`, { mode: 0o600 })

/** No more than the proxy needs, as the guide has it. */
const GUIDE = readFileSync(join(import.meta.dirname, '..', '..', 'deploy', 'README.md'), 'utf8')
const RIGHTS = /ACL SETUSER \S+ on >PASSWORD (.+)/.exec(GUIDE)![1]!.split(' ')

const call = (port: number, user = 'ann'): Promise<Got> => ask('HTTP/1.1', port, '/model/m/invoke', { headers: { authorization: `Bearer ${token({ sub: user })}` }, body: '{}' })
const get = (port: number, path: string): Promise<Got> => ask('HTTP/1.1', port, path, { method: 'GET' })
const statuses = async (ports: readonly number[], user?: string): Promise<number[]> => {
  const got: number[] = []
  for (const port of ports) got.push((await call(port, user)).status)
  return got
}

async function proxy(url: string, more: Readonly<Record<string, string>> = {}): Promise<TestProxy> {
  const started = await startProxy(bedrock, { LIMITS__STORE: 'redis', LIMITS__URL: url, ...more })
  after(() => started.stop())
  return started
}

/** Speaks TLS, and passes on what is said. */
async function behindTls(server: RedisServer): Promise<{ readonly url: string; readonly certFile: string }> {
  const { cert, key, certFile } = certificateFor(['localhost'])
  const wrapped = createServer({ cert, key }, (near) => {
    const far = connect(server.port, '127.0.0.1')
    near.pipe(far).pipe(near)
    near.on('error', () => far.destroy()).on('close', () => far.destroy())
  })
  wrapped.on('tlsClientError', () => undefined)
  after(() => wrapped.close())
  await once(wrapped.listen(0, '127.0.0.1'), 'listening')
  return { url: `rediss://localhost:${(wrapped.address() as AddressInfo).port}`, certFile }
}

await withRedis((server) => {
  const name = server.program
  bedrock.script = plainAnswer

  test(`${name}: limits.url with user, password and database, and limits.password: two proxies have one count, with no more rights than they need`, async () => {
    await emptied(server)
    await server.command('ACL', 'SETUSER', 'proxy', 'on', `>${PASSWORD}`, ...RIGHTS)
    const host = `127.0.0.1:${server.port}/3`
    const row = { LIMITS__DEFAULT__REQUESTS_PER_MINUTE: '1', LIMITS__DEFAULT__BURST: '2', LIMITS__DEFAULT__TOKENS_PER_DAY: '100000' }
    const one = await proxy(`redis://proxy:${encodeURIComponent(PASSWORD)}@${host}`, row)
    const other = await proxy(`redis://proxy@${host}`, { LIMITS__PASSWORD_FILE: passwordFile, ...row })
    assert.deepEqual(await statuses([one.port]), [200])
    const second = await call(other.port)
    assert.deepEqual([second.status, second.headers['x-ratelimit-remaining']], [200, 'requests_per_minute=0;limit=1;reset=120'])
    assert.deepEqual(await statuses([one.port, other.port]), [429, 429])
    await server.command('SELECT', '3')
    const keys = (await server.command('KEYS', '*') as readonly Buffer[]).map(String)
    await server.command('SELECT', '0')
    assert.ok(keys.length >= 3 && keys.every((key) => key.startsWith('bedrock-sso-proxy:{')), keys.join())
  })

  test(`${name}: a wrong password is said in the log by one word; limits.fail closed: 503, and not ready`, async () => {
    const closed = await proxy(`redis://proxy:${PASSWORD.slice(6)}@127.0.0.1:${server.port}`)
    const refused = await call(closed.port)
    assert.deepEqual([refused.status, refused.headers['x-amzn-errortype'], refused.headers['retry-after']], [503, 'ServiceUnavailableException', '5'])
    const ready = await get(closed.port, '/health/ready')
    assert.deepEqual([ready.status, JSON.parse(ready.body.toString())], [503, { status: 'not ready', missing: ['limits'] }])
    assert.deepEqual(closed.log.filter(({ level }) => level === 'error').map(({ msg, why }) => [msg, why]), [['limits are not counted in Redis', 'AUTH: WRONGPASS']])
  })

  test(`${name}: limits.ca_file: over TLS no other authority is trusted`, async () => {
    await emptied(server)
    const { url, certFile } = await behindTls(server)
    const trusting = await proxy(url, { LIMITS__CA_FILE: certFile })
    assert.deepEqual(await statuses([trusting.port]), [200])
    const strict = await proxy(url)
    assert.deepEqual(await statuses([strict.port]), [503])
    assert.ok(strict.log.some(({ why }) => why === 'DEPTH_ZERO_SELF_SIGNED_CERT'))
  })

  test(`${name}: limits.timeout, limits.fail: a server that stands still is one that is down: closed refuses, open admits and counts; both are told by a metric`, async () => {
    await emptied(server)
    const row = { LIMITS__STORE: 'redis', LIMITS__URL: server.url, LIMITS__TIMEOUT: '200ms', LIMITS__DEFAULT__CONCURRENT: '3', LIMITS__DEFAULT__REQUESTS_PER_MINUTE: '1', LIMITS__DEFAULT__BURST: '2' }
    const proxies = [await startWithAdmin(bedrock, row), await startWithAdmin(bedrock, { ...row, LIMITS__FAIL: 'open' })] as const
    for (const one of proxies) after(() => one.stop())
    const metric = async (admin: number) => /^bedrock_sso_proxy_limits_store_available (\d)$/m.exec((await get(admin, '/metrics')).body.toString())?.[1]
    const ready = async (port: number) => (await get(port, '/health/ready')).status
    for (const { port, admin } of proxies) {
      assert.equal((await call(port, 'eve')).status, 200)
      assert.deepEqual([await metric(admin), await ready(port)], ['1', 200])
    }
    server.signal('SIGSTOP')
    const [closed, open] = proxies
    assert.deepEqual(await statuses([closed.port, closed.port, open.port, open.port, open.port]), [503, 503, 200, 200, 429])
    assert.deepEqual([await metric(closed.admin), await ready(closed.port), await metric(open.admin), await ready(open.port)], ['0', 503, '0', 200])
    const back = proxies.map(({ nextLine }) => nextLine(({ msg }) => msg === 'limits are counted in Redis again'))
    server.signal('SIGCONT')
    await Promise.all(back)
    assert.deepEqual([await metric(closed.admin), await ready(closed.port), await metric(open.admin)], ['1', 200, '1'])
    assert.deepEqual(await statuses([closed.port, open.port, closed.port], 'fay'), [200, 200, 429])
  })

  test(`${name}: limits.lease: kill -9 of a proxy that has calls in flight: they count until their leases end, and no longer`, async () => {
    await emptied(server)
    const shared = { LIMITS__STORE: 'redis', LIMITS__URL: server.url, LIMITS__LEASE: '2s', LIMITS__DEFAULT__CONCURRENT: '3' }
    const [doomed, heir] = [serve(shared), serve(shared)]
    const [from, to] = [await doomed.port(), await heir.port()]
    bedrock.script = (_seen, response) => void response.writeHead(200, { 'Content-Type': 'application/json' }).write('{')
    const streams = Array.from({ length: 3 }, () => call(from).catch(() => undefined))
    for (let i = 0; i < 3; i++) await bedrock.next()
    assert.equal((await call(to)).status, 429)
    doomed.child.kill('SIGKILL')
    await Promise.all(streams)
    assert.equal((await call(to)).status, 429, 'whether it is gone, or only slow, nobody knows')
    bedrock.script = plainAnswer
    let status = 429
    while (status === 429) status = (await call(to)).status
    assert.equal(status, 200)
  })

  test(`${name}: doctor looks at it, and says what is wrong`, async () => {
    await emptied(server)
    await server.command('ACL', 'SETUSER', 'poor', 'on', 'nopass', '~*', '+@all', '-evalsha')
    await server.command('ACL', 'SETUSER', 'poorer', 'on', 'nopass', '~*', '+@all', '-zrem')
    await server.command('ACL', 'SETUSER', 'mute', 'on', 'nopass', '~*', '+@all', '-ping')
    const host = `127.0.0.1:${server.port}`
    const remedy = '  (see limits.url, its password and what its user may do; deploy/README.md lists it)'
    for (const [url, line] of [
      [server.url, /^ok    limits: Redis, HOST$/],
      [`redis://nobody:x@${host}`, /^FAIL  limits: Redis, HOST: AUTH: WRONGPASS  \(see/],
      [`redis://poor:x@${host}`, /^FAIL  limits: Redis, HOST: NOPERM .*evalsha.*  \(see/],
      [`redis://poorer:x@${host}`, /^FAIL  limits: Redis, HOST: ERR .* script.*  \(see/],
      [`redis://mute:x@${host}`, /^FAIL  limits: Redis, HOST: NOPERM .*ping.*  \(see/],
      ['redis://127.0.0.1:9', /^FAIL  limits: Redis, 127\.0\.0\.1:9: ECONNREFUSED  \(see/],
    ] as const) {
      const program = new Program(['doctor'], { ...proxyEnv(bedrock), LIMITS__STORE: 'redis', LIMITS__URL: url })
      await program.ended()
      const said = program.stdout.find((one) => one.includes(' limits: '))!
      assert.match(said.replace(host, 'HOST'), line)
      assert.ok(said.startsWith('ok') || said.endsWith(remedy))
    }
  })

  test(`${name}: SIGHUP with another URL: it waits for a restart, and the log says so though it is a secret`, async () => {
    const file = join(folder, 'reload.yaml')
    const write = (db: number) => writeFileSync(file, `limits: { store: redis, url: "${server.url}/${db}" }\n`, { mode: 0o600 })
    write(1)
    const program = serve({}, ['--config', file])
    const port = await program.port()
    write(2)
    program.child.kill('SIGHUP')
    await program.line(/"msg":"an option waits for a restart","option":"limits.url"/)
    assert.deepEqual(await statuses([port]), [200])
  })
})

test('check --print masks URL and password, and --egress lists the host', async () => {
  const env = { JWT__SECRET: JWT_SECRET, AWS__REGION: 'eu-central-1', AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', LIMITS__STORE: 'redis' }
  const printed = new Program(['check', '--print'], { ...env, LIMITS__URL: `rediss://u:${encodeURIComponent(PASSWORD)}@redis.example` })
  assert.equal(await printed.ended(), 0)
  assert.ok(printed.stdout.includes('limits.url = [secret]  (LIMITS__URL)'))
  for (const [url, host] of [[`redis://:${encodeURIComponent(PASSWORD)}@redis.example/1`, 'redis.example:6379'], ['rediss://[2001:db8::1]:6380', '[2001:db8::1]:6380']] as const) {
    const listed = new Program(['check', '--egress'], { ...env, LIMITS__URL: url })
    assert.equal(await listed.ended(), 0)
    assert.equal(listed.stdout.at(-1), `${host}  limits (Redis)`)
  }
})

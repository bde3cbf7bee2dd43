import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { SigV4Error } from '../../src/sigv4/index.ts'
import { ACCESS_KEY_ID, FakeBedrock, plainAnswer, type Seen, SECRET_ACCESS_KEY } from '../kit/bedrock.ts'
import { ask, type Got, PROTOCOLS } from '../kit/client.ts'
import { FakeEgress } from '../kit/egress.ts'
import { Program } from '../kit/program.ts'
import { proxyEnv, startProxy, type TestProxy, token } from '../kit/proxy.ts'

/** What single options do that no other test needs, each seen through the door. */

const folder = mkdtempSync(join(tmpdir(), 'effects-'))
after(() => rmSync(folder, { recursive: true }))
const bedrock = await FakeBedrock.start()
after(() => bedrock.close())

async function proxyWith(env: Readonly<Record<string, string>>, behind: Pick<FakeBedrock, 'url'> = bedrock): Promise<TestProxy> {
  const proxy = await startProxy(behind, env)
  after(() => proxy.stop())
  return proxy
}

const bearer = (value = token()) => ({ headers: { authorization: `Bearer ${value}` }, body: '{}' })
const invoke = (proxy: TestProxy, value?: string): Promise<Got> => ask('HTTP/1.1', proxy.port, '/model/x/invoke', bearer(value))

test('server.host: nothing listens on another address', async () => {
  const proxy = await proxyWith({ SERVER__HOST: '127.0.0.2' })
  assert.equal(new URL(proxy.url).hostname, '127.0.0.2')
  await assert.rejects(invoke(proxy), { code: 'ECONNREFUSED' })
})

for (const protocol of PROTOCOLS) {
  test(`server.base_path: every surface is below it and nothing is beside it, over ${protocol}`, async () => {
    const { port } = await proxyWith({ SERVER__BASE_PATH: '/bedrock' })
    const get = async (path: string) => (await ask(protocol, port, path, { method: 'GET', headers: bearer().headers })).status
    const post = async (path: string) => (await ask(protocol, port, path, bearer())).status
    const next = bedrock.next()
    assert.equal(await post('/bedrock/model/x/invoke'), 200)
    assert.equal((await next).target, '/model/x/invoke')
    assert.deepEqual(await Promise.all([get('/bedrock/health'), get('/bedrock/foundation-models'), post('/bedrock/openai/v1/chat/completions'), post('/bedrock/mantle/x')]), [200, 200, 200, 200])
    assert.deepEqual(await Promise.all([post('/model/x/invoke'), get('/health'), post('/bedrock'), post('/bedrockmodel/x/invoke'), post('/bedrock/../model/x/invoke')]), [404, 404, 404, 404, 404])
  })

  test(`server.max_header: a larger header is 431, a smaller one goes up, over ${protocol}`, async () => {
    const { port } = await proxyWith({ SERVER__MAX_HEADER: '8KiB' })
    const withHeader = async (bytes: number) => (await ask(protocol, port, '/model/x/invoke', { ...bearer(), headers: { ...bearer().headers, 'anthropic-beta': 'b'.repeat(bytes) } })).status
    assert.equal(await withHeader(6 * 1024), 200)
    assert.equal(await withHeader(9 * 1024), 431)
  })
}

test('aws.profile: credentials and region are those of the profile, AWS_PROFILE names it too, and without either it is the default one', async () => {
  const config = join(folder, 'aws-config')
  const keys = (id: string, region: string) => `region = ${region}\naws_access_key_id = ${id}\naws_secret_access_key = ${SECRET_ACCESS_KEY}\n`
  writeFileSync(config, `[default]\n${keys('AKIADEFAULT', 'eu-west-1')}[profile team]\n${keys('AKIATEAM', 'eu-west-2')}`)
  for (const [env, scope] of [[{ AWS__PROFILE: 'team' }, 'AKIATEAM eu-west-2'], [{ AWS_PROFILE: 'team' }, 'AKIATEAM eu-west-2'], [{}, 'AKIADEFAULT eu-west-1']] as const) {
    const proxy = await proxyWith({ AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS__REGION: '', AWS_CONFIG_FILE: config, ...env })
    const seen = bedrock.next()
    await invoke(proxy)
    const [, id, region] = /Credential=(\w+)\/\d+\/([^/]+)\//.exec((await seen).headers.authorization!)!
    assert.equal(`${id} ${region}`, scope)
  }
})

function jwtOf(privateKey: string, alg: 'RS256' | 'EdDSA', kid?: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const input = `${part({ alg, kid })}.${part({ sub: 'alice', exp: Math.floor(Date.now() / 1000) + 600 })}`
  return `${input}.${sign(alg === 'EdDSA' ? null : 'sha256', Buffer.from(input), privateKey).toString('base64url')}`
}

const PEM = { publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } } as const

test('jwt.public_key: tokens of its private key are good, those of another are not', async () => {
  const [ours, other] = [generateKeyPairSync('rsa', { modulusLength: 2048, ...PEM }), generateKeyPairSync('rsa', { modulusLength: 2048, ...PEM })]
  const proxy = await proxyWith({ JWT__SECRET: '', JWT__PUBLIC_KEY: ours.publicKey })
  assert.equal((await invoke(proxy, jwtOf(ours.privateKey, 'RS256'))).status, 200)
  assert.equal((await invoke(proxy, jwtOf(other.privateKey, 'RS256'))).status, 401)
  assert.equal((await invoke(proxy)).status, 401)
})

test('jwt.jwks_file: a token chooses its key by kid', async () => {
  const keys = ['one', 'two'].map((kid) => ({ kid, ...generateKeyPairSync('ed25519', PEM) }))
  const file = join(folder, 'keys.json')
  writeFileSync(file, JSON.stringify({ keys: keys.map(({ kid, publicKey }) => ({ kid, ...createPublicKey(publicKey).export({ format: 'jwk' }) })) }))
  const proxy = await proxyWith({ JWT__SECRET: '', JWT__JWKS_FILE: file })
  for (const { kid, privateKey } of keys) assert.equal((await invoke(proxy, jwtOf(privateKey, 'EdDSA', kid))).status, 200)
  assert.equal((await invoke(proxy, jwtOf(keys[0]!.privateKey, 'EdDSA', 'two'))).status, 401)
  assert.equal((await invoke(proxy, jwtOf(keys[0]!.privateKey, 'EdDSA', 'three'))).status, 401)
})

test('aws.control_endpoint, aws.mantle_endpoint: each service goes to its own', async () => {
  const [control, mantle] = await Promise.all([FakeBedrock.start(), FakeBedrock.start()])
  after(() => Promise.all([control.close(), mantle.close()]))
  const { port } = await proxyWith({ AWS__CONTROL_ENDPOINT: control.url, AWS__MANTLE_ENDPOINT: mantle.url })
  const before = bedrock.seen.length
  await ask('HTTP/1.1', port, '/foundation-models', { method: 'GET', headers: bearer().headers })
  await ask('HTTP/1.1', port, '/anthropic/v1/messages', bearer())
  assert.deepEqual([control, mantle].map(({ seen }) => seen.map(({ target, signature }) => [target, signature instanceof SigV4Error])), [[['/foundation-models', false]], [['/anthropic/v1/messages', false]]])
  assert.equal(bedrock.seen.length, before)
})

test('aws.region: it is what requests are signed for', async () => {
  const proxy = await proxyWith({ AWS__REGION: 'eu-west-3' })
  assert.equal((await invoke(proxy)).status, 503)
  assert.match(String(bedrock.seen.at(-1)!.headers.authorization), /\/eu-west-3\/bedrock\/aws4_request/)
})

for (const [options, host] of [
  [{ AWS__REGION: 'eu-central-1' }, 'bedrock-runtime.eu-central-1.amazonaws.com'],
  [{ AWS__REGION: 'us-east-1', AWS__FIPS: 'true' }, 'bedrock-runtime-fips.us-east-1.amazonaws.com'],
  [{ AWS__REGION: 'us-east-1', AWS__DUAL_STACK: 'true' }, 'bedrock-runtime.us-east-1.api.aws'],
] as const) {
  test(`aws.region, aws.fips, aws.dual_stack, aws.proxy_url: with ${JSON.stringify(options)} the way goes to ${host}`, async () => {
    const egress = await FakeEgress.start()
    after(() => egress.close())
    egress.script = (client) => client.end('HTTP/1.1 403 Forbidden\r\n\r\n')
    const proxy = await proxyWith({ AWS__ENDPOINT: '', AWS__PROXY_URL: egress.url(), ...options })
    assert.equal((await invoke(proxy)).status, 503)
    assert.deepEqual(egress.asked.map(({ target }) => target), [`${host}:443`])
  })
}

test('aws.proxy_url: a proxy on a Unix socket is reached without a network', async () => {
  const path = join(folder, 'egress')
  const egress = await FakeEgress.start(undefined, path)
  after(() => egress.close())
  egress.script = (client) => client.end('HTTP/1.1 403 Forbidden\r\n\r\n')
  const proxy = await proxyWith({ AWS__ENDPOINT: '', AWS__REGION: 'eu-central-1', AWS__REQUIRE_PRIVATE_ENDPOINT: 'true', AWS__PROXY_URL: `unix:${path}` })
  assert.equal((await invoke(proxy)).status, 503)
  assert.deepEqual(egress.asked.map(({ target }) => target), ['bedrock-runtime.eu-central-1.amazonaws.com:443'])
})

test('aws.access_key_id, aws.secret_access_key, aws.session_token: requests are signed with them', async () => {
  const temporary = await FakeBedrock.start('the-session-token')
  after(() => temporary.close())
  const file = join(folder, 'secret')
  writeFileSync(file, `${SECRET_ACCESS_KEY}\n`, { mode: 0o600 })
  const none = { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS__ACCESS_KEY_ID: ACCESS_KEY_ID, AWS__SECRET_ACCESS_KEY_FILE: file }
  const proxy = await proxyWith({ ...none, AWS__SESSION_TOKEN: 'the-session-token' }, temporary)
  assert.equal((await invoke(proxy)).status, 200)
  assert.equal(temporary.seen[0]!.headers['x-amz-security-token'], 'the-session-token')
  assert.equal((await invoke(await proxyWith(none, temporary))).status, 503)
})

test('aws.ca_file: AWS is whoever shows a certificate of these authorities for its host, and nobody else', async () => {
  const [trusted, stranger, elsewhere] = ['trusted', 'stranger', 'elsewhere'].map((name) => certificate(name, name === 'elsewhere' ? 'example.com' : 'localhost'))
  const statusBehind = async ({ cert, key }: Certificate, caFile: string) => {
    const server = createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => request.resume().on('end', () => plainAnswer({} as Seen, response)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    after(() => { server.close(); server.closeAllConnections() })
    const proxy = await proxyWith({ AWS__CA_FILE: caFile }, { url: `https://localhost:${(server.address() as AddressInfo).port}` })
    return (await invoke(proxy)).status
  }
  assert.equal(await statusBehind(trusted!, trusted!.cert), 200)
  assert.equal(await statusBehind(stranger!, trusted!.cert), 503)
  assert.equal(await statusBehind(elsewhere!, elsewhere!.cert), 503)
})

interface Certificate {
  readonly cert: string
  readonly key: string
}

function certificate(name: string, host: string): Certificate {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)]
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
    '-addext', `subjectAltName=DNS:${host}`, '-keyout', key, '-out', cert,
  ], { stdio: 'ignore' })
  return { cert, key }
}

test('aws.timeouts.connect: a host that takes the connection and never speaks TLS is given up', async () => {
  const mute = createServer((socket) => socket.on('error', () => undefined))
  mute.listen(0, '127.0.0.1')
  await once(mute, 'listening')
  after(() => mute.close())
  const proxy = await proxyWith({ AWS__TIMEOUTS__CONNECT: '200ms' }, { url: `https://127.0.0.1:${(mute.address() as AddressInfo).port}` })
  const line = proxy.nextRequestLine()
  assert.equal((await invoke(proxy)).status, 503)
  assert.equal((await line).error, 'UPSTREAM_CONNECT_TIMEOUT')
})

test('logging.format: text is for people', async () => {
  const program = new Program(['serve'], proxyEnv(bedrock, { LOGGING__FORMAT: 'text' }))
  after(() => program.child.kill('SIGKILL'))
  const [, url] = / INFO listening .*url=(\S+)/.exec(await program.line(/listening/)) ?? []
  assert.equal((await ask('HTTP/1.1', Number(new URL(url!).port), '/model/x/invoke', bearer())).status, 200)
  assert.match(await program.line(/ request /), / INFO request .*operation=InvokeModel .*status=200/)
})

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createNetServer, type Server } from 'node:net'
import { after, describe, test } from 'node:test'
import { FakeBedrock } from '../kit/bedrock.ts'
import { certificateFor } from '../kit/certificate.ts'
import { FakeEgress } from '../kit/egress.ts'
import { secret } from '../kit/leaks.ts'
import { Program } from '../kit/program.ts'
import { proxyEnv } from '../kit/proxy.ts'

const tls = certificateFor(['localhost', 'bedrock.test'])
const bedrock = await FakeBedrock.start(undefined, tls)
after(() => bedrock.close())

async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => server.close())
  return (server.address() as { port: number }).port
}

const serve = async (listener: RequestListener): Promise<string> => `http://127.0.0.1:${await portOf(createServer(listener))}`

/** All that the doctor says of a proxy that is well but for what `more` changes. */
async function doctor(more: Readonly<Record<string, string>> = {}, ...args: string[]): Promise<{ readonly code: number | null; readonly lines: readonly string[] }> {
  const program = new Program(['doctor', ...args], { ...proxyEnv(bedrock), AWS__CA_FILE: tls.certFile, ...more })
  const code = await program.ended()
  assert.deepEqual(program.stderr, [])
  return { code, lines: program.stdout }
}

/** The one line that is about this, and the exit code. */
async function finding(about: RegExp, more: Readonly<Record<string, string>>): Promise<readonly [number | null, string]> {
  const { code, lines } = await doctor(more)
  const found = lines.filter((line) => about.test(line))
  assert.equal(found.length, 1, lines.join('\n'))
  return [code, found[0]!]
}

const RSA = generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } })

test('doctor finds everything well, line by line, and ends with 0', async () => {
  const { code, lines } = await doctor({ JWT__SECRET: '', JWT__PUBLIC_KEY: RSA.publicKey, JWT__ISSUER: 'https://login.example' })
  const road = '127.0.0.1 (private), connected with TLS'
  assert.deepEqual(lines.map((line) => line.replace(/::1 \(private\), /, '').replace(/\d+ s (behind|ahead of)/, 'N s')), [
    'ok    environment: no variable that undoes a promise',
    'ok    configuration: good',
    'ok    AWS credentials: from the environment, which do not expire',
    'ok    issuer https://login.example: 1 key',
    ...['runtime', 'control', 'mantle'].map((service) => `ok    Bedrock ${service}, localhost:${bedrock.port}: ${road}`),
    'ok    clock: N s that of AWS',
    'ok    Bedrock control: takes the credentials, and lists 0 models',
  ])
  assert.equal(code, 0)
})

test('doctor --json says the same for programs', async () => {
  const { code, lines } = await doctor({ AWS__MANTLE_ENDPOINT: 'http://127.0.0.1:9' }, '--json')
  const { ok, findings } = JSON.parse(lines.join('')) as { ok: boolean; findings: { level: string; what: string; remedy?: string }[] }
  assert.deepEqual([code, ok], [1, false])
  assert.deepEqual(findings.filter(({ level }) => level === 'fail'), [
    { level: 'fail', what: 'Bedrock mantle, 127.0.0.1:9: connection: no connection could be made (ECONNREFUSED)', remedy: 'see the firewalls on the way, aws.endpoint and aws.proxy_url' },
  ])
  assert.ok(findings.some(({ level, what }) => level === 'warn' && what.includes('JWT__SECRET_FILE')), 'a hint of the configuration')
})

describe('doctor finds', { concurrency: 2 }, () => {
  test('a variable that serve does not start with', async () => {
    assert.deepEqual(await finding(/ environment: /, { NODE_PATH: '/nowhere', JWT__SECRET: '', JWT__PUBLIC_KEY: RSA.publicKey }),
      [1, 'FAIL  environment: NODE_PATH is set: it loads code from other folders; unset it  (serve does not start with it)'])
  })

  test('every problem of the configuration', async () => {
    const { code, lines } = await doctor({ SERVER__PORT: 'http', AWS__CA_FILE: '/dev/null' })
    assert.equal(code, 1)
    assert.deepEqual(lines.slice(1), ['FAIL  configuration: SERVER__PORT: server.port: expected an integer from 0 to 65535, found "http"  (serve does not start with it)'])
  })

  test('no credentials, and who was asked for them', async () => {
    const [code, line] = await finding(/AWS credentials/, { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' })
    assert.equal(code, 1)
    assert.match(line, /^FAIL {2}no AWS credentials \(environment: .*; configuration: .*; profile: .*; web identity: .*; container: .*; instance metadata: .*\) {2}\(give this host a role, or set up one of these\)$/)
  })

  test('a provider that is set up wrongly', async () => {
    const [code, line] = await finding(/AWS credentials/, { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS__PROFILE: 'gone' })
    assert.equal(code, 1)
    assert.match(line, /^FAIL .*profile: the profile that is named stands in neither shared file\) {2}\(mend the last one/)
  })

  test('until when credentials are good', async () => {
    assert.deepEqual(await finding(/AWS credentials/, { AWS_CREDENTIAL_EXPIRATION: '2099-01-01T00:00:00Z' }), [0, 'ok    AWS credentials: from the environment, good until 2099-01-01T00:00:00.000Z'])
  })

  test('keys of an issuer that is asked for them', async () => {
    const url = await serve((_request, response) => response.end(JSON.stringify({ keys: [{ kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo', kid: 'a' }] })))
    assert.deepEqual(await finding(/issuer/, { JWT__SECRET: '', JWT__JWKS_URL: url, JWT__ISSUER: 'https://login.example' }), [0, 'ok    issuer https://login.example: 1 key'])
  })

  test('a provider of sign-ins that cannot be reached', async () => {
    const sso = { SSO__ISSUER: 'http://127.0.0.1:9', SSO__CLIENT_ID: 'c', SSO__REDIRECT_URL: 'https://p.example/sign-in/callback' }
    const [code, line] = await finding(/sign-in/, sso)
    assert.equal(code, 1)
    assert.match(line, /^FAIL {2}sign-in: http:\/\/127\.0\.0\.1:9: the issuer did not answer as it should \(IDENTITY_FETCH_FAILED\) {2}\(see that this host reaches it/)
  })

  test('an issuer that cannot be reached', async () => {
    const [code, line] = await finding(/issuer/, { JWT__SECRET: '', JWT__ISSUER: 'http://127.0.0.1:9' })
    assert.equal(code, 1)
    assert.match(line, /^FAIL {2}issuer http:\/\/127\.0\.0\.1:9: 0 keys \(IDENTITY_FETCH_FAILED\) {2}\(see that this host reaches it/)
  })

  test('an endpoint whose name is not known', async () => {
    const [code, line] = await finding(/runtime,/, { AWS__ENDPOINT: 'https://bedrock.invalid' })
    assert.equal(code, 1)
    assert.match(line, /^FAIL {2}Bedrock runtime, bedrock\.invalid: name: the name is not found \(\w+\) {2}\(see aws\.region/)
  })

  test('an endpoint whose certificate is of an authority that is not trusted', async () => {
    const [code, line] = await finding(/control,/, { AWS__CA_FILE: certificateFor(['localhost']).certFile })
    assert.equal(code, 1)
    assert.match(line, /^FAIL {2}Bedrock control, localhost:\d+: TLS: no connection could be made \(\w+\) {2}\(see aws\.ca_file/)
  })

  test('an endpoint that does not finish its handshake', async () => {
    const port = await portOf(createNetServer((socket) => { after(() => socket.on('error', () => undefined).destroy()) }))
    const [code, line] = await finding(/runtime,/, { AWS__ENDPOINT: `https://127.0.0.1:${port}`, AWS__TIMEOUTS__CONNECT: '300ms' })
    assert.equal(code, 1)
    assert.match(line, /^FAIL {2}Bedrock runtime, 127\.0\.0\.1:\d+: TLS: no connection within the connect timeout {2}\(/)
  })

  test('a clock that is not that of AWS', async () => {
    const skewed = (ms: number) => serve((_request, response) => response.writeHead(403, { Date: new Date(Date.now() + ms).toUTCString() }).end())
    assert.match((await finding(/clock/, { AWS__ENDPOINT: await skewed(120_000) })).join(), /^0,warn {2}clock: 1[12]\d s behind that of AWS {2}\(synchronise it/)
    assert.match((await finding(/clock/, { AWS__ENDPOINT: await skewed(-600_000) })).join(), /^1,FAIL {2}clock: [56]\d\d s ahead of that of AWS {2}\(synchronise it/)
    const timeless = await serve((_request, response) => {
      response.sendDate = false
      response.end()
    })
    assert.match((await finding(/clock/, { AWS__ENDPOINT: timeless })).join(), /^0,warn {2}clock: AWS did not say the time/)
    assert.match((await finding(/clock/, { AWS__ENDPOINT: 'http://127.0.0.1:9' })).join(), /^1,warn {2}clock: not compared/)
  })

  test('the egress proxy on the way, open or shut', async () => {
    const egress = await FakeEgress.start()
    after(() => egress.close())
    const env = { AWS__ENDPOINT: `https://bedrock.test:${bedrock.port}`, AWS__PROXY_URL: egress.url(`u:${secret('the password of the egress proxy', 'kit-d0ctor-pr0xy')}@`) }
    assert.deepEqual(await finding(/runtime,/, env), [0, `ok    Bedrock runtime, bedrock.test:${bedrock.port}: through the egress proxy, connected with TLS`])
    egress.script = (client) => client.end('HTTP/1.1 407 No\r\n\r\n')
    assert.deepEqual(await finding(/runtime,/, env), [1, `FAIL  Bedrock runtime, bedrock.test:${bedrock.port}: connection: the egress proxy refused the tunnel with status 407  (see the firewalls on the way, aws.endpoint and aws.proxy_url)`])
  })
})

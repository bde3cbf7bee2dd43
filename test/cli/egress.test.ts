import assert from 'node:assert/strict'
import { createHash, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo, connect, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { egress } from '../../src/cli/egress.ts'
import { start } from '../../src/cli/running.ts'
import { readSetup } from '../../src/cli/setup.ts'
import { createLog } from '../../src/log/index.ts'
import { certificateFor } from '../kit/certificate.ts'
import { ask } from '../kit/client.ts'
import { FakeEgress } from '../kit/egress.ts'
import { output } from '../kit/leaks.ts'
import { JWT_SECRET, token } from '../kit/proxy.ts'

/**
 * What `check --egress` lists is what is connected to. Every socket of this process is watched: what the proxy reaches
 * directly is seen by its address, and what it reaches through the egress proxy by the name that it asks that one for.
 */

const NAMES = [
  ...['bedrock-runtime', 'bedrock', 'sts', 'oidc', 'portal.sso'].map((name) => `${name}.us-east-1.amazonaws.com`), 'bedrock-mantle.us-east-1.api.aws',
]
const folder = mkdtempSync(join(tmpdir(), 'egress-'))
after(() => rmSync(folder, { recursive: true }))
const tls = certificateFor(NAMES)

const PAIR = generateKeyPairSync('ed25519', { publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } })

function signedToken(): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part({ alg: 'EdDSA', kid: 'k' })}.${part({ sub: 'alice', exp: Math.floor(Date.now() / 1000) + 600 })}`
  return `${signed}.${sign(null, Buffer.from(signed), PAIR.privateKey).toString('base64url')}`
}

const KEYS = { AccessKeyId: 'ASIA', SecretAccessKey: 's', Token: 't', Expiration: '2099-01-01T00:00:00Z' }
const STS = Object.entries({ ...KEYS, SessionToken: 't' }).map(([name, value]) => `<${name}>${value}</${name}>`).join('')
const ANSWERS: readonly (readonly [RegExp, string])[] = [
  [/^sts\./, STS],
  [/^oidc\./, JSON.stringify({ accessToken: 'new', expiresIn: 3600 })],
  [/^portal\./, JSON.stringify({ roleCredentials: { accessKeyId: 'ASIA', secretAccessKey: 's', sessionToken: 't', expiration: 4_070_908_800_000 } })],
  [/latest\/api\/token/, 'token'],
  [/security-credentials\/$/, 'role'],
  [/security-credentials|task/, JSON.stringify({ Code: 'Success', ...KEYS })],
  [/keys$/, JSON.stringify({ keys: [{ ...createPublicKey(PAIR.publicKey).export({ format: 'jwk' }), kid: 'k' }] })],
  [/^127\.0\.0\.1:\d+\/$/, STS],
  [/./, '{}'],
]
const answer: RequestListener = (request, response) => response.end(ANSWERS.find(([host]) => host.test(`${request.headers.host}${request.url}`))![1])

/** All of AWS by its names, and what stands on this host. */
const aws = createServer(tls, answer)
const near = createHttpServer(answer)
for (const server of [aws, near]) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => (server.closeAllConnections(), server.close()))
}
const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port
const NEAR = `127.0.0.1:${portOf(near)}`

const proxy = await FakeEgress.start()
after(() => proxy.close())
proxy.script = (client) => {
  client.write('HTTP/1.1 200 Connection established\r\n\r\n')
  const far = connect(portOf(aws), '127.0.0.1').on('error', () => client.destroy()).on('close', () => client.destroy())
  client.pipe(far).pipe(client)
  client.on('close', () => far.destroy())
}

/** Host and port of every connection of this process. */
const connected = new Set<string>()
const untouched = Socket.prototype.connect
Socket.prototype.connect = function (this: Socket, ...args: unknown[]): Socket {
  const [first, second] = args.flat(1) as unknown[]
  const { host, port } = typeof first === 'object' && first !== null ? first as { host?: string; port?: number } : { port: Number(first), host: typeof second === 'string' ? second : 'localhost' }
  connected.add(`${host ?? 'localhost'}:${port}`)
  return Reflect.apply(untouched, this, args) as Socket
}
after(() => { Socket.prototype.connect = untouched })

function home(name: string, config: string, token?: string): string {
  const path = join(folder, name, '.aws', 'sso', 'cache')
  mkdirSync(path, { recursive: true })
  writeFileSync(join(folder, name, '.aws', 'config'), config)
  if (token !== undefined) writeFileSync(join(path, `${createHash('sha1').update('corp').digest('hex')}.json`), token)
  return join(folder, name)
}

const ROLE = 'arn:aws:iam::111122223333:role/r'
const ENV_KEYS = { AWS_ACCESS_KEY_ID: 'AKIA', AWS_SECRET_ACCESS_KEY: 's' }
const SSO = '[sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.example/start\n'
const EXPIRED = JSON.stringify({ accessToken: 'old', expiresAt: '2020-01-01T00:00:00Z', clientId: 'c', clientSecret: 's', refreshToken: 'r' })
writeFileSync(join(folder, 'jwt'), 'a.web.token')

for (const [claim, env] of [
  ['keys of the environment', ENV_KEYS],
  ['roles of callers', { ...ENV_KEYS, AWS__ASSUME_ROLE__ROLE_ARN: ROLE }],
  ['web identity', { AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'jwt'), AWS_ROLE_ARN: ROLE }],
  ['the container', { AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://${NEAR}/task` }],
  ['the instance', { AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://${NEAR}` }],
  ['a role by the instance', { HOME: home('instance', `[default]\nrole_arn = ${ROLE}\ncredential_source = Ec2InstanceMetadata\n`), AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://${NEAR}` }],
  ['IAM Identity Center', { HOME: home('sso', `[default]\nsso_session = corp\nsso_account_id = 1\nsso_role_name = n\n${SSO}`, EXPIRED) }],
  ['a role by IAM Identity Center', { HOME: home('both', `[default]\nrole_arn = ${ROLE}\nsource_profile = s\n[profile s]\nsso_session = corp\nsso_account_id = 1\nsso_role_name = n\n${SSO}`, EXPIRED) }],
  ['another STS', { ...ENV_KEYS, AWS__ASSUME_ROLE__ROLE_ARN: ROLE, AWS_ENDPOINT_URL_STS: `http://${NEAR}` }],
  ['keys of the environment, limits in Redis', { ...ENV_KEYS, LIMITS__STORE: 'redis', LIMITS__URL: `redis://${NEAR}`, LIMITS__FAIL: 'open' }],
  ['keys of an issuer', { ...ENV_KEYS, JWT__JWKS_URL: `http://${NEAR}/keys` }],
] as const) {
  test(`credentials by ${claim}: every host listed is connected to, and no other`, async () => {
    const isAsked = 'JWT__JWKS_URL' in env
    const given: Record<string, string> = { SERVER__PORT: '0', ADMIN__PORT: '0', ...(isAsked ? {} : { JWT__SECRET: JWT_SECRET }), AWS__REGION: 'us-east-1', AWS__CA_FILE: tls.certFile, AWS__PROXY_URL: proxy.url(), HOME: '/nowhere', ...env }
    const read = readSetup({}, { env: given, cwd: () => '/nowhere' })
    if ('problems' in read) assert.fail(read.problems.join('\n'))
    connected.clear()
    proxy.asked.length = 0
    const running = await start(read.setup, given, createLog({ level: 'debug', format: 'json', nowMs: Date.now, write: output }))
    const port = Number(new URL(running.url).port)
    after(() => running.stop())
    const headers = { authorization: `Bearer ${isAsked ? signedToken() : token()}` }
    for (const [method, path] of [['POST', '/model/m/converse'], ['GET', '/foundation-models'], ['POST', '/anthropic/v1/messages']] as const) {
      const { status } = await ask('HTTP/1.1', port, path, { method, headers, ...(method === 'POST' && { body: '{"model":"m"}' }) })
      assert.equal(status, 200, path)
    }
    // The client of this test, and what the egress proxy does for it.
    const direct = [...connected].filter((host) => ![`127.0.0.1:${port}`, `127.0.0.1:${portOf(aws)}`].includes(host))
    const reached = new Set([...direct, ...proxy.asked.map(({ target }) => target)])
    const listed = new Set(egress(read.setup.config, given).map(({ host }) => host))
    assert.deepEqual([...reached].sort(), [...listed].sort())
  })
}

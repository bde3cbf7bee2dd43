import assert from 'node:assert/strict'
import { createHash, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, request as forward, type RequestListener } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { checkup } from '../../src/cli/checkup.ts'
import { ANY, egress } from '../../src/cli/egress.ts'
import { start } from '../../src/cli/running.ts'
import { readSetup } from '../../src/cli/setup.ts'
import { createLog } from '../../src/log/index.ts'
import { certificateFor } from '../kit/certificate.ts'
import { Browser } from '../kit/browser.ts'
import { ask } from '../kit/client.ts'
import { ConfigFile } from '../kit/config.ts'
import { FakeEgress } from '../kit/egress.ts'
import { output, secret } from '../kit/leaks.ts'
import { CLIENT_ID, Provider } from '../kit/provider.ts'
import { JWT_SECRET, token } from '../kit/proxy.ts'
import { Watch, watched } from '../kit/watch.ts'

/**
 * What `check --egress` lists is what `serve` and `doctor` connect to, no less and no more: what is reached directly is seen at the
 * sockets, and what is reached through an egress proxy by the name that it is asked for.
 */

const REGIONS = ['us-east-1', 'us-west-2', 'us-gov-west-1'].map((region) => [region, 'amazonaws.com', 'api.aws'])
const NAMES = [...REGIONS, ['cn-north-1', 'amazonaws.com.cn', 'api.amazonwebservices.com.cn']].flatMap(([region, suffix, dualStack]) => [
  ...['bedrock-runtime', 'bedrock', 'sts', 'oidc', 'portal.sso'].flatMap((name) => [name, `${name}-fips`]).flatMap((name) => [`${name}.${region}.${suffix}`, `${name}.${region}.${dualStack}`]),
  `bedrock-mantle.${region}.${dualStack}`,
])
const ISSUER = 'https://login.example'
const folder = mkdtempSync(join(tmpdir(), 'egress-'))
after(() => rmSync(folder, { recursive: true }))
const tls = certificateFor([...NAMES, 'login.example', 'keys.example', 'tokens.example'])

const PAIR = generateKeyPairSync('ed25519', { publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } })

function signedToken(): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part({ alg: 'EdDSA', kid: 'k' })}.${part({ sub: 'alice', exp: Math.floor(Date.now() / 1000) + 600 })}`
  return `${signed}.${sign(null, Buffer.from(signed), PAIR.privateKey).toString('base64url')}`
}

const KEYS = { AccessKeyId: 'ASIA', SecretAccessKey: 's', Token: 't', Expiration: '2099-01-01T00:00:00Z' }
const STS = Object.entries({ ...KEYS, SessionToken: 't', Arn: 'arn:aws:iam::111122223333:user/u' }).map(([name, value]) => `<${name}>${value}</${name}>`).join('')
const ANSWERS: readonly (readonly [RegExp, string])[] = [
  [/^sts[.-]/, STS],
  [/^oidc\./, JSON.stringify({ accessToken: 'new', expiresIn: 3600 })],
  [/^portal\./, JSON.stringify({ roleCredentials: { accessKeyId: 'ASIA', secretAccessKey: 's', sessionToken: 't', expiration: 4_070_908_800_000 } })],
  [/latest\/api\/token/, 'token'],
  [/security-credentials\/$/, 'role'],
  [/security-credentials|task/, JSON.stringify({ Code: 'Success', ...KEYS })],
  [/keys$/, JSON.stringify({ keys: [{ ...createPublicKey(PAIR.publicKey).export({ format: 'jwk' }), kid: 'k' }] })],
  [/^127\.0\.0\.1:\d+\/$/, STS],
  [/./, '{}'],
]
const answer: RequestListener = (request, response) => {
  // Issuers by other names.
  if (/\.example$/.test(request.headers.host!)) return void request.pipe(forward(provider.url + request.url, { method: request.method, headers: request.headers }, (said) => said.pipe(response)))
  response.end(ANSWERS.find(([host]) => host.test(`${request.headers.host}${request.url}`))![1])
}

const provider = await Provider.start()
after(() => provider.close())

/** All of AWS by its names, what stands on this host, and a host that an issuer names. */
const aws = createServer(tls, answer)
const near = createHttpServer(answer)
const other = createHttpServer((request, response) => void request.pipe(forward(provider.url + request.url, { method: request.method, headers: request.headers }, (said) => said.pipe(response))))
for (const server of [aws, near, other]) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => (server.closeAllConnections(), server.close()))
}
const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port
const NEAR = `127.0.0.1:${portOf(near)}`
const elsewhere = `http://127.0.0.1:${portOf(other)}`

const proxy = await FakeEgress.start()
after(() => proxy.close())
proxy.script = (client) => {
  client.write('HTTP/1.1 200 Connection established\r\n\r\n')
  const far = connect(portOf(aws), '127.0.0.1').on('error', () => client.destroy()).on('close', () => client.destroy())
  client.pipe(far).pipe(client)
  client.on('close', () => far.destroy())
}

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

const CASES: readonly (readonly [claim: string, env: Readonly<Record<string, string>>, config?: object])[] = [
  ['keys of the environment', ENV_KEYS],
  ['roles of callers', { ...ENV_KEYS, AWS__ASSUME_ROLE__ROLE_ARN: ROLE }],
  ['roles in China', { ...ENV_KEYS, AWS__REGION: 'cn-north-1', AWS__ASSUME_ROLE__ROLE_ARN: ROLE.replace('aws', 'aws-cn') }],
  ['roles by endpoints of FIPS', { ...ENV_KEYS, AWS__FIPS: 'true', AWS__ASSUME_ROLE__ROLE_ARN: ROLE }],
  ['roles by endpoints of FIPS with IPv6', { ...ENV_KEYS, AWS__FIPS: 'true', AWS__DUAL_STACK: 'true', AWS__ASSUME_ROLE__ROLE_ARN: ROLE }],
  ['roles in GovCloud, by endpoints of FIPS', { ...ENV_KEYS, AWS__REGION: 'us-gov-west-1', AWS__FIPS: 'true', AWS__ASSUME_ROLE__ROLE_ARN: ROLE.replace('aws', 'aws-us-gov') }],
  ['web identity', { AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'jwt'), AWS_ROLE_ARN: ROLE }],
  ['web identity, and Bedrock at an endpoint of our own', { AWS__ENDPOINT: `http://${NEAR}`, AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'jwt'), AWS_ROLE_ARN: ROLE }],
  ['the container', { AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://${NEAR}/task` }],
  ['the instance', { AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://${NEAR}` }],
  ['a role by the instance', { HOME: home('instance', `[default]\nrole_arn = ${ROLE}\ncredential_source = Ec2InstanceMetadata\n`), AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://${NEAR}` }],
  ['IAM Identity Center', { HOME: home('sso', `[default]\nsso_session = corp\nsso_account_id = 1\nsso_role_name = n\n${SSO}`, EXPIRED) }],
  ['a role by IAM Identity Center', { HOME: home('both', `[default]\nrole_arn = ${ROLE}\nsource_profile = s\n[profile s]\nsso_session = corp\nsso_account_id = 1\nsso_role_name = n\n${SSO}`, EXPIRED) }],
  ['another STS', { ...ENV_KEYS, AWS__ASSUME_ROLE__ROLE_ARN: ROLE, AWS_ENDPOINT_URL_STS: `http://${NEAR}` }],
  ['keys of the environment, limits in Redis', { ...ENV_KEYS, LIMITS__STORE: 'redis', LIMITS__URL: `redis://${NEAR}`, LIMITS__FAIL: 'open' }],
  ['another STS in place of all that is configured', { ...ENV_KEYS, AWS__ASSUME_ROLE__ROLE_ARN: ROLE, AWS_ENDPOINT_URL_STS: 'https://nowhere.example', AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true' }],
  ['an API key', { AWS__BEARER_TOKEN: 'a-key-of-bedrock' }],
  ['those of two upstreams', ENV_KEYS, { aws: { upstreams: [{ name: 'east', weight: 1 }, { name: 'west', region: 'us-west-2', weight: 1, role_arn: ROLE }] } }],
  ['keys of an issuer', { ...ENV_KEYS, JWT__JWKS_URL: `http://${NEAR}/keys` }],
]

/** Starts the proxy and looks at all that it needs, as `doctor` does; both are watched. */
async function run(env: Readonly<Record<string, string>>, config: object) {
  const file = new ConfigFile(config)
  const given: Record<string, string> = { SERVER__PORT: '0', ADMIN__PORT: '0', AWS__REGION: 'us-east-1', AWS__CA_FILE: tls.certFile, AWS__PROXY_URL: proxy.url(), HOME: '/nowhere', ...file.env, ...env }
  const read = readSetup({}, { env: given, cwd: () => '/nowhere' })
  if ('problems' in read) assert.fail(read.problems.join('\n'))
  const { setup } = read
  const watch = new Watch('this proxy', () => egress(setup.config, given))
  const running = await watched(watch, () => start(setup, given, createLog({ level: 'debug', format: 'json', nowMs: Date.now, write: output })))
  after(() => running.stop())
  const findings = await watched(watch, () => checkup(setup, given, { asker: undefined, models: [] }))
  return { watch, findings, port: Number(new URL(running.url).port) }
}

for (const [claim, env, config = {}] of CASES) {
  test(`credentials by ${claim}: every host listed is connected to, and no other`, async () => {
    const isAsked = 'JWT__JWKS_URL' in env
    const { watch, port, findings } = await run({ ...(!isAsked && { JWT__SECRET: JWT_SECRET }), ...env }, config)
    const headers = { authorization: `Bearer ${isAsked ? signedToken() : token()}` }
    for (const [method, path] of [['POST', '/model/m/converse'], ['GET', '/foundation-models'], ['POST', '/anthropic/v1/messages']] as const) {
      const { status } = await ask('HTTP/1.1', port, path, { method, headers, ...(method === 'POST' && { body: '{"model":"m"}' }) })
      assert.equal(status, 200, path)
    }
    // What answers in place of a Redis is none.
    assert.deepEqual(findings.filter(({ level, what }) => level === 'fail' && !what.startsWith('limits: ')), [])
    assert.deepEqual([...watch.dials].sort(), [...watch.hosts].sort())
  })
}

const CLIENT = { client_id: CLIENT_ID, redirect_url: 'https://proxy.example.com/sign-in/callback' }

/** Somebody signs in, and calls with the token of the page. */
async function signIn(port: number): Promise<void> {
  const browser = new Browser(port, 'HTTP/1.1')
  const begun = await browser.go('/sign-in')
  const back = await provider.signIn(String(begun.headers.location).replace(ISSUER, provider.url))
  assert.equal((await browser.go(back.slice('https://proxy.example.com'.length))).status, 303)
  const bearer = /<span>([^<]+)<\/span>/.exec((await browser.go('/')).body.toString())![1]!
  assert.equal((await ask('HTTP/1.1', port, '/model/m/converse', { headers: { authorization: `Bearer ${secret('the token of the page', bearer)}` }, body: '{}' })).status, 200)
}

test('an issuer that is asked through its own egress proxy, and the hosts that it may name: all listed, and no other', async () => {
  provider.description = { issuer: ISSUER, authorization_endpoint: `${ISSUER}/authorize`, token_endpoint: 'https://tokens.example/token', jwks_uri: 'https://keys.example/jwks', device_authorization_endpoint: undefined }
  provider.idToken = { iss: ISSUER }
  provider.callback = { iss: ISSUER }
  const jwt = { issuer: ISSUER, audience: [CLIENT_ID], ca_file: tls.certFile, proxy_url: proxy.url(), named_hosts: ['keys.example', 'tokens.example'] }
  const { watch, port, findings } = await run({ ...ENV_KEYS, AWS__ENDPOINT: `http://${NEAR}`, AWS__PROXY_URL: '' }, { jwt, sso: { issuer: ISSUER, ...CLIENT } })
  await signIn(port)
  assert.deepEqual(findings.filter(({ level }) => level === 'fail'), [])
  assert.deepEqual([...watch.dials].sort(), [...watch.hosts].sort())
  assert.ok(proxy.asked.some(({ target }) => target === 'tokens.example:443'))
})

test('where nobody says what an issuer may name, the list has a star for it', async () => {
  provider.repent()
  provider.description = { token_endpoint: `${elsewhere}/token`, jwks_uri: `${elsewhere}/jwks` }
  const { watch, port } = await run({ ...ENV_KEYS, AWS__ENDPOINT: `http://${NEAR}` }, { jwt: { issuer: provider.url, audience: [CLIENT_ID] }, sso: { issuer: provider.url, ...CLIENT } })
  await signIn(port)
  const host = (url: string) => new URL(url).host
  assert.deepEqual([...watch.dials].sort(), [NEAR, host(provider.url), host(elsewhere)].sort())
  assert.deepEqual(watch.hosts, [NEAR, host(provider.url), ANY])
})

test('an issuer that names a host it may not is not asked there', async () => {
  provider.repent()
  provider.description = { jwks_uri: `${elsewhere}/jwks` }
  const { watch, findings } = await run({ ...ENV_KEYS, AWS__ENDPOINT: `http://${NEAR}` }, { jwt: { issuer: provider.url, named_hosts: [] } })
  assert.ok(findings.some(({ level, what }) => level === 'fail' && /issuer .*IDENTITY_URL_REFUSED/.test(what)), JSON.stringify(findings))
  assert.deepEqual([...watch.dials].sort(), [NEAR, new URL(provider.url).host].sort())
})

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspect } from 'node:util'
import type { HttpRequest } from '../../src/credentials/http.ts'
import { Secret } from '../../src/secret/index.ts'
import { secret } from '../kit/leaks.ts'
import { chain, Clock, failure, MINUTE, settle, unreachable } from './kit.ts'

const ENV = { AWS_ACCESS_KEY_ID: 'AKIAENV', AWS_SECRET_ACCESS_KEY: secret('the secret of the environment', 'envsecret') }
const CONFIGURED = { accessKeyId: 'AKIACONF', secretAccessKey: new Secret(secret('the secret of the configuration', 'confsecret')) }
const FILE = `[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = ${secret('the secret of the file', 'chainfilesecret')}\n`
const WEB = { AWS_WEB_IDENTITY_TOKEN_FILE: '/jwt', AWS_ROLE_ARN: 'arn:aws:iam::111122223333:role/irsa' }
const TASK = { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/task' }

/** The network of a host that has everything. Keys expire an hour from `clock`. */
function network(clock: Clock) {
  const state = { requests: [] as string[], key: 1, down: false }
  const http = async ({ method, url }: HttpRequest) => {
    state.requests.push(`${method} ${url.host}${url.pathname}`)
    if (state.down) return unreachable()
    const expiration = new Date(clock.now + 60 * MINUTE).toISOString()
    const fields = (id: string) => ({ AccessKeyId: `${id}${state.key}`, SecretAccessKey: 's', Expiration: expiration })
    if (method === 'PUT') return { status: 200, body: 'token' }
    if (method === 'POST') return { status: 200, body: Object.entries({ ...fields('ASIASTS'), SessionToken: 't' }).map(([name, value]) => `<${name}>${value}</${name}>`).join('') }
    if (url.pathname.endsWith('/')) return { status: 200, body: 'role' }
    return { status: 200, body: JSON.stringify({ Code: 'Success', Token: 't', ...fields(url.pathname === '/task' ? 'ASIATASK' : 'ASIAEC2') }) }
  }
  return { state, http }
}

test('the providers are asked in the SDKs\' order', async () => {
  for (const [env, configured, texts, name, key] of [
    [{ ...ENV, ...WEB, ...TASK }, CONFIGURED, { '/.aws/credentials': FILE, '/jwt': 'j' }, 'environment', 'AKIAENV'],
    [{ ...WEB, ...TASK }, CONFIGURED, { '/.aws/credentials': FILE, '/jwt': 'j' }, 'configuration', 'AKIACONF'],
    [{ ...WEB, ...TASK }, {}, { '/.aws/credentials': FILE, '/jwt': 'j' }, 'profile', 'AKIAFILE'],
    [{ ...WEB, ...TASK }, {}, { '/jwt': 'j' }, 'web identity', 'ASIASTS1'],
    [TASK, {}, {}, 'container', 'ASIATASK1'],
    [{}, {}, {}, 'instance metadata', 'ASIAEC21'],
  ] as const) {
    const clock = new Clock()
    const source = chain({ env, configured, texts, clock, http: network(clock).http })
    assert.equal((await source.get()).accessKeyId, key)
    assert.equal(source.name, name)
    assert.ok(!(source.get() instanceof Promise), 'warm, but get() makes its caller wait')
  }
})

test('keys of the environment go before a profile that is named; half a pair of them is none', async () => {
  const texts = { '/.aws/credentials': FILE }
  assert.equal((await chain({ env: { ...ENV, AWS_PROFILE: 'default' }, texts }).get()).accessKeyId, 'AKIAENV')
  assert.equal((await chain({ env: { AWS_ACCESS_KEY_ID: 'AKIAENV', AWS_SECRET_ACCESS_KEY: ' ' }, texts }).get()).accessKeyId, 'AKIAFILE')
})

test('a session token of the environment stays with its keys', async () => {
  assert.equal((await chain({ env: { AWS_SESSION_TOKEN: 'stale' }, configured: CONFIGURED }).get()).sessionToken, undefined)
  assert.equal((await chain({ env: { ...ENV, AWS_SESSION_TOKEN: 'own' }, configured: CONFIGURED }).get()).sessionToken?.reveal(), 'own')
})

test('keys of the environment that say when they expire are not given after that', async () => {
  const clock = new Clock()
  const source = chain({ env: { ...ENV, AWS_CREDENTIAL_EXPIRATION: new Date(clock.now + 60 * MINUTE).toISOString() }, clock })
  assert.equal((await source.get()).expiresMs, clock.now + 60 * MINUTE)
  await clock.advance(61 * MINUTE)
  await failure(() => source.get(), 'CREDENTIALS_EXPIRED')
})

test('a key that a shell gave a line end is refused, not sent', async () => {
  const { message } = await failure(() => chain({ env: { ...ENV, AWS_ACCESS_KEY_ID: 'AKIAENV\n' } }).get(), 'CREDENTIALS_INVALID')
  assert.match(message, /environment: the access key id is missing or malformed/)
})

test('an empty host is told of each provider and why it had none', async () => {
  const { message, asked } = await failure(() => chain().get(), 'CREDENTIALS_NOT_FOUND')
  assert.deepEqual(asked.map(({ provider }) => provider), ['environment', 'configuration', 'profile', 'web identity', 'container', 'instance metadata'])
  for (const { provider, why, code } of asked) {
    assert.ok(message.includes(`${provider}: ${why}`), message)
    assert.equal(code, 'CREDENTIALS_NOT_FOUND')
  }
})

test('what is set up but broken ends the search: the next one would be another identity', async () => {
  const clock = new Clock()
  for (const [env, texts, code, last] of [
    [{ AWS_PROFILE: 'gone' }, {}, 'CREDENTIALS_INVALID', 'profile'],
    [{}, { '/.aws/config': '[default]\nrole_arn = a\nsource_profile = b\n' }, 'CREDENTIALS_INVALID', 'profile'],
    [{}, { '/.aws/config': '[default]\ncredential_process = helper\n' }, 'CREDENTIALS_UNSUPPORTED', 'profile'],
    [{}, { '/.aws/credentials': '[default]\naws_access_key_id = AKIA' }, 'CREDENTIALS_INVALID', 'profile'],
    [WEB, {}, 'CREDENTIALS_INVALID', 'web identity'],
    [{ AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://example.com/' }, {}, 'CREDENTIALS_INVALID', 'container'],
  ] as const) {
    const { state, http } = network(clock)
    const { asked } = await failure(() => chain({ env, texts, clock, http }).get(), code)
    assert.deepEqual([asked.at(-1)!.provider, state.requests], [last, []])
  }
})

test('the provider that gave credentials is the only one asked again', async () => {
  const clock = new Clock()
  const { state, http } = network(clock)
  const texts: Record<string, string> = {}
  const source = chain({ texts, clock, http })
  const refused = await source.get()
  texts['/.aws/credentials'] = FILE
  state.key = 2
  assert.equal((await source.renew(refused))?.accessKeyId, 'ASIAEC22')
  assert.equal(source.name, 'instance metadata')
})

// The credentials file of a host, while somebody rotates it.
test('a file that is missing, empty, half-written or cut short costs nobody the keys that still work, and is found when it is whole', async () => {
  const clock = new Clock()
  const { state, http } = network(clock)
  const texts: Record<string, string> = { '/.aws/credentials': FILE }
  const source = chain({ texts, clock, http })
  const refused = await source.get()
  for (const text of [undefined, '', '[default', '[default]\naws_access_key_id = AKIANEW\n', FILE]) {
    if (text === undefined) delete texts['/.aws/credentials']
    else texts['/.aws/credentials'] = text
    clock.now += 5000
    assert.equal(await source.renew(refused), undefined)
    assert.equal(source.get(), await source.get())
    assert.equal((await source.get()).accessKeyId, 'AKIAFILE')
  }
  texts['/.aws/credentials'] = FILE.replace('AKIAFILE', 'AKIANEW')
  clock.now += 5000
  assert.equal((await source.renew(refused))?.accessKeyId, 'AKIANEW')
  assert.deepEqual(state.requests, [], 'the instance was asked for another identity')
})

test('a pod whose token file rotates sends the new token', async () => {
  const clock = new Clock()
  const { http } = network(clock)
  const texts = { '/jwt': 'first' }
  const tokens: (string | null)[] = []
  const source = chain({ env: WEB, texts, clock, http: (request) => (tokens.push(new URLSearchParams(request.body).get('WebIdentityToken')), http(request)) })
  await source.get()
  texts['/jwt'] = 'second'
  await clock.advance(50 * MINUTE)
  assert.deepEqual(tokens, ['first', 'second'])
})

test('a thousand requests without credentials make one search', async () => {
  const clock = new Clock()
  const { state, http } = network(clock)
  state.down = true
  const source = chain({ env: TASK, clock, http })
  await Promise.all(Array.from({ length: 1000 }, () => failure(() => source.get(), 'CREDENTIALS_UNREACHABLE')))
  assert.equal(state.requests.length, 3)
  state.down = false
  await clock.advance(MINUTE)
  assert.equal((await source.get()).accessKeyId, 'ASIATASK1', 'they were not found without a request')
})

test('an instance keeps its keys while its metadata service is down', async () => {
  const clock = new Clock()
  const { state, http } = network(clock)
  const source = chain({ clock, http })
  await source.get()
  state.down = true
  await clock.advance(5 * 60 * MINUTE)
  assert.equal((await source.get()).accessKeyId, 'ASIAEC21')
})

test('nothing of a source prints a secret', async () => {
  const source = chain({ env: ENV, configured: CONFIGURED })
  const text = inspect([source, await source.get()], { depth: 9, showHidden: true }) + JSON.stringify([source, await source.get()])
  assert.ok(!text.includes('envsecret') && !text.includes('confsecret'))
})

test('a promise that nobody awaits does not end the process, nor does a timer keep it', async () => {
  const program = `
    import { credentialChain } from ${JSON.stringify(join(import.meta.dirname, '..', '..', 'src', 'credentials', 'index.ts'))}
    const log = { debug() {}, info() {}, warn() {}, error() {} }
    const files = { readText() { throw Object.assign(new Error(), { code: 'ENOENT' }) } }
    const http = async () => ({ status: 403, body: '' })
    credentialChain({ env: {}, configured: {}, files, http, log, nowMs: Date.now, random: Math.random }).get()
    credentialChain({ env: { ...process.env, AWS_ACCESS_KEY_ID: 'A', AWS_SECRET_ACCESS_KEY: 'b', AWS_CREDENTIAL_EXPIRATION: '2999-01-01T00:00:00Z' }, configured: {}, files, http, log, nowMs: Date.now, random: Math.random }).get()
  `
  const { status, stderr } = spawnSync(process.execPath, [...process.execArgv.filter((arg) => !arg.startsWith('--test')), '--input-type=module', '-e', program], { encoding: 'utf8', timeout: 30_000 })
  assert.equal(status, 0, stderr)
})

test('close() ends a search that hangs', async () => {
  const clock = new Clock()
  const http = (_request: HttpRequest, closing: AbortSignal) => new Promise<never>((_resolve, reject) => closing.addEventListener('abort', () => reject(closing.reason as Error)))
  const source = chain({ clock, http })
  const pending = assert.rejects(async () => source.get())
  await settle()
  source.close()
  await pending
  await settle()
  assert.equal(clock.nextMs, undefined)
})

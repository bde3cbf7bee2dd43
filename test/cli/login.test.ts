import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, watch, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { main } from '../../src/cli/main.ts'
import { ConfigFile } from '../kit/config.ts'
import { output } from '../kit/leaks.ts'
import { CLIENT_ID, Provider } from '../kit/provider.ts'
import { startProxy } from '../kit/proxy.ts'
import { allowedTo, Watch, watched } from '../kit/watch.ts'
import { bedrock } from './kit.ts'

const provider = await Provider.start()
const proxy = await startProxy(bedrock, { JWT__SECRET: '', JWT__ISSUER: provider.url, SSO__ISSUER: provider.url, SSO__CLIENT_ID: CLIENT_ID })
const root = mkdtempSync(join(tmpdir(), 'login-'))
after(async () => {
  await proxy.stop()
  provider.close()
  rmSync(root, { recursive: true })
})
beforeEach(() => provider.repent())

let homes = 0

/** A command that runs in this process: starting one for each takes longer than all that they do. */
class Run {
  out = ''
  err = ''
  readonly code: Promise<number>
  #watch = (): void => undefined

  constructor(args: readonly string[], env: Readonly<Record<string, string>>) {
    const stdout = { writableLength: 0, write: (text: string) => this.#take('out', text), on: () => undefined, once: () => undefined }
    const stderr = { write: (text: string) => this.#take('err', text) }
    const terminal = { env, stdout, stderr, versions: process.versions, pid: 1, cwd: () => '/', exit: () => undefined, on: () => undefined }
    this.code = watched(new Watch(args.join(' '), allowedTo(args, env, '/')), () => main(args, terminal))
  }

  /** The address that a person is told to go to, as soon as it is told. */
  async address(): Promise<string> {
    const found = () => /^ {2}(http.*)$/m.exec(this.out)?.[1]
    await Promise.race([this.code, new Promise<void>((resolve) => {
      this.#watch = () => { if (found() !== undefined) resolve() }
      this.#watch()
    })])
    return found() ?? assert.fail(this.err)
  }

  /** Does what the person would do in the browser. */
  async signIn(): Promise<void> {
    assert.equal((await fetch(await provider.signIn(await this.address()))).status, 200)
  }

  #take(name: 'out' | 'err', text: string): void {
    this[name] += text
    this.#watch()
  }
}

/** Somebody's machine, of which nobody sees the screen. */
class Machine {
  readonly home = join(root, String(homes++))
  readonly folder = join(this.home, 'bedrock-sso-proxy')

  run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Run {
    return new Run(args, { XDG_CONFIG_HOME: this.home, ...env })
  }

  async login(...more: readonly string[]): Promise<Run> {
    const run = this.run(['login', '--proxy', proxy.url, ...more])
    if (!more.includes('--device')) await run.signIn()
    assert.equal(await run.code, 0, run.err)
    output(run.out + run.err)
    return run
  }

  get file(): string {
    return join(this.folder, readdirSync(this.folder).find((name) => name.endsWith('.json'))!)
  }
}

/** Runs `token`: what it prints on its output may be one, and nothing else may. */
async function token(machine: Machine, ...more: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const run = machine.run(['token', ...more])
  const code = await run.code
  output(run.err)
  return { code, out: run.out, err: run.err }
}

const claimsOf = (jwt: string) => JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString()) as Record<string, unknown>

test('login signs in by a browser, keeps the tokens to its user, and prints none', async () => {
  const machine = new Machine()
  const program = await machine.login()
  assert.match(program.out, /\nSigned in as Alice until \S+Z, and then anew by itself\.\n$/)
  assert.equal(statSync(machine.folder).mode & 0o777, 0o700)
  assert.equal(statSync(machine.file).mode & 0o777, 0o600)
  assert.deepEqual(readdirSync(machine.folder).length, 1, 'no draft is left')
  const { query } = provider.taken.find(({ path }) => path === '/authorize')!
  assert.deepEqual([query.get('client_id'), query.get('prompt'), query.get('code_challenge_method')], [CLIENT_ID, 'consent', 'S256'])
  assert.match(query.get('redirect_uri')!, /^http:\/\/127\.0\.0\.1:\d+\/callback$/)
})

test('token prints a token that opens the proxy; --env lines for a shell; --credential-process what the SDKs of AWS expect', async () => {
  const machine = new Machine()
  await machine.login()
  const { code, out } = await token(machine)
  assert.equal(code, 0)
  const jwt = out.trim()
  const answer = await fetch(`${proxy.url}/model/x/converse`, { method: 'POST', headers: { authorization: `Bearer ${jwt}` }, body: '{}' })
  assert.equal(answer.status, 200)
  assert.deepEqual((await token(machine, '--env')).out.trim().split('\n'), [
    // Over plain HTTP some SDKs send no bearer.
    "export AWS_ACCESS_KEY_ID='none'", "export AWS_SECRET_ACCESS_KEY='none'", `export AWS_SESSION_TOKEN='${jwt}'`, `export AWS_ENDPOINT_URL_BEDROCK_RUNTIME='${proxy.url}'`, `export AWS_ENDPOINT_URL_BEDROCK='${proxy.url}'`, `export ANTHROPIC_BEDROCK_BASE_URL='${proxy.url}'`,
    'export AWS_REGION="${AWS_REGION:-us-east-1}"', 'export AWS_DEFAULT_REGION="${AWS_DEFAULT_REGION:-us-east-1}"',
  ])
  assert.deepEqual(JSON.parse((await token(machine, '--credential-process', '--proxy', `${proxy.url}/`)).out), {
    Version: 1, AccessKeyId: 'none', SecretAccessKey: 'none', SessionToken: jwt, Expiration: new Date(Number(claimsOf(jwt).exp) * 1000).toISOString(),
  })
})

test('a token with less than a minute left is refreshed, once, however many ask', async () => {
  const machine = new Machine()
  provider.lifetimeS = 50
  await machine.login()
  provider.lifetimeS = 600
  const tokens = await Promise.all(Array.from({ length: 4 }, () => token(machine)))
  assert.deepEqual(tokens.map(({ code }) => code), [0, 0, 0, 0])
  assert.equal(new Set(tokens.map(({ out }) => out)).size, 1)
  const refreshes = provider.taken.filter(({ form }) => form.get('grant_type') === 'refresh_token')
  assert.equal(refreshes.length, 1)
  assert.equal(statSync(machine.file).mode & 0o777, 0o600)
})

test('a lock that a process took to its grave is no lock', async () => {
  const machine = new Machine()
  provider.lifetimeS = 50
  await machine.login()
  writeFileSync(`${machine.file}.lock`, String(spawnSync('true').pid))
  assert.equal((await token(machine)).code, 0)
})

test('a sign-in that the issuer has ended says what to do', async () => {
  const machine = new Machine()
  provider.lifetimeS = 50
  await machine.login()
  provider.errors = ['invalid_grant']
  const { code, out, err } = await token(machine)
  assert.deepEqual([code, out, err], [1, '', `the sign-in has ended: bedrock-sso-proxy login --proxy ${proxy.url}\n`])
})

test('--device signs in on another device', async () => {
  const machine = new Machine()
  provider.answer = { interval: 1 }
  provider.errors = ['authorization_pending']
  const program = await machine.login('--device')
  assert.ok(program.out.startsWith(`On any device, open ${provider.url}/activate and enter the code ABCD-EFGH\n`))
  provider.answer = {}
  assert.equal((await token(machine)).code, 0)
})

test('login by an issuer alone needs no proxy, and --token access keeps the access token', async () => {
  const machine = new Machine()
  const run = machine.run(['login', '--issuer', provider.url, '--client-id', 'cli', '--token', 'access', '--resource', 'urn:bedrock', '--scopes', 'openid'])
  await run.signIn()
  assert.equal(await run.code, 0)
  const { out } = await token(machine)
  assert.equal(claimsOf(out).aud, 'bedrock')
  assert.match((await token(machine, '--env')).out, /^export AWS_BEARER_TOKEN_BEDROCK='[\w.-]+'\n$/)
})

test('a file that others can read, or that is only a link to one, is not taken', async () => {
  const machine = new Machine()
  await machine.login()
  const { file } = machine
  chmodSync(file, 0o640)
  const open = await token(machine)
  assert.deepEqual([open.code, open.out], [1, ''])
  assert.match(open.err, /is open to others/)
  const kept = join(machine.home, 'kept')
  writeFileSync(kept, readFileSync(file), { mode: 0o600 })
  rmSync(file)
  symlinkSync(kept, file)
  assert.match((await token(machine)).err, /cannot be read \(ELOOP\)/)
})

test('with several sign-ins the one that is meant is named; without any it says how to get one', async () => {
  const machine = new Machine()
  mkdirSync(machine.folder, { recursive: true })
  assert.match((await token(machine)).err, /you are not signed in: bedrock-sso-proxy login --proxy URL/)
  await machine.login()
  writeFileSync(join(machine.folder, `${encodeURIComponent('https://other.example.com')}.json`), '{}', { mode: 0o600 })
  assert.match((await token(machine)).err, /say which one is meant: --proxy http.* --proxy http/)
  assert.equal((await token(machine, '--proxy', proxy.url)).code, 0)
  assert.match((await token(machine, '--proxy', 'https://other.example.com')).err, /damaged/)
  assert.match((await token(machine, '--proxy', 'https://third.example.com')).err, /not signed in there/)
})

for (const [claim, args, lie, code, problem] of [
  ['there is no such proxy', ['--proxy', 'http://127.0.0.1:1'], {}, 78, /did not come/],
  ['the proxy is reached without TLS', ['--proxy', 'http://192.0.2.1'], {}, 78, /no https:\/\/ URL/],
  ['it is no proxy of this kind', ['--proxy', provider.url], {}, 78, /does not say how|no proxy of this kind/],
  ['the address could end a line of shell', ['--proxy', "https://a.example/';id;'"], {}, 78, /address of a proxy/],
  ['nothing is said', [], {}, 78, /--proxy, or --issuer/],
  ['the way back is another host', ['--issuer', provider.url, '--client-id', 'c', '--redirect-url', 'http://192.0.2.1/'], {}, 78, /loopback/],
  ['the issuer has no flow for devices', ['--issuer', provider.url, '--client-id', 'c', '--device'], { device_authorization_endpoint: undefined }, 1, /no flow for devices/],
] as const) {
  test(`login says what is wrong when ${claim}`, async () => {
    provider.description = lie
    const run = new Machine().run(['login', ...args])
    assert.equal(await run.code, code)
    assert.match(run.err, problem)
    assert.equal(run.out, '')
  })
}

test('sso.login_parameters, sso.login_client_secret: a provider such as Google gives its refresh token', async () => {
  const secret = 'of-a-desktop-client'
  const sso = { issuer: provider.url, client_id: 'pages', client_secret: 'kept', login_client_id: CLIENT_ID, login_client_secret: secret, scopes: ['openid', 'email'], login_parameters: { access_type: 'offline', prompt: 'consent' } }
  const google = await startProxy(bedrock, { JWT__SECRET: '', ...new ConfigFile({ jwt: { issuer: provider.url }, sso }).env })
  const machine = new Machine()
  provider.lifetimeS = 50
  const run = machine.run(['login', '--proxy', google.url])
  await run.signIn()
  assert.equal(await run.code, 0)
  const { query } = provider.taken.find(({ path }) => path === '/authorize')!
  assert.deepEqual(['access_type', 'prompt', 'scope', 'client_id'].map((name) => query.get(name)), ['offline', 'consent', 'openid email', CLIENT_ID])
  assert.equal((await token(machine)).code, 0)
  const basic = `Basic ${Buffer.from(`${CLIENT_ID}:${secret}`).toString('base64')}`
  assert.deepEqual(provider.taken.filter(({ path }) => path === '/token').map(({ form, authorization }) => [form.get('grant_type'), authorization]), [['authorization_code', basic], ['refresh_token', basic]])
  await google.stop()
})

test('login that the issuer refuses keeps nothing', async () => {
  const machine = new Machine()
  provider.callback = { error: 'access_denied' }
  const run = machine.run(['login', '--proxy', proxy.url])
  await run.signIn()
  assert.equal(await run.code, 1)
  assert.equal(run.err, 'the issuer has not let you in (access_denied)\n')
  assert.throws(() => readdirSync(machine.folder), { code: 'ENOENT' })
})

test('the browser that is named gets the address, as one argument', async () => {
  const machine = new Machine()
  const told = join(root, 'told')
  const browser = join(root, 'browser.sh')
  writeFileSync(browser, `#!/bin/sh\necho "$#" "$1" > ${told}.new && mv ${told}.new ${told}\n`, { mode: 0o755 })
  const run = machine.run(['login', '--proxy', proxy.url], { BROWSER: browser })
  const isTold = () => readdirSync(root).includes('told')
  await new Promise<void>((resolve) => {
    const watcher = watch(root, () => { if (isTold()) end() })
    const end = () => {
      watcher.close()
      resolve()
    }
    if (isTold()) end()
  })
  assert.equal(readFileSync(told, 'utf8'), `1 ${await run.address()}\n`)
  await run.signIn()
  assert.equal(await run.code, 0)
})

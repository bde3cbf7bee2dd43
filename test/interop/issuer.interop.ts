import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { Agent, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { FakeBedrock, ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY } from '../kit/bedrock.ts'
import { ALGORITHMS, AUDIENCE, Issuer, type Lie, publicJwk, signingKey, type SigningKey } from './kit/issuer.ts'
import { type LogLine, Program } from './kit/program.ts'
import { folder } from './kit/world.ts'

/** A certified OpenID provider issues the tokens; jose, not the code on trial, signs what it would not. */

const behind = await FakeBedrock.start()
const agent = new Agent({ keepAlive: true, maxSockets: 64 })
const programs: Program[] = []
const issuers: Issuer[] = []
after(async () => {
  agent.destroy()
  await Promise.all(programs.map((program) => program.stop()))
  for (const issuer of issuers) issuer.stop()
  await behind.close()
})

const KEYS = await Promise.all(ALGORITHMS.map((alg) => signingKey(alg, `key-${alg}`)))

async function issuerWith(...keys: readonly SigningKey[]): Promise<Issuer> {
  const issuer = await Issuer.start(...keys)
  issuers.push(issuer)
  return issuer
}

const ENVIRONMENT = { SERVER__PORT: '0', ADMIN__PORT: '0', AWS__REGION: REGION, AWS__ENDPOINT: behind.url, AWS_ACCESS_KEY_ID: ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: SECRET_ACCESS_KEY }

async function programWith(environment: Readonly<Record<string, string>>): Promise<Program> {
  const program = await Program.start({ ...ENVIRONMENT, ...environment })
  programs.push(program)
  return program
}

async function programFor(...trusted: readonly Issuer[]): Promise<Program> {
  const file = join(folder, `${randomUUID()}.json`)
  writeFileSync(file, JSON.stringify({ jwt: { issuers: trusted.map(({ url }) => ({ issuer: url, audience: [AUDIENCE] })) } }))
  return programWith({ BEDROCK_SSO_PROXY_CONFIG: file })
}

/** The status that a request with this token is answered with. */
function status(program: Program, token: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(`${program.url}/model/x/invoke`, { method: 'POST', agent, headers: { authorization: `Bearer ${token}`, 'content-length': 2 } }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode!))
    })
    asked.on('error', reject).end('{}')
  })
}

/** The next line of the log about an issuer. */
function nextLine(program: Program, msg: string, { url }: Issuer): Promise<LogLine> {
  const from = program.lines.length
  return program.line((line) => line.msg === msg && String(line.source).startsWith(`${url}/`) && program.lines.indexOf(line) >= from)
}

test('an issuer that is nothing but a URL: its tokens are accepted, by every algorithm, and no others', async () => {
  const issuer = await issuerWith(...KEYS)
  const program = await programWith({ JWT__ISSUER: issuer.url, JWT__AUDIENCE: AUDIENCE })
  for (const key of KEYS) {
    const { alg, kid } = key
    const iss = issuer.url
    const stranger = await signingKey(alg, kid)
    const issued = await issuer.issue(alg)
    assert.equal(JSON.parse(Buffer.from(issued.split('.')[0]!, 'base64url').toString()).kid, kid)
    const nowS = Math.floor(Date.now() / 1000)
    const tokens = [issued, key.sign({ iss }), key.sign({ iss, aud: [AUDIENCE, 'x'] }), stranger.sign({ iss }), key.sign({ iss }, { kid: 'no-such-key' }),
      key.sign({ iss, aud: 'https://another.test' }), key.sign({ iss, exp: nowS - 120 }), key.sign({ iss: `${iss}/` }), key.sign({})]
    const statuses = []
    for (const token of tokens) statuses.push(await status(program, await token))
    assert.deepEqual(statuses, [200, 200, 200, 401, 401, 401, 401, 401, 401], alg)
  }
})

test('several issuers: a token that names one and is signed by the key of another is refused, though the keys have one kid', async () => {
  const [a, b] = [await signingKey('ES256', 'k'), await signingKey('ES256', 'k')]
  const [A, B] = [await issuerWith(a), await issuerWith(b)]
  const program = await programFor(A, B)
  const tokens = await Promise.all([A.issue('ES256'), B.issue('ES256'), a.sign({ iss: A.url }), b.sign({ iss: B.url }), b.sign({ iss: A.url }), a.sign({ iss: B.url }), a.sign({ iss: 'http://127.0.0.1:1' })])
  assert.deepEqual(await Promise.all(tokens.map((token) => status(program, token))), [200, 200, 200, 200, 401, 401, 401])
})

const ROTATIONS = 12
const PUBLISHED = 5
const TICK_MS = 50
const TICKS = 20

test('keys that rotate every second under 200 requests a second: nobody is refused wrongly, and nobody accepted', { timeout: 240_000 }, async (t) => {
  const keys = await Promise.all(Array.from({ length: ROTATIONS + PUBLISHED }, (_, n) => signingKey(ALGORITHMS[n % ALGORITHMS.length]!, `rotation-${n}`)))
  const issuer = await issuerWith(...keys.slice(0, PUBLISHED))
  const program = await programWith({ JWT__ISSUER: issuer.url, JWT__AUDIENCE: AUDIENCE })
  const stranger = await signingKey('ES256', 'stranger')
  const iss = issuer.url
  const wrong: string[] = []
  const counts = new Map<string, number>()
  const asked = new Map<SigningKey, Promise<void>[]>(keys.map((key) => [key, []]))
  /** Withdrawn when the key beside it was published: once that one is known to the program, so is this. */
  const withdrawn: { readonly key: SigningKey; readonly since: SigningKey }[] = []
  const known = new Set<SigningKey>()

  async function expect(kind: string, expected: number, token: string | Promise<string>): Promise<boolean> {
    const got = await status(program, await token)
    counts.set(kind, (counts.get(kind) ?? 0) + 1)
    if (got !== expected) wrong.push(`${kind}: ${got}`)
    return got === expected
  }
  async function good(kind: string, key: SigningKey, token: string | Promise<string>): Promise<void> {
    if (await expect(kind, 200, token)) known.add(key)
  }
  const forgeries: readonly ((newest: SigningKey) => Promise<unknown>)[] = [
    () => expect('unknown key', 401, stranger.sign({ iss }, { kid: randomUUID() })),
    (newest) => expect('another key under its kid', 401, stranger.sign({ iss }, { alg: 'ES256', kid: newest.kid })),
    (newest) => expect('another audience', 401, newest.sign({ iss, aud: 'https://another.test' })),
    (newest) => expect('expired', 401, newest.sign({ iss, exp: Math.floor(Date.now() / 1000) - 3600 })),
    async () => {
      const gone = withdrawn.filter(({ since }) => known.has(since)).at(-1)
      if (gone !== undefined) await expect('withdrawn key', 401, gone.key.sign({ iss }))
    },
  ]

  const all: Promise<unknown>[] = []
  for (let n = PUBLISHED; n < keys.length; n++) {
    const [gone, previous, newest] = [keys[n - PUBLISHED]!, keys[n - 1]!, keys[n]!]
    // As real providers do: a key goes only when no token of it is in use any more.
    await Promise.all(asked.get(gone)!)
    await issuer.publish(newest, ...keys.slice(n - PUBLISHED + 1, n))
    withdrawn.push({ key: gone, since: newest })
    const issued = await issuer.issue(newest.alg)
    for (let tick = 0; tick < TICKS; tick++) {
      const requests = [
        good('issued', newest, issued),
        ...Array.from({ length: 4 }, () => good('newest key', newest, newest.sign({ iss, jti: randomUUID() }))),
        ...Array.from({ length: 2 }, () => good('key before', previous, previous.sign({ iss, jti: randomUUID() }))),
      ]
      asked.get(newest)!.push(...requests.slice(0, 5))
      asked.get(previous)!.push(...requests.slice(5))
      all.push(...requests, ...[0, 1, 2].map((i) => forgeries[(tick * 3 + i) % forgeries.length]!(newest)))
      await setTimeout(TICK_MS)
    }
  }
  await Promise.all(all)
  t.diagnostic(`${all.length} requests, ${issuer.fetches} fetches: ${[...counts].map(([kind, count]) => `${count} × ${kind}`).join(', ')}`)
  assert.deepEqual(wrong, [])
  assert.equal(counts.size, 8)
})

test('an issuer that is slow delays nobody whose key is known, and one that is down takes no good token with it', async () => {
  const [key, next] = [await signingKey('ES256', 'a'), await signingKey('ES256', 'b')]
  const issuer = await issuerWith(key)
  const program = await programWith({ JWT__ISSUER: issuer.url, JWT__AUDIENCE: AUDIENCE })
  const iss = issuer.url
  assert.equal(await status(program, await key.sign({ iss })), 200)
  await issuer.publish(key, next)
  let release: (() => void) | undefined
  const held = new Promise<void>((resolve) => {
    issuer.lie = ({ url }, response) => {
      if (url !== '/jwks' || release !== undefined) return false
      release = () => response.end(JSON.stringify({ keys: [key, next].map(publicJwk) }))
      resolve()
      return true
    }
  })
  let arrived = false
  const waiting = status(program, await next.sign({ iss })).finally(() => { arrived = true })
  await held
  for (let n = 0; n < 50; n++) assert.equal(await status(program, await key.sign({ iss, jti: `${n}` })), 200)
  assert.equal(arrived, false, 'the token of an unknown key did not wait for the issuer')
  release!()
  assert.equal(await waiting, 200)

  issuer.stop()
  const failed = nextLine(program, 'keys not fetched', issuer)
  assert.equal(await status(program, await key.sign({ iss }, { kid: 'c' })), 401)
  assert.equal((await failed).error, 'IDENTITY_FETCH_FAILED')
  assert.deepEqual(await Promise.all([key, next].map(async (good) => status(program, await good.sign({ iss, jti: 'down' })))), [200, 200])
})

const DESCRIPTION = '/.well-known/openid-configuration'
const EVIL = await signingKey('ES256', 'evil')
const evilSet = JSON.stringify({ keys: [publicJwk(EVIL)] })
const secretSet = JSON.stringify({ keys: [{ kty: 'oct', kid: 'evil', k: Buffer.alloc(48, 'k').toString('base64url') }] })

const at = (path: string, answer: (response: ServerResponse, issuer: Issuer, request: IncomingMessage) => void): Lie => (asked, response, issuer) => {
  if (asked.url !== path) return false
  answer(response, issuer, asked)
  return true
}
const describes = (description: (issuer: Issuer) => object): Lie => at(DESCRIPTION, (response, issuer) => response.end(JSON.stringify(description(issuer))))
const publishes = (set: string | Buffer, status = 200, headers = {}): Lie => at('/jwks', (response) => response.writeHead(status, headers).end(set))

function pour(response: ServerResponse): void {
  const chunk = Buffer.alloc(65_536, ' ')
  let left = 100_000_000
  const more = (): void => {
    for (; left > 0 && !response.destroyed; left -= chunk.length) if (!response.write(chunk)) return void response.once('drain', more)
    response.end()
  }
  more()
}

/** What an issuer can do wrong, and the code that the log has for it. Where there are keys in it, they are the evil one. */
const LIES: readonly (readonly [claim: string, lie: Lie, code: string])[] = [
  ['describes itself by another name', describes(({ url }) => ({ issuer: `${url}/other`, jwks_uri: `${url}/jwks` })), 'IDENTITY_DISCOVERY_MISMATCH'],
  ['has its keys in a file', describes(({ url }) => ({ issuer: url, jwks_uri: 'file:///etc/passwd' })), 'IDENTITY_URL_REFUSED'],
  ['has its keys at a host without TLS', describes(({ url }) => ({ issuer: url, jwks_uri: 'http://169.254.169.254/latest' })), 'IDENTITY_URL_REFUSED'],
  ['has its keys behind a password', describes(({ url }) => ({ issuer: url, jwks_uri: url.replace('//', '//user:password@') })), 'IDENTITY_URL_REFUSED'],
  ['does not say where its keys are', describes(({ url }) => ({ issuer: url })), 'IDENTITY_DISCOVERY_INCOMPLETE'],
  ['describes itself by a page', at(DESCRIPTION, (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html>')), 'JSON_SYNTAX'],
  ['sends elsewhere for its description', at(DESCRIPTION, (response) => response.writeHead(302, { location: '/jwks' }).end()), 'IDENTITY_FETCH_STATUS'],
  ['publishes a page', publishes('<!doctype html>'), 'JWT_KEYS_MALFORMED'],
  ['sends elsewhere for its keys', publishes(evilSet, 307, { location: '/me' }), 'IDENTITY_FETCH_STATUS'],
  ['answers 500', publishes(evilSet, 500), 'IDENTITY_FETCH_STATUS'],
  ['compresses its keys', publishes(gzipSync(evilSet), 200, { 'content-encoding': 'gzip' }), 'IDENTITY_FETCH_ENCODED'],
  ['publishes a secret', publishes(secretSet), 'IDENTITY_KEYS_UNUSABLE'],
  ['publishes a key for encryption', publishes(JSON.stringify({ keys: [{ ...publicJwk(EVIL), use: 'enc' }] })), 'JWT_KEY_UNUSABLE'],
  ['publishes a key of a type that does not exist', publishes(JSON.stringify({ keys: [{ ...publicJwk(EVIL), kty: 'RSA' }] })), 'JWT_KEY_MALFORMED'],
  ['publishes its private key', publishes(JSON.stringify({ keys: [EVIL.jwk] })), 'JWT_KEY_PRIVATE'],
  ['publishes no key', publishes('{"keys":[]}'), 'JWT_KEYS_EMPTY'],
  ['publishes 10,000 keys', publishes(JSON.stringify({ keys: Array.from({ length: 10_000 }, () => publicJwk(EVIL)) })), 'IDENTITY_FETCH_TOO_LARGE'],
  ['publishes 10,000 empty keys', publishes(JSON.stringify({ keys: Array.from({ length: 10_000 }, () => ({})) })), 'JWT_KEYS_TOO_LARGE'],
  ['publishes 100 MB', at('/jwks', pour), 'IDENTITY_FETCH_TOO_LARGE'],
  ['hangs up', at('/jwks', (_response, _issuer, asked) => asked.socket.destroy()), 'IDENTITY_FETCH_FAILED'],
]

test(`${LIES.length} issuers that lie, tell the truth and lie again: their good tokens are accepted from the truth on, others never, and the log says why`, { timeout: 240_000 }, async (t) => {
  const key = await signingKey('ES256', 'honest')
  const liars = await Promise.all(LIES.map(() => issuerWith(key)))
  const honest = await issuerWith(key)
  const lieAll = () => liars.forEach((liar, i) => { liar.lie = LIES[i]![1] })
  const claims = LIES.map(([claim]) => claim)
  const told = (values: readonly unknown[]) => Object.fromEntries(values.map((value, i) => [claims[i], value]))
  const statuses = async (program: Program, sign: (iss: string) => Promise<string>) => told(await Promise.all(liars.map(async ({ url }) => status(program, await sign(url)))))
  const all = (value: unknown) => told(claims.map(() => value))
  const CODES = told(LIES.map(([, , code]) => code))
  const signs = ({ sign }: SigningKey) => (iss: string) => sign({ iss, jti: randomUUID() })

  lieAll()
  const program = await programFor(honest, ...liars)
  const peakBefore = peakOf(program)
  const first = await Promise.all(liars.map(({ url }) => program.line(({ msg, source }) => msg === 'keys not fetched' && source === `${url}${DESCRIPTION}`)))
  assert.deepEqual(told(first.map(({ error }) => error)), CODES)
  assert.deepEqual(await statuses(program, signs(EVIL)), all(503))
  assert.equal(await status(program, await key.sign({ iss: honest.url })), 200)

  const fetched = Promise.all(liars.map((liar) => nextLine(program, 'keys fetched', liar)))
  for (const liar of liars) liar.lie = undefined
  await fetched
  assert.deepEqual(await statuses(program, signs(key)), all(200))

  const again = Promise.all(liars.map((liar) => nextLine(program, 'keys not fetched', liar)))
  lieAll()
  assert.deepEqual(await statuses(program, signs(EVIL)), all(401))
  assert.deepEqual(told((await again).map(({ error }) => error)), CODES)
  assert.deepEqual(await statuses(program, signs(key)), all(200))
  assert.deepEqual(await statuses(program, signs(EVIL)), all(401))

  const peakAfter = peakOf(program)
  t.diagnostic(`peak memory ${peakBefore} → ${peakAfter} MiB`)
  if (peakAfter !== undefined) assert.ok(peakAfter - peakBefore! < 100, `${peakAfter} MiB`)
})

/** The most memory that a program had so far, in MiB, where the system tells. */
function peakOf({ pid }: Program): number | undefined {
  try {
    return Math.round(Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024)
  } catch {
    return undefined
  }
}

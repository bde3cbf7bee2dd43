import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, createPublicKey, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { mint } from '../../src/cli/token.ts'
import { FakeBedrock } from '../kit/bedrock.ts'
import { ask } from '../kit/client.ts'
import { secret } from '../kit/leaks.ts'
import { Program } from '../kit/program.ts'
import { proxyEnv, startProxy, type TestProxy } from '../kit/proxy.ts'
import { type Claims, ecKey, jwks, TestIssuer, type TestKey, tokenOf } from './kit.ts'

/** What each option of an issuer does, seen through the door: as `jwt.NAME`, and in a row of `jwt.issuers` beside another issuer. */

const folder = mkdtempSync(join(tmpdir(), 'issuers-'))
after(() => rmSync(folder, { recursive: true }))
const bedrock = await FakeBedrock.start()
after(() => bedrock.close())

type Options = Readonly<Record<string, unknown>>
const SHAPES = [['jwt.', (issuer: Options) => issuer], ['jwt.issuers[].', (issuer: Options) => ({ issuers: [OTHER, issuer] })]] as const

let files = 0
const fileOf = (text: string): string => {
  const path = join(folder, `file-${files++}`)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

async function proxyWith(jwt: Options): Promise<TestProxy> {
  const config = join(folder, `${files++}.json`)
  writeFileSync(config, JSON.stringify({ jwt }), { mode: 0o600 })
  const proxy = await startProxy(bedrock, { JWT__SECRET: '', BEDROCK_SSO_PROXY_CONFIG: config })
  after(() => proxy.stop())
  return proxy
}

const status = async (port: number, token: string): Promise<number> =>
  (await ask('HTTP/1.1', port, '/model/x/invoke', { headers: { authorization: `Bearer ${token}` }, body: '{}' })).status

const nowS = (): number => Math.floor(Date.now() / 1000)
const [KEY, SECOND] = [ecKey('k'), ecKey('k')]
const SECRET = secret('the secret of an issuer', randomBytes(48).toString('base64'))
const OTHER = { issuer: 'other', secret: secret('the secret of another issuer', randomBytes(48).toString('base64')) }
const ISSUER = 'https://idp.example'
const keys = { issuer: ISSUER, jwks_file: fileOf(jwks(KEY)) }
const by = (key: TestKey, claims: Claims = {}): string => tokenOf(key, { iss: ISSUER, exp: nowS() + 300, ...claims })
const bySecret = (claims: Claims, key = SECRET, alg: 'HS256' | 'HS384' = 'HS256') => mint({ iss: ISSUER, sub: 'alice', ...claims }, key, 300, Date.now(), { alg })

type Row = readonly [option: string, claim: string, issuer: Options, good: readonly (() => string)[], bad: readonly (() => string)[]]

const ROWS: readonly Row[] = [
  ['issuer', 'tokens of this name only, to the letter', keys, [() => by(KEY)], [() => by(KEY, { iss: `${ISSUER}/` }), () => by(KEY, { iss: undefined })]],
  ['secret', 'tokens signed with it', { issuer: ISSUER, secret: SECRET }, [() => bySecret({})], [() => bySecret({}, OTHER.secret), () => by(KEY)]],
  ['secret_file', 'tokens signed with what it holds', { issuer: ISSUER, secret_file: fileOf(`${SECRET}\n`) }, [() => bySecret({})], [() => bySecret({}, OTHER.secret)]],
  ['public_key', 'tokens of its private key', { issuer: ISSUER, public_key: pemOf(KEY) }, [() => by(KEY)], [() => by(SECOND)]],
  ['public_key_file', 'tokens of its private key', { issuer: ISSUER, public_key_file: fileOf(pemOf(KEY)) }, [() => by(KEY)], [() => by(SECOND)]],
  ['jwks_file', 'tokens of a key in it', keys, [() => by(KEY)], [() => by(SECOND)]],
  ['audience', 'tokens for this service', { ...keys, audience: ['proxy', 'bedrock'] }, [() => by(KEY, { aud: 'proxy' }), () => by(KEY, { aud: ['x', 'bedrock'] })], [() => by(KEY), () => by(KEY, { aud: 'prox' })]],
  ['algorithms', 'tokens signed so', { issuer: ISSUER, secret: SECRET, algorithms: ['HS384'] }, [() => bySecret({}, SECRET, 'HS384')], [() => bySecret({})]],
  ['leeway', 'tokens that have just expired, or not begun', { ...keys, leeway: '10m' }, [() => by(KEY, { exp: nowS() - 500 }), () => by(KEY, { nbf: nowS() + 500 })], [() => by(KEY, { exp: nowS() - 700 })]],
  ['leeway', 'with none, no token that has expired', { ...keys, leeway: '0s' }, [() => by(KEY)], [() => by(KEY, { exp: nowS() - 1 })]],
  ['max_lifetime', 'tokens that do not live longer', { ...keys, max_lifetime: '5m' }, [() => by(KEY, { iat: nowS() })], [() => by(KEY, { iat: nowS(), exp: nowS() + 400 }), () => by(KEY, { exp: nowS() + 400 })]],
  ['required_claims', 'tokens that have them', { ...keys, required_claims: ['/tenant', '/a/b'] }, [() => by(KEY, { tenant: 0, a: { b: '' } })], [() => by(KEY, { tenant: 'x' }), () => by(KEY, { tenant: 'x', a: { b: null } })]],
  ['user_claims', 'tokens that have one of them', { ...keys, user_claims: ['/oid', '/uid'] }, [() => by(KEY, { oid: 'o', sub: undefined }), () => by(KEY, { uid: 'u' })], [() => by(KEY)]],
]

function pemOf({ jwk }: TestKey): string {
  return createPublicKey({ key: { ...jwk }, format: 'jwk' }).export({ type: 'spki', format: 'pem' }) as string
}

for (const [prefix, shape] of SHAPES) {
  for (const [option, claim, issuer, good, bad] of ROWS) {
    test(`${prefix}${option}: ${claim}`, async () => {
      const { port } = await proxyWith(shape(issuer))
      for (const token of good) assert.equal(await status(port, token()), 200)
      for (const token of bad) assert.equal(await status(port, token()), 401)
      if (prefix === 'jwt.issuers[].') assert.equal(await status(port, mint({ iss: OTHER.issuer, sub: 'bob' }, OTHER.secret, 60, Date.now())), 200)
    })
  }

  test(`${prefix}user_claims: the first that is there is the user of the log`, async () => {
    const proxy = await proxyWith(shape({ ...keys, user_claims: ['/oid', '/uid'] }))
    for (const [claims, user] of [[{ oid: 'o', uid: 'u' }, 'o'], [{ uid: 'u' }, 'u']] as const) {
      const line = proxy.nextRequestLine()
      assert.equal(await status(proxy.port, by(KEY, claims)), 200)
      assert.deepEqual([(await line).user, (await line).issuer], [user, ISSUER])
    }
  })

  test(`${prefix}groups_claims: all of them, in lists and in words, are the groups that rules speak of`, async () => {
    const config = join(folder, `${files++}.json`)
    const jwt = shape({ ...keys, groups_claims: ['/realm/roles', '/scp'] })
    writeFileSync(config, JSON.stringify({ jwt, policy: { rules: [{ groups: [`${ISSUER}|builders`], effect: 'allow' }] } }), { mode: 0o600 })
    const explained = async (claims: Claims) => {
      const program = new Program(['explain', '--config', config, '--operation', 'Converse', '--token', by(KEY, claims)], { AWS__REGION: 'us-east-1' })
      return [await program.ended(), program.stdout[1]]
    }
    assert.deepEqual(await explained({ realm: { roles: ['users'] }, scp: 'read builders', groups: ['g'] }), [0, `  alice of ${ISSUER}, in users, read, builders`])
    assert.deepEqual(await explained({ groups: ['builders'] }), [1, `  alice of ${ISSUER}, in no group`])
  })

  test(`${prefix}jwks_url, ${prefix}issuer alone: tokens of the keys that are there`, async () => {
    const idp = await TestIssuer.start(KEY)
    for (const issuer of [{ issuer: ISSUER, jwks_url: idp.keysUrl }, { issuer: idp.url }]) {
      const { port } = await proxyWith(shape(issuer))
      assert.deepEqual([await status(port, by(KEY, { iss: issuer.issuer })), await status(port, by(SECOND, { iss: issuer.issuer }))], [200, 401])
    }
  })

  test(`jwt.cache_folder, ${prefix}max_stale: fetched keys outlive a restart, as long as they may be old`, async () => {
    const idp = await TestIssuer.start(KEY)
    const issuer = { issuer: ISSUER, jwks_url: idp.keysUrl }
    const cache_folder = join(folder, `keys-${files++}`)
    const first = await proxyWith({ ...shape(issuer), cache_folder })
    assert.equal(await status(first.port, by(KEY)), 200)
    assert.equal(readdirSync(cache_folder).length, 1)
    idp.stop()
    const [name = ''] = readdirSync(cache_folder)
    const copy = JSON.parse(readFileSync(join(cache_folder, name), 'utf8')) as { fetchedMs: number }
    writeFileSync(join(cache_folder, name), JSON.stringify({ ...copy, fetchedMs: copy.fetchedMs - 120_000 }))
    assert.equal(await status((await proxyWith({ ...shape({ ...issuer, max_stale: '5m' }), cache_folder })).port, by(KEY)), 200)
    assert.equal(await status((await proxyWith({ ...shape({ ...issuer, max_stale: '1m' }), cache_folder })).port, by(KEY)), 503)
    assert.equal(await status((await proxyWith(shape(issuer))).port, by(KEY)), 503)
  })

  test(`${prefix}ca_file: keys come from whoever shows a certificate of these authorities, and nobody else`, async (t) => {
    const made = ['ours', 'theirs'].map(certificate)
    const [ours, theirs] = made
    if (ours === undefined || theirs === undefined) return t.skip('no openssl on this machine to make certificates')
    const server = createTlsServer(ours, (_, response) => response.end(jwks(KEY))).listen(0, '127.0.0.1')
    after(() => server.close())
    await once(server, 'listening')
    const issuer = { issuer: ISSUER, jwks_url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/` }
    const statuses = []
    for (const ca of [{ ca_file: fileOf(ours.cert) }, { ca_file: fileOf(theirs.cert) }, {}]) statuses.push(await status((await proxyWith(shape({ ...issuer, ...ca }))).port, by(KEY)))
    assert.deepEqual(statuses, [200, 503, 503])
  })
}

function certificate(name: string): { cert: string; key: string } | undefined {
  const at = join(folder, createHash('sha256').update(`${name}${files++}`).digest('hex'))
  mkdirSync(at)
  try {
    const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    execFileSync('openssl', ['req', '-x509', ...ec, '-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', join(at, 'key'), '-out', join(at, 'cert')], { stdio: 'pipe' })
    return { cert: readFileSync(join(at, 'cert'), 'utf8'), key: readFileSync(join(at, 'key'), 'utf8') }
  } catch {
    return undefined
  }
}

test('jwt.issuers: a token that names one issuer and is signed by the key of another is refused', async () => {
  const { port } = await proxyWith({ issuers: [keys, { issuer: 'https://b.example', jwks_file: fileOf(jwks(SECOND)) }, OTHER] })
  const b = { iss: 'https://b.example' }
  assert.deepEqual(await Promise.all([by(KEY), by(SECOND, b), by(KEY, b), by(SECOND), bySecret({}, OTHER.secret), by(KEY, { iss: 'other' }), by(KEY, { iss: 'https://c.example' })].map((token) => status(port, token))),
    [200, 200, 401, 401, 401, 401, 401])
})

test('SIGHUP takes issuers that come, go and change, and keeps the old ones where the new list is bad', async () => {
  const config = join(folder, 'reload.json')
  const write = (...issuers: readonly Options[]) => writeFileSync(config, JSON.stringify({ jwt: { issuers } }, null, 1), { mode: 0o600 })
  const b = { issuer: 'https://b.example', jwks_file: fileOf(jwks(SECOND)) }
  const tokens = [() => by(KEY), () => by(SECOND, { iss: b.issuer }), () => mint({ iss: OTHER.issuer, sub: 'bob' }, OTHER.secret, 60, Date.now())]
  write(keys, b)
  const env = proxyEnv(bedrock)
  delete env.JWT__SECRET
  const program = new Program(['serve', '--config', config], env)
  after(() => program.child.kill('SIGKILL'))
  const port = await program.port()
  const statuses = () => Promise.all(tokens.map((token) => status(port, token())))
  const reloaded = () => program.stdout.filter((line) => line.includes('"msg":"reloaded"')).length
  const hup = async () => {
    const before = reloaded()
    program.child.kill('SIGHUP')
    while (reloaded() === before) await once(program.child.stdout!, 'data')
  }
  assert.deepEqual(await statuses(), [200, 200, 401])
  write({ ...keys, audience: ['proxy'] }, OTHER)
  await hup()
  assert.deepEqual(await statuses(), [401, 401, 200])
  write({ ...keys, leeway: 5 }, { ...b, secret_file: 'gone' })
  program.child.kill('SIGHUP')
  await program.line(/not reloaded.*jwt\.issuers\[0\]\.leeway/)
  await program.line(/not reloaded.*jwt\.issuers\[1\]\.secret_file/)
  assert.deepEqual(await statuses(), [401, 401, 200])
  write(b)
  await hup()
  assert.deepEqual(await statuses(), [401, 200, 401])
})

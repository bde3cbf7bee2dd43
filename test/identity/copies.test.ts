import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Authenticator, keyCopies, trustedIssuers } from '../../src/identity/index.ts'
import { codeOf, ecKey, issuerOptions, jwks, privateJwk, START_MS, TestIssuer, TestWorld, tokenOf } from './kit.ts'

const KEY = ecKey('k')
const ISSUER = 'https://idp.example'
const DAY_MS = 86_400_000
const root = mkdtempSync(join(tmpdir(), 'identity-'))
after(() => rmSync(root, { recursive: true }))
let folders = 0
const freshFolder = (): string => join(root, `${folders++}`, 'keys')

/** A folder with the copy of an issuer that has gone since. */
async function left(): Promise<{ folder: string; file: string; options: ReturnType<typeof issuerOptions>; token: string }> {
  const folder = freshFolder()
  const issuer = await TestIssuer.start(KEY)
  const options = issuerOptions({ issuer: ISSUER, jwksUrl: issuer.keysUrl })
  const world = new TestWorld(keyCopies(folder))
  const authenticator = new Authenticator(trustedIssuers([options]), world)
  await world.idle()
  authenticator.close()
  issuer.stop()
  const [name] = readdirSync(folder)
  return { folder, file: join(folder, name!), options, token: tokenOf(KEY, { iss: ISSUER, exp: START_MS / 1000 + 200_000 }) }
}

/** What becomes of the token at a start that long after the copy was made, with the issuer down. */
async function startAfter(ms: number, { folder, options, token }: Awaited<ReturnType<typeof left>>): Promise<unknown> {
  const world = new TestWorld(keyCopies(folder))
  world.timeMs += ms
  const authenticator = new Authenticator(trustedIssuers([options]), world)
  const atOnce = authenticator.ready()
  const code = await codeOf(() => authenticator.authenticate(token, world.timeMs))
  assert.equal(atOnce, code === 'accepted')
  await world.idle()
  assert.equal(authenticator.status()[0]?.error, 'IDENTITY_FETCH_FAILED')
  authenticator.close()
  return code
}

test('keys outlive the process, for max_stale after they were fetched', async () => {
  const place = await left()
  assert.equal(await startAfter(0, place), 'accepted')
  assert.equal(await startAfter(DAY_MS, place), 'accepted')
  assert.equal(await startAfter(DAY_MS + 1, place), 'IDENTITY_KEYS_UNAVAILABLE')
})

test('a copy is one file that only its owner can read, and says where it came from', async () => {
  const { folder, file, options } = await left()
  assert.equal(readdirSync(folder).length, 1)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(statSync(folder).mode & 0o777, 0o700)
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), { source: options.jwksUrl, jwks: jwks(KEY), fetchedMs: START_MS })
})

const BAD_COPIES: readonly (readonly [claim: string, copy: (good: string) => string])[] = [
  ['that is cut off', (good) => good.slice(0, -10)],
  ['that is empty', () => ''],
  ['that is null', () => 'null'],
  ['from the future', (good) => good.replace(`${START_MS}`, `${START_MS + 1}`)],
  ['without a time', (good) => good.replace(`${START_MS}`, 'null').replace('fetchedMs', 'x')],
  ['with a time that is text', () => JSON.stringify({ fetchedMs: 'soon', jwks: jwks(KEY) })],
  ['with a private key', () => JSON.stringify({ fetchedMs: START_MS, jwks: JSON.stringify({ keys: [privateJwk(KEY)] }) })],
  ['with a secret', () => JSON.stringify({ fetchedMs: START_MS, jwks: JSON.stringify({ keys: [{ kty: 'oct', k: 'A'.repeat(43) }] }) })],
  ['without keys', () => JSON.stringify({ fetchedMs: START_MS })],
]

for (const [claim, make] of BAD_COPIES) {
  test(`a copy ${claim} is as good as none`, async () => {
    const place = await left()
    writeFileSync(place.file, make(readFileSync(place.file, 'utf8')))
    assert.equal(await startAfter(0, place), 'IDENTITY_KEYS_UNAVAILABLE')
  })
}

test('the copy of one place is not used for another', async () => {
  const place = await left()
  assert.equal(await startAfter(0, { ...place, options: { ...place.options, jwksUrl: `${place.options.jwksUrl}2` } }), 'IDENTITY_KEYS_UNAVAILABLE')
})

for (const [claim, change, keys] of [['of other authorities', { ca: '' }, 0], ['of other hosts that it may name', { namedHosts: [] }, 0], ['of another leeway', { leewayS: 1 }, 1]] as const) {
  test(`after a reload ${claim} an issuer has ${keys === 0 ? 'no key that came before, from memory or from a copy' : 'its keys still'}`, async () => {
    const issuer = await TestIssuer.start(KEY)
    const options = issuerOptions({ issuer: issuer.url })
    const world = new TestWorld(keyCopies(freshFolder()))
    const authenticator = new Authenticator(trustedIssuers([options]), world)
    await world.idle()
    assert.equal(authenticator.status()[0]?.keys, 1)
    authenticator.reload(trustedIssuers([{ ...options, ...change }]))
    assert.equal(authenticator.status()[0]?.keys, keys)
    authenticator.close()
  })
}

test('a folder that cannot be written costs a line in the log and nothing else', async () => {
  const file = join(root, 'file')
  writeFileSync(file, '')
  const issuer = await TestIssuer.start(KEY)
  const world = new TestWorld(keyCopies(join(file, 'keys')))
  const authenticator = new Authenticator(trustedIssuers([issuerOptions({ issuer: ISSUER, jwksUrl: issuer.keysUrl })]), world)
  await world.idle()
  assert.equal(authenticator.ready(), true)
  assert.equal(world.logged('keys not kept on disk').length, 1)
  authenticator.close()
})

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Authenticator, type Caller, trustedIssuers } from '../../src/identity/index.ts'
import { codeOf, ecKey, issuerOptions, jwks, START_MS, type TestKey, TestIssuer, TestWorld, tokenOf } from './kit.ts'

const ISSUER = 'https://idp.example'
const CLAIMS = { iss: ISSUER, exp: START_MS / 1000 + 86_400 }
const [OLD, NEW, THIRD] = [ecKey('old'), ecKey('new'), ecKey('third')]

interface House {
  readonly issuer: TestIssuer
  readonly world: TestWorld
  readonly authenticator: Authenticator
  readonly authenticate: (token: string) => Caller | Promise<Caller>
}

/** A proxy's authenticator that has the issuer's keys. */
async function open(...keys: readonly TestKey[]): Promise<House> {
  const issuer = await TestIssuer.start(...keys)
  const world = new TestWorld()
  const authenticator = new Authenticator(trustedIssuers([issuerOptions({ issuer: ISSUER, jwksUrl: issuer.keysUrl })]), world)
  await world.idle()
  return { issuer, world, authenticator, authenticate: (token) => authenticator.authenticate(token, world.timeMs) }
}

test('a token of a key that is new is accepted after one fetch, and the old key stays good while it is published', async () => {
  const { issuer, world, authenticate, authenticator } = await open(OLD)
  issuer.jwks = jwks(OLD, NEW)
  assert.equal((await authenticate(tokenOf(NEW, CLAIMS))).user, 'alice')
  assert.equal(issuer.fetches, 2)
  await world.idle()
  assert.equal(world.timers.size, 1, 'more than one next fetch is planned')
  assert.ok(!(authenticate(tokenOf(OLD, CLAIMS)) instanceof Promise))
  assert.ok(!(authenticate(tokenOf(NEW, CLAIMS)) instanceof Promise))
  authenticator.close()
})

test('a key that was taken out is refused after the next refresh, also where its token was known', async () => {
  const { issuer, world, authenticate, authenticator } = await open(OLD, NEW)
  const token = tokenOf(OLD, CLAIMS)
  assert.equal(await codeOf(() => authenticate(token)), 'accepted')
  issuer.jwks = jwks(NEW)
  assert.equal(await codeOf(() => authenticate(token)), 'accepted')
  world.advance(world.nextMs())
  await world.idle()
  assert.equal(await codeOf(() => authenticate(token)), 'JWT_KEY_UNKNOWN')
  assert.equal(await codeOf(() => authenticate(tokenOf(NEW, CLAIMS))), 'accepted')
  authenticator.close()
})

test('1,000 tokens of unknown kids cause one fetch, the next ones twice as far off each time, and nobody with a good token waits for it', async () => {
  const { issuer, world, authenticate, authenticator } = await open(OLD)
  const good = tokenOf(OLD, CLAIMS)
  let release = (): void => undefined
  issuer.answer = (_, response) => { release = () => response.end(issuer.jwks) }
  let kid = 0
  const crowd = () => Array.from({ length: 1000 }, () => codeOf(() => authenticate(tokenOf({ kid: `x${kid++}`, privateKey: NEW.privateKey }, CLAIMS))))
  const unknown = async (codes: readonly Promise<unknown>[]) => assert.deepEqual(new Set(await Promise.all(codes)), new Set(['JWT_KEY_UNKNOWN']))
  const first = crowd()
  for (let n = 0; n < 10; n++) assert.ok(!(authenticate(tokenOf(OLD, { ...CLAIMS, jti: `${n}` })) instanceof Promise))
  while (issuer.fetches < 2) await setImmediate()
  assert.ok(!(authenticate(good) instanceof Promise))
  release()
  issuer.answer = undefined
  await unknown(first.slice(0, 1))
  // All others came when that fetch was under way: what it brought may be older than they are.
  let [fetches, waiting] = [2, first]
  for (const coolDownMs of [1000, 2000, 4000]) {
    await world.idle()
    world.advance(coolDownMs - 1)
    await world.idle()
    assert.equal(issuer.fetches, fetches)
    world.advance(1)
    await unknown(waiting)
    assert.equal(issuer.fetches, ++fetches)
    if (coolDownMs < 4000) waiting = crowd()
  }
  for (const coolDownMs of [8000, 16_000, 30_000, 30_000]) {
    await unknown(crowd())
    world.advance(coolDownMs - 5001)
    await unknown(crowd())
    assert.equal(issuer.fetches, fetches)
    assert.ok(!(authenticate(good) instanceof Promise))
    world.advance(5001)
    await unknown(crowd())
    assert.equal(issuer.fetches, ++fetches)
  }
  authenticator.close()
})

test('a new key is found in spite of tokens of unknown kids, and from then on the next one at once', async () => {
  const { issuer, world, authenticate, authenticator } = await open(OLD)
  const forged = () => codeOf(() => authenticate(tokenOf({ kid: 'x', privateKey: OLD.privateKey }, CLAIMS)))
  assert.equal(await forged(), 'JWT_KEY_UNKNOWN')
  issuer.jwks = jwks(OLD, NEW)
  const waiting = codeOf(() => authenticate(tokenOf(NEW, CLAIMS)))
  world.advance(1000)
  assert.equal(await waiting, 'accepted')
  issuer.jwks = jwks(NEW, THIRD)
  assert.equal(await codeOf(() => authenticate(tokenOf(THIRD, CLAIMS))), 'accepted')
  authenticator.close()
})

test('a key that is published while a fetch is under way is found by the next fetch', async () => {
  const { issuer, authenticate, authenticator } = await open(OLD)
  let release = (): void => undefined
  const before = jwks(OLD, THIRD)
  issuer.answer = (_, response) => { release = () => response.end(before) }
  const third = codeOf(() => authenticate(tokenOf(THIRD, CLAIMS)))
  while (issuer.fetches < 2) await setImmediate()
  issuer.jwks = jwks(OLD, THIRD, NEW)
  const fresh = codeOf(() => authenticate(tokenOf(NEW, CLAIMS)))
  issuer.answer = undefined
  release()
  assert.deepEqual([await third, await fresh], ['accepted', 'accepted'])
  assert.equal(issuer.fetches, 3)
  authenticator.close()
})

test('a request that waits for its turn to have keys fetched ends when the authenticator is closed', async () => {
  const { issuer, world, authenticate, authenticator } = await open(OLD)
  const forged = () => codeOf(() => authenticate(tokenOf({ kid: 'x', privateKey: OLD.privateKey }, CLAIMS)))
  await forged()
  const waiting = forged()
  authenticator.close()
  world.advance(1000)
  assert.equal(await waiting, 'JWT_KEY_UNKNOWN')
  assert.equal(issuer.fetches, 2)
})

test('a token of an unknown key that has expired by its own word has no keys fetched, and is refused as expired', async () => {
  const { issuer, authenticate, authenticator } = await open(OLD)
  assert.throws(() => authenticate(tokenOf(NEW, { ...CLAIMS, exp: START_MS / 1000 - 3600 })), { code: 'JWT_EXPIRED' })
  assert.equal(issuer.fetches, 1)
  authenticator.close()
})

test('a clock that is set back does not keep new keys away', async () => {
  const { issuer, world, authenticate, authenticator } = await open(OLD)
  assert.equal(await codeOf(() => authenticate(tokenOf(NEW, CLAIMS))), 'JWT_KEY_UNKNOWN')
  world.timeMs -= 3_600_000
  issuer.jwks = jwks(NEW)
  assert.equal(await codeOf(() => authenticate(tokenOf(NEW, CLAIMS))), 'accepted')
  authenticator.close()
})

test('a key of another type, or just another key, under the same kid is taken over', async () => {
  const { issuer, world, authenticate, authenticator } = await open(OLD)
  const again = ecKey('old')
  issuer.jwks = jwks(again)
  const before = tokenOf(OLD, CLAIMS)
  assert.equal(await codeOf(() => authenticate(before)), 'accepted')
  assert.equal(await codeOf(() => authenticate(tokenOf(again, CLAIMS))), 'accepted')
  assert.equal(await codeOf(() => authenticate(before)), 'JWT_SIGNATURE_INVALID')
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  issuer.jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'old' }] })
  world.advance(30_000)
  assert.equal(await codeOf(() => authenticate(tokenOf({ kid: 'old', privateKey }, CLAIMS, 'EdDSA'))), 'accepted')
  assert.equal(await codeOf(() => authenticate(tokenOf(again, CLAIMS))), 'JWT_KEY_MISMATCH')
  authenticator.close()
})

test('the same keys again leave known tokens known', async () => {
  const { world, authenticate, authenticator } = await open(OLD)
  const token = tokenOf(OLD, CLAIMS)
  const caller = authenticate(token)
  world.advance(world.nextMs())
  await world.idle()
  assert.equal(authenticate(token), caller)
  assert.equal(world.logged('keys fetched').length, 1)
  authenticator.close()
})

test('a bad set between two good ones changes nothing', async () => {
  const { issuer, world, authenticate, authenticator } = await open(OLD)
  const token = tokenOf(OLD, CLAIMS)
  for (const bad of ['{"keys":[]}', '', '{"keys":[{"kty":"oct","k":"AAAA"}]}', JSON.stringify({ keys: [NEW.privateKey.export({ format: 'jwk' })] })]) {
    issuer.jwks = bad
    world.advance(world.nextMs())
    await world.idle()
    assert.equal(await codeOf(() => authenticate(token)), 'accepted')
  }
  issuer.jwks = jwks(NEW)
  world.advance(world.nextMs())
  await world.idle()
  assert.equal(await codeOf(() => authenticate(token)), 'JWT_KEY_UNKNOWN')
  authenticator.close()
})

test('while keys rotate all the time, what the last good set verifies is accepted at once and nothing else ever', async () => {
  const { issuer, world, authenticate, authenticator } = await open(OLD, NEW)
  const keys = Array.from({ length: 40 }, (_, n) => ecKey(`k${n % 10}`)) // kids come back, with other keys
  const tokens = keys.map((key) => tokenOf(key, CLAIMS))
  for (let n = 1; n < keys.length; n++) {
    const [gone, kept, fresh] = [keys[n - 2], keys[n - 1]!, keys[n]!]
    issuer.jwks = jwks(kept, fresh)
    world.advance(n % 3 === 0 ? world.nextMs() : 30_000)
    // The first of them has the keys fetched, the others wait with it; meanwhile the last good set is in use.
    const crowd = Array.from({ length: 20 }, (_, i) => codeOf(() => authenticate(tokenOf(fresh, { ...CLAIMS, jti: `${n}-${i}` }))))
    const forged = codeOf(() => authenticate(tokenOf({ kid: fresh.kid, privateKey: THIRD.privateKey }, CLAIMS)))
    if (n > 1) assert.ok(!(authenticate(tokens[n - 1]!) instanceof Promise), 'a good token had to wait')
    assert.deepEqual(new Set(await Promise.all(crowd)), new Set(['accepted']))
    assert.equal(await forged, 'JWT_SIGNATURE_INVALID')
    await world.idle()
    for (const token of [tokens[n - 1]!, tokens[n]!]) assert.ok(!(authenticate(token) instanceof Promise))
    const late = codeOf(() => authenticate(tokens[n - 2] ?? ''))
    world.advance(2000)
    if (gone !== undefined) assert.match(String(await late), /^JWT_(KEY_UNKNOWN|SIGNATURE_INVALID)$/)
  }
  authenticator.close()
})

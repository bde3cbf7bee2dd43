import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { Authenticator, trustedIssuers } from '../../src/identity/index.ts'
import { codeOf, ecKey, issuerOptions, TestIssuer, TestWorld, tokenOf } from './kit.ts'

const KEY = ecKey('k1')
const OTHER = ecKey('k1')
const ISSUER = 'https://idp.example'
const DAY_MS = 86_400_000

const remote = (jwksUrl: string) => issuerOptions({ issuer: ISSUER, jwksUrl })

test('a host that cannot be reached is asked again after 1, 2, 4 and at most 60 seconds, and its tokens are accepted as soon as it answers', async () => {
  const issuer = await TestIssuer.start(KEY)
  const hangUp = (request: IncomingMessage) => void request.socket.destroy()
  issuer.answer = hangUp
  const world = new TestWorld()
  const authenticator = new Authenticator(trustedIssuers([remote(issuer.keysUrl)]), world)
  assert.equal(authenticator.ready(), false)
  const delays: number[] = []
  for (let attempt = 0; attempt < 8; attempt++) {
    await world.idle()
    delays.push(world.nextMs())
    world.advance(world.nextMs())
  }
  assert.deepEqual(delays, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
  await world.idle()
  issuer.answer = undefined
  assert.equal(authenticator.ready(), false)
  world.advance(60_000)
  await world.idle()
  assert.equal(authenticator.ready(), true)
  assert.deepEqual(authenticator.status(), [{ issuer: ISSUER, keys: 1, ageMs: 0, error: undefined }])
  assert.ok(!(authenticator.authenticate(tokenOf(KEY, { iss: ISSUER }), world.timeMs) instanceof Promise))
  for (const [answer, delayMs] of [[hangUp, 1000], [undefined, 600_000]] as const) {
    issuer.answer = answer
    world.advance(world.nextMs())
    await world.idle()
    assert.equal(world.nextMs(), delayMs)
  }
  assert.equal(world.logged('keys fetched').length, 2, 'the log does not tell of each recovery')
  authenticator.close()
})

test('a request that comes before the keys waits for them', async () => {
  const issuer = await TestIssuer.start(KEY)
  const world = new TestWorld()
  const authenticator = new Authenticator(trustedIssuers([remote(issuer.keysUrl)]), world)
  const caller = await authenticator.authenticate(tokenOf(KEY, { iss: ISSUER }), world.timeMs)
  assert.equal(caller.user, 'alice')
  assert.equal(issuer.fetches, 1)
  authenticator.close()
})

test('a token that expires while its request waits for keys is refused', async () => {
  const issuer = await TestIssuer.start(KEY)
  const world = new TestWorld()
  issuer.answer = (_, response) => {
    world.timeMs += 2000
    response.end(issuer.jwks)
  }
  const authenticator = new Authenticator(trustedIssuers([{ ...remote(issuer.keysUrl), leewayS: 0 }]), world)
  const token = tokenOf(KEY, { iss: ISSUER, exp: world.timeMs / 1000 + 2 })
  assert.equal(await codeOf(() => authenticator.authenticate(token, world.timeMs)), 'JWT_EXPIRED')
  authenticator.close()
})

test('last good keys are used for max_stale and not a millisecond longer', async () => {
  const issuer = await TestIssuer.start(KEY)
  const world = new TestWorld()
  const authenticator = new Authenticator(trustedIssuers([remote(issuer.keysUrl)]), world)
  await world.idle()
  issuer.stop()
  const token = tokenOf(KEY, { iss: ISSUER, exp: (world.timeMs + 2 * DAY_MS) / 1000 })
  assert.ok(!(authenticator.authenticate(token, world.timeMs) instanceof Promise))
  world.advance(DAY_MS)
  await world.idle()
  assert.ok(!(authenticator.authenticate(token, world.timeMs) instanceof Promise))
  assert.equal(authenticator.ready(), true)
  world.advance(1)
  assert.equal(authenticator.ready(), false)
  assert.equal(await codeOf(() => authenticator.authenticate(token, world.timeMs)), 'IDENTITY_KEYS_UNAVAILABLE')
  assert.deepEqual(authenticator.status(), [{ issuer: ISSUER, keys: 0, ageMs: DAY_MS + 1, error: 'IDENTITY_FETCH_FAILED' }])
  authenticator.close()
})

/** With the least and the most that chance can say. */
const FRESHNESS: readonly (readonly [cacheControl: string | undefined, leastMs: number, mostMs: number])[] = [
  [undefined, 480_000, 600_000],
  ['public', 480_000, 600_000],
  ['max-age=0', 60_000, 75_000],
  ['max-age=1', 60_000, 75_000],
  ['no-store', 60_000, 75_000],
  ['no-cache, max-age=900', 60_000, 75_000],
  ['max-age=900', 720_000, 900_000],
  ['public,MAX-AGE=900, must-revalidate', 720_000, 900_000],
  ['max-age="900"', 720_000, 900_000],
  ['s-maxage=900', 480_000, 600_000],
  ['x-max-age=900', 480_000, 600_000],
  ['max-age=86400', 2_880_000, 3_600_000],
  [`max-age=${'9'.repeat(400)}`, 2_880_000, 3_600_000],
  ['max-age=-5', 480_000, 600_000],
]

for (const [cacheControl, leastMs, mostMs] of FRESHNESS) {
  test(`keys with Cache-Control "${cacheControl?.slice(0, 40)}" are fetched again after ${leastMs / 1000} to ${mostMs / 1000} s`, async () => {
    const issuer = await TestIssuer.start(KEY)
    issuer.cacheControl = cacheControl
    for (const [chance, ms] of [[0, leastMs], [1, mostMs]] as const) {
      const world = new TestWorld()
      world.chance = chance
      const authenticator = new Authenticator(trustedIssuers([remote(issuer.keysUrl)]), world)
      await world.idle()
      assert.equal(world.nextMs(), ms)
      authenticator.close()
    }
  })
}

test('after close() nothing is fetched, scheduled or logged any more', async () => {
  const issuer = await TestIssuer.start(KEY)
  const world = new TestWorld()
  const idle = new Authenticator(trustedIssuers([remote(issuer.keysUrl)]), world)
  await world.idle()
  idle.close()
  assert.equal(world.timers.size, 0)
  const reached = new Promise<void>((resolve) => { issuer.answer = () => resolve() })
  const busy = new Authenticator(trustedIssuers([remote(issuer.keysUrl)]), world)
  const waiting = codeOf(() => busy.authenticate(tokenOf(KEY, { iss: ISSUER }), world.timeMs))
  await reached
  const lines = world.lines.length
  busy.close()
  assert.equal(await waiting, 'IDENTITY_KEYS_UNAVAILABLE')
  assert.equal(world.timers.size, 0)
  assert.equal(world.lines.length, lines)
})

test('two keys of one kid fit no token, and the others of the set stay good', async () => {
  const third = ecKey('k3')
  const issuer = await TestIssuer.start(KEY, OTHER, third)
  const world = new TestWorld()
  const authenticator = new Authenticator(trustedIssuers([remote(issuer.keysUrl)]), world)
  await world.idle()
  assert.equal(await codeOf(() => authenticator.authenticate(tokenOf(KEY, { iss: ISSUER }), world.timeMs)), 'JWT_KEY_AMBIGUOUS')
  assert.equal(await codeOf(() => authenticator.authenticate(tokenOf(third, { iss: ISSUER }), world.timeMs)), 'accepted')
  assert.equal(issuer.fetches, 1)
  authenticator.close()
})

import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { test } from 'node:test'
import { Authenticator, httpGet, IdentityError, type IssuerOptions, trustedIssuers } from '../../src/identity/index.ts'
import { JwtError } from '../../src/jwt/index.ts'
import { Secret } from '../../src/secret/index.ts'
import { codeOf, ecKey, issuerOptions, jwks, START_MS, TestIssuer, TestWorld, tokenOf } from './kit.ts'

const [A, B] = [ecKey('k'), ecKey('k')]
const NOW_S = START_MS / 1000
const SECRET = 'q8Zt0Yw3kPfL5vXn2RbUj7MhEa1DsGc9'
const SECRET_KEY = { kid: 'k', privateKey: createSecretKey(SECRET, 'utf8') }

function authenticatorOf(...issuers: readonly Partial<IssuerOptions>[]): Authenticator {
  return new Authenticator(trustedIssuers(issuers.map(issuerOptions)), new TestWorld())
}

const both = () => authenticatorOf(
  { issuer: 'https://a.example', jwks: jwks(A), audiences: ['proxy'], names: { user: ['/sub'], groups: ['/groups'], required: [], carried: [] } },
  { issuer: 'https://b.example', jwks: jwks(B), leewayS: 0, maxLifetimeS: 300, names: { user: ['/oid'], groups: ['/realm/roles'], required: ['/tenant'], carried: [] } },
)
const claimsOfA = { iss: 'https://a.example', aud: 'proxy', sub: 'alice', groups: ['g'] }
const claimsOfB = { iss: 'https://b.example', oid: 'alice', realm: { roles: ['r'] }, tenant: 't', iat: NOW_S, exp: NOW_S + 300 }

test('each issuer has keys, audiences, claim names, leeway and lifetime of its own', async () => {
  const authenticator = both()
  const callers = await Promise.all([tokenOf(A, claimsOfA), tokenOf(B, claimsOfB)].map((token) => authenticator.authenticate(token, START_MS)))
  assert.deepEqual(callers.map(({ issuer, user, groups }) => [issuer, user, groups]), [['https://a.example', 'alice', ['g']], ['https://b.example', 'alice', ['r']]])
})

/** Tokens that are refused, all of them with the right key's `kid`. */
const REFUSED: readonly (readonly [claim: string, token: () => string, code: string, detail?: string])[] = [
  ['a token that names A and is signed by B', () => tokenOf(B, claimsOfA), 'JWT_SIGNATURE_INVALID'],
  ['a token that names B and is signed by A', () => tokenOf(A, claimsOfB), 'JWT_SIGNATURE_INVALID'],
  ['a token of A without its audience', () => tokenOf(A, { ...claimsOfA, aud: ['other'] }), 'JWT_AUDIENCE_MISMATCH', 'aud ["other"] not in ["proxy"]'],
  ['a token of A without any audience', () => tokenOf(A, { ...claimsOfA, aud: undefined }), 'JWT_CLAIM_INVALID'],
  ['a token of A for a longer name', () => tokenOf(A, { ...claimsOfA, aud: 'proxy-2' }), 'JWT_AUDIENCE_MISMATCH', 'aud "proxy-2" not in ["proxy"]'],
  ['a token of A for an empty list', () => tokenOf(A, { ...claimsOfA, aud: [] }), 'JWT_AUDIENCE_MISMATCH', 'aud [] not in ["proxy"]'],
  ['a token of B that lives too long', () => tokenOf(B, { ...claimsOfB, exp: NOW_S + 301 }), 'JWT_LIFETIME_TOO_LONG'],
  ['a token of B that has just expired', () => tokenOf(B, { ...claimsOfB, iat: NOW_S - 300, exp: NOW_S }), 'JWT_EXPIRED'],
  ['a token of B without a claim it needs', () => tokenOf(B, { ...claimsOfB, tenant: undefined }), 'IDENTITY_CLAIM_MISSING'],
  ['a token of B that names its user as A would', () => tokenOf(B, { ...claimsOfB, oid: undefined }), 'IDENTITY_NO_USER'],
  ...([
    ['with a slash at its end', 'https://a.example/', '"https://a.example/"'], ['in capitals', 'https://A.example', '"https://A.example"'],
    ['with another dot', 'https://a\u2024example', '"https://a\\u2024example"'], ['beginning with a known one', 'https://a.example.evil', '"https://a.example.evil"'],
    ['with control characters', '\u001b[2J\r\n\u0085\u2028x', '"\\u001b[2J\\r\\n\\u0085\\u2028x"'], ['of 30 kB', 'x'.repeat(20_000), `"${'x'.repeat(199)}`],
    ['that is empty', '', '""'], ['that is a list', ['https://a.example'], '["https://a.example"]'], ['that is a number', 1, '1'], ['that is missing', undefined, 'absent'],
    ['like a property of objects', '__proto__', '"__proto__"'],
  ] as const).map(([claim, iss, shown]) =>
    [`a token with an issuer ${claim}`, () => tokenOf(A, { ...claimsOfA, iss }), 'JWT_ISSUER_MISMATCH', `iss ${shown} not in ["https://a.example","https://b.example"]`] as const),
]

for (const [claim, token, code, detail] of REFUSED) {
  test(`authenticate() refuses ${claim}, and says why in the detail alone`, () => {
    assert.throws(() => both().authenticate(token(), START_MS), (error) => {
      assert.ok(error instanceof JwtError || error instanceof IdentityError)
      assert.equal(error.code, code)
      assert.equal(error instanceof IdentityError ? error.detail : undefined, detail)
      return !/example|proxy-2|other/.test(error.message)
    })
  })
}

test('an issuer that is not known is refused before anybody is asked', async () => {
  const issuer = await TestIssuer.start(A)
  const world = new TestWorld()
  const authenticator = new Authenticator(trustedIssuers([issuerOptions({ issuer: issuer.url }), issuerOptions({ issuer: 'https://b.example', jwksUrl: issuer.keysUrl })]), world)
  await world.idle()
  const asked = issuer.asked.length
  assert.throws(() => authenticator.authenticate(tokenOf({ ...A, kid: 'unknown' }, { iss: `${issuer.url}/` }), START_MS), { code: 'JWT_ISSUER_MISMATCH' })
  await world.idle()
  assert.equal(issuer.asked.length, asked)
  authenticator.close()
})

test('the keys of one issuer that is down keep no other from being served', async () => {
  const issuer = await TestIssuer.start(A)
  issuer.stop()
  const world = new TestWorld()
  const authenticator = new Authenticator(trustedIssuers([issuerOptions({ issuer: 'https://a.example', jwksUrl: issuer.keysUrl }), issuerOptions({ issuer: 'https://b.example', jwks: jwks(B) })]), world)
  assert.ok(!(authenticator.authenticate(tokenOf(B, { iss: 'https://b.example' }), START_MS) instanceof Promise))
  assert.equal(await codeOf(() => authenticator.authenticate(tokenOf(A, { iss: 'https://a.example' }), START_MS)), 'IDENTITY_KEYS_UNAVAILABLE')
  assert.equal(authenticator.ready(), true)
  authenticator.close()
})

test('the only issuer without a name takes whatever "iss" its tokens have', async () => {
  const authenticator = authenticatorOf({ jwks: jwks(A) })
  assert.equal((await authenticator.authenticate(tokenOf(A, { iss: 'anything' }), START_MS)).issuer, 'anything')
  assert.equal((await authenticator.authenticate(tokenOf(A, {}), START_MS)).issuer, '')
})

test('a known token is the same caller, until it expires', () => {
  const authenticator = authenticatorOf({ jwks: jwks(A), leewayS: 60 })
  const token = tokenOf(A, { exp: NOW_S + 100 })
  const caller = authenticator.authenticate(token, START_MS)
  assert.equal(authenticator.authenticate(token, START_MS + 159_999), caller)
  assert.throws(() => authenticator.authenticate(token, START_MS + 160_000), { code: 'JWT_EXPIRED' })
})

test('one changed character makes a known token an unknown one', () => {
  const authenticator = authenticatorOf({ jwks: jwks(A) })
  const token = tokenOf(A, {})
  authenticator.authenticate(token, START_MS)
  for (let at = 0; at < token.length; at++) {
    const changed = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
    assert.throws(() => authenticator.authenticate(changed, START_MS), JwtError)
  }
})

/** What a reload can change, and what a token that was known is then. */
const RELOADS: readonly (readonly [claim: string, options: Partial<IssuerOptions>, outcome: string])[] = [
  ['nothing', {}, 'accepted'],
  ['the keys', { jwks: jwks(B) }, 'JWT_SIGNATURE_INVALID'],
  ['the kind of keys', { jwks: undefined, secret: new Secret(SECRET) }, 'JWT_ALG_REFUSED'],
  ['the issuer', { issuer: 'https://b.example' }, 'JWT_ISSUER_MISMATCH'],
  ['the audience', { audiences: ['other'] }, 'JWT_AUDIENCE_MISMATCH'],
  ['the leeway', { leewayS: 0 }, 'JWT_EXPIRED'],
  ['the longest lifetime', { maxLifetimeS: 60 }, 'JWT_LIFETIME_TOO_LONG'],
  ['the required claims', { names: { user: ['/sub'], groups: [], required: ['/tenant'], carried: [] } }, 'IDENTITY_CLAIM_MISSING'],
]

for (const [claim, options, outcome] of RELOADS) {
  test(`after a reload that changes ${claim}, a token that was known is ${outcome}`, async () => {
    const before = { issuer: 'https://a.example', jwks: jwks(A), audiences: ['proxy'] }
    const authenticator = authenticatorOf(before)
    const token = tokenOf(A, { ...claimsOfA, iat: NOW_S - 100, exp: NOW_S - 30 })
    const caller = authenticator.authenticate(token, START_MS)
    authenticator.reload(trustedIssuers([issuerOptions({ ...before, ...options })]))
    assert.equal(await codeOf(() => authenticator.authenticate(token, START_MS)), outcome)
    if (outcome === 'accepted') assert.notEqual(authenticator.authenticate(token, START_MS), caller)
  })
}

test('a reload keeps remote keys in use, fetches them anew, and forgets those of another place', async () => {
  const issuer = await TestIssuer.start(A)
  const world = new TestWorld()
  const options = issuerOptions({ issuer: 'https://a.example', jwksUrl: issuer.keysUrl })
  const authenticator = new Authenticator(trustedIssuers([options]), world)
  await world.idle()
  issuer.jwks = jwks(B)
  authenticator.reload(trustedIssuers([{ ...options, maxStaleMs: 1000 }]))
  const token = tokenOf(A, claimsOfA)
  assert.ok(!(authenticator.authenticate(token, START_MS) instanceof Promise))
  await world.idle()
  assert.equal(issuer.fetches, 2)
  assert.equal(world.timers.size, 1)
  assert.equal(await codeOf(() => authenticator.authenticate(token, START_MS)), 'JWT_SIGNATURE_INVALID')
  await world.idle()
  world.timeMs += 1001
  assert.equal(authenticator.ready(), false)
  authenticator.reload(trustedIssuers([options]))
  assert.equal(authenticator.ready(), true)
  authenticator.reload(trustedIssuers([{ ...options, ca: '' }]))
  assert.equal(authenticator.status()[0]?.keys, 0, 'keys came over another trust')
  const other = await TestIssuer.start(A)
  other.stop()
  authenticator.reload(trustedIssuers([{ ...options, jwksUrl: other.keysUrl }]))
  assert.deepEqual(authenticator.status(), [{ issuer: 'https://a.example', keys: 0, ageMs: undefined, error: undefined }])
  authenticator.close()
})

test('a token that waits for keys is judged by the issuers of a reload that comes meanwhile', async () => {
  const issuer = await TestIssuer.start(A)
  issuer.answer = () => undefined
  const authenticator = authenticatorOf({ issuer: 'https://a.example', jwksUrl: issuer.keysUrl })
  const kept = codeOf(() => authenticator.authenticate(tokenOf(A, claimsOfA), START_MS))
  authenticator.reload(trustedIssuers([issuerOptions({ issuer: 'https://a.example', jwks: jwks(A) })]))
  assert.equal(await kept, 'accepted')
  authenticator.reload(trustedIssuers([issuerOptions({ issuer: 'https://a.example', jwksUrl: issuer.keysUrl })]))
  const dropped = codeOf(() => authenticator.authenticate(tokenOf(A, claimsOfA), START_MS))
  authenticator.reload(trustedIssuers([issuerOptions({ issuer: 'https://b.example', jwks: jwks(A) })]))
  assert.equal(await dropped, 'JWT_ISSUER_MISMATCH')
})

test('a reload that cannot be carried out leaves everything as it was', async () => {
  const issuer = await TestIssuer.start(A)
  const world = new (class extends TestWorld {
    override client: TestWorld['client'] = ({ ca }) => {
      if (ca !== undefined) throw new Error('unusable')
      return httpGet()
    }
  })()
  const options = issuerOptions({ issuer: 'https://a.example', jwksUrl: issuer.keysUrl })
  const authenticator = new Authenticator(trustedIssuers([options]), world)
  await world.idle()
  const token = tokenOf(A, claimsOfA)
  const caller = authenticator.authenticate(token, START_MS)
  const issuers = trustedIssuers([options, issuerOptions({ issuer: 'https://b.example', jwksUrl: issuer.keysUrl, ca: 'x' })])
  assert.throws(() => authenticator.reload(issuers), new Error('unusable'))
  assert.equal(authenticator.authenticate(token, START_MS), caller)
  assert.equal(authenticator.status().length, 1)
  assert.equal(issuer.fetches, 1)
  assert.equal(world.timers.size, 1)
  authenticator.close()
})

test('no more than 10,000 tokens are known at once, and the oldest is forgotten first', () => {
  const authenticator = authenticatorOf({ secret: new Secret(SECRET) })
  const tokens = Array.from({ length: 10_001 }, (_, n) => tokenOf(SECRET_KEY, { jti: `${n}` }, 'HS256'))
  const callers = tokens.map((token) => authenticator.authenticate(token, START_MS))
  assert.equal(authenticator.authenticate(tokens[1]!, START_MS), callers[1])
  assert.equal(authenticator.authenticate(tokens[10_000]!, START_MS), callers[10_000])
  assert.notEqual(authenticator.authenticate(tokens[0]!, START_MS), callers[0])
})

test('tokens that are verified again, with newer keys or after a reload, do not count twice', async () => {
  const issuer = await TestIssuer.start(A)
  const world = new TestWorld()
  const trusted = trustedIssuers([issuerOptions({ jwksUrl: issuer.keysUrl })])
  const authenticator = new Authenticator(trusted, world)
  await world.idle()
  const tokens = Array.from({ length: 400 }, (_, n) => tokenOf(A, { jti: `${n}`, exp: NOW_S + 86_400, padding: 'x'.repeat(22_000) }))
  const authenticateAll = () => tokens.map((token) => authenticator.authenticate(token, world.timeMs))
  authenticateAll()
  issuer.jwks = jwks(A, ecKey('other'))
  world.advance(world.nextMs())
  await world.idle()
  const callers = authenticateAll()
  assert.equal(authenticator.authenticate(tokens[0]!, world.timeMs), callers[0])
  authenticator.reload(trusted)
  const again = authenticateAll()
  assert.notEqual(again[0], callers[0])
  assert.equal(authenticator.authenticate(tokens[0]!, world.timeMs), again[0])
  authenticator.close()
})

test('no more than 16 MiB of tokens are known at once', () => {
  const authenticator = authenticatorOf({ secret: new Secret(SECRET) })
  const tokens = Array.from({ length: 600 }, (_, n) => tokenOf(SECRET_KEY, { jti: `${n}`, padding: 'x'.repeat(24_000) }, 'HS256'))
  const fitting = Math.floor(16_777_216 / tokens[599]!.length)
  const callers = tokens.map((token) => authenticator.authenticate(token, START_MS))
  assert.ok(fitting < 600 && tokens[599]!.length < 32_768)
  assert.equal(authenticator.authenticate(tokens[599]!, START_MS), callers[599])
  assert.equal(authenticator.authenticate(tokens[602 - fitting]!, START_MS), callers[602 - fitting])
  assert.notEqual(authenticator.authenticate(tokens[598 - fitting]!, START_MS), callers[598 - fitting])
})

test('a token over 32 KiB is refused unread', () => {
  assert.throws(() => authenticatorOf({ jwks: jwks(A) }).authenticate('x'.repeat(32_769), START_MS), { code: 'JWT_TOO_LARGE' })
})

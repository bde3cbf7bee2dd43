import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { Authenticator, type ClaimNames, trustedIssuers } from '../../src/identity/index.ts'
import { type Claims, codeOf, ecKey, issuerOptions, jwks, NAMES, START_MS, TestWorld, tokenOf } from './kit.ts'

const KEY = ecKey('k')

async function callerOf(claims: Claims, names: Partial<ClaimNames> = {}) {
  const authenticator = new Authenticator(trustedIssuers([issuerOptions({ jwks: jwks(KEY), names: { ...NAMES, ...names } })]), new TestWorld())
  return authenticator.authenticate(tokenOf(KEY, claims), START_MS)
}

test('a caller is all that the token says of who calls, and the beginning of its SHA-256', async () => {
  const exp = START_MS / 1000 + 60
  const claims = { iss: 'https://a.example', sub: 'alice', groups: ['b', 'a', 'b', 7, ''], jti: 'j', iat: exp - 60, exp }
  const token = tokenOf(KEY, claims)
  const authenticator = new Authenticator(trustedIssuers([issuerOptions({ jwks: jwks(KEY) })]), new TestWorld())
  assert.deepEqual(await authenticator.authenticate(token, START_MS), {
    issuer: 'https://a.example', user: 'alice', groups: ['b', 'a'], jti: 'j', issuedS: exp - 60, expiresS: exp,
    fingerprint: createHash('sha256').update(token).digest('hex').slice(0, 32), claims: new Map(),
  })
})

const USERS: readonly (readonly [claim: string, claims: Claims, user: string])[] = [
  ['the first claim that is there', { sub: undefined, oid: 'bob' }, 'bob'],
  ['null as not there', { sub: undefined, uid: null, oid: 'bob' }, 'bob'],
  ['a number as its digits', { sub: undefined, oid: 7 }, '7'],
  ['any script', { sub: 'Zoë 王' }, 'Zoë 王'],
  ['256 characters', { sub: 'x'.repeat(256) }, 'x'.repeat(256)],
]
for (const [claim, claims, user] of USERS) {
  test(`the user is read: ${claim}`, async () => assert.equal((await callerOf(claims, { user: ['/sub', '/uid', '/oid'] })).user, user))
}

for (const oid of ['', 'x'.repeat(257), 'a\r\nb', 'a\u001b[2J', 'a\u0000', 'a\u0085', 'a\u2028', 'a\u2029', {}, [], ['a'], true]) {
  test(`the user cannot be ${JSON.stringify(oid).slice(0, 30)}`, async () => {
    assert.equal(await codeOf(() => callerOf({ oid }, { user: ['/oid'] }) as never), 'IDENTITY_BAD_USER')
  })
}

test('groups come from lists and from words, along pointers with escapes', async () => {
  const claims = { scope: 'x y  z', 'https://claims.example/~roles': { 'a/b': ['p', 'q'] }, groups: { not: 'a list' } }
  const { groups } = await callerOf(claims, { groups: ['/groups', '/scope', '/https:~1~1claims.example~1~0roles/a~1b', '/nothing/here'] })
  assert.deepEqual(groups, ['x', 'y', 'z', 'p', 'q'])
})

test('a pointer finds only what the token itself holds', async () => {
  assert.equal(await codeOf(() => callerOf({}, { user: ['/constructor/name', '/groups/length'] }) as never), 'IDENTITY_NO_USER')
})

test('a caller carries the text of the claims that are named, and of no other', async () => {
  const claims = { team: 'search', level: 3, staff: true, units: ['a', 'b c'], realm: { 'x/y': 'deep' }, mixed: ['a', 1], gone: null, secret: 'not named' }
  const { claims: carried } = await callerOf(claims, { carried: ['/team', '/level', '/staff', '/units', '/realm', '/realm/x~1y', '/mixed', '/gone', '/missing'] })
  assert.deepEqual([...carried], [['/team', 'search'], ['/level', '3'], ['/staff', 'true'], ['/units', 'a b c'], ['/realm/x~1y', 'deep']])
})

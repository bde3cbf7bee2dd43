import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Alphabet, claimsOf, type Described, fill, parseTemplate } from '../../src/asker/index.ts'

const NAME: Alphabet = { foreign: /[^\w+=,.@-]/gu, min: 2, max: 64 }
const asker = (user: string, claims: Record<string, string> = {}, issuer = 'https://a'): Described => ({ user, issuer, groups: [], claims: new Map(Object.entries(claims)) })
const filled = (text: string, who: Described, alphabet = NAME) => fill(parseTemplate(text)!, who, alphabet)
const HASH = /=[0-9a-f]{16}$/

test('a template is literal text, {user}, {issuer} and {claim:/pointer}', () => {
  assert.equal(filled('a-{user}.{claim:/team}', asker('alice', { '/team': 'x' })), 'a-alice.x')
  assert.deepEqual(claimsOf(parseTemplate('{claim:/a}{user}{claim:/b~1c/0}')!), ['/a', '/b~1c/0'])
})

test('any other brace, and a template of nothing, is none', () => {
  for (const text of ['', '{', '}', '{user', 'user}', '{{user}}', '{USER}', '{name}', '{claim:team}', '{claim:}', '{claim:/a~2}', '{claim:/a}b}', 'x{}']) assert.equal(parseTemplate(text), undefined, text)
})

test('a text that fits stays as it is', () => {
  for (const user of ['alice@example.com', 'a+b=c,d.e-f_g', 'x'.repeat(64), 'ab']) assert.equal(filled('{user}', asker(user)), user)
})

test('what does not fit is replaced or cut, and ends with a hash of the whole', () => {
  for (const user of ['Ann Lee', 'a', '', 'x'.repeat(65), 'Zoë', '\ud800', '😀😀', 'a/b', 'user\nname']) {
    const text = filled('{user}', asker(user))
    assert.match(text, HASH, user)
    assert.match(text, /^[\w+=,.@-]{2,64}$/, user)
  }
  assert.equal(filled('{user}', asker('Ann Lee')).replace(HASH, ''), 'Ann_Lee')
})

test('nobody can be called so that they look like another', () => {
  const victim = filled('{user}', asker('Ann Lee'))
  const names = ['Ann Lee', 'Ann_Lee', 'Ann\tLee', victim, `${victim} `, `${'x'.repeat(64)}1`, `${'x'.repeat(64)}2`, 'x'.repeat(64), filled('{user}', asker('x'.repeat(65)))]
  const texts = names.map((user) => filled('{user}', asker(user)))
  assert.equal(new Set(texts).size, names.length)
  // A name that is what somebody else became gets a hash of its own, and so on.
  assert.notEqual(texts[3], victim)
})

test('values cannot be shifted over what stands between them', () => {
  for (const [template, one, other] of [
    ['{claim:/a}{claim:/b}', ['x', 'yz'], ['xy', 'z']],
    ['{claim:/a}-{claim:/b}', ['x', 'y-z'], ['x-y', 'z']],
    ['{claim:/a}--{claim:/b}', ['x-', 'y'], ['x', '-y']],
    ['{claim:/a},{user}', ['x', ''], ['x,', '']],
  ] as const) {
    const [first, second] = [one, other].map(([a, b]) => filled(template, asker('u', { '/a': a, '/b': b })))
    assert.notEqual(first, second, template)
  }
  assert.equal(filled('{claim:/a}/{user}', asker('alice', { '/a': 'search' }), { foreign: /[^\w/]/gu, min: 0, max: 256 }), 'search/alice')
  assert.notEqual(filled('{user},{issuer}', asker('a', {}, 'b')), filled('{user},{issuer}', asker('a', {}, 'c')))
})

test('every text of chance fits, and different callers stay different', () => {
  const letters = 'ab-=_,. é/\u{1f600}'
  const all = [...letters]
  const seen = new Map<string, string>()
  let seed = 1
  const next = (n: number) => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % n
  for (let i = 0; i < 5000; i++) {
    const [a, b] = [0, 0].map(() => Array.from({ length: next(5) === 0 ? next(80) : next(6) }, () => all[next(all.length)]).join(''))
    const text = filled('{claim:/a}-{claim:/b}', asker('u', { '/a': a!, '/b': b! }))
    assert.match(text, /^[\w+=,.@-]{2,64}$/)
    const key = JSON.stringify([a, b])
    assert.equal(seen.get(text) ?? key, key, text)
    seen.set(text, key)
  }
})

test('a cut leaves no half of a character', () => {
  const text = filled('{user}', asker(`${'a'.repeat(239 - 1)}😀${'b'.repeat(99)}`), { foreign: /[^\p{L}\p{So}=]/gu, min: 0, max: 256 })
  assert.ok(!/[\ud800-\udbff](?![\udc00-\udfff])/.test(text), text)
})

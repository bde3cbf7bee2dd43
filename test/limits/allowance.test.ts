import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Allowances, type LimitTable } from '../../src/limits/allowance.ts'
import { caller, codeOf, table } from './kit.ts'

const TABLE: LimitTable = table({ tokens_per_day: 100, requests_per_minute: 10, burst: 2 }, {
  groups: new Map([
    ['staff', { tokens_per_day: 200, concurrent: 4 }],
    ['lab', { tokens_per_day: 300, requests_per_minute: 5 }],
    ['fast', { requests_per_minute: 60, burst: 60 }],
    ['faster', { requests_per_minute: 60, burst: 90 }],
  ]),
  users: new Map([['ann', { tokens_per_day: 50 }], ['bob', { requests_per_minute: 600 }]]),
})

const CASES: readonly (readonly [user: string, groups: readonly string[], limits: Readonly<Record<string, string>>])[] = [
  ['zoe', [], { tokens_per_day: '100', requests_per_minute: '10/2' }],
  ['zoe', ['nobody', 'constructor'], { tokens_per_day: '100', requests_per_minute: '10/2' }],
  ['zoe', ['staff'], { tokens_per_day: '200', requests_per_minute: '10/2', concurrent: '4' }],
  // The most generous of the groups, even where the default is more so.
  ['zoe', ['staff', 'lab'], { tokens_per_day: '300', requests_per_minute: '5/5', concurrent: '4' }],
  ['zoe', ['faster', 'lab', 'fast'], { tokens_per_day: '300', requests_per_minute: '60/90' }],
  // The user's own, even where it is the smallest; for the rest as before.
  ['ann', ['lab'], { tokens_per_day: '50', requests_per_minute: '5/5' }],
  ['bob', ['fast'], { tokens_per_day: '100', requests_per_minute: '600/600' }],
]

for (const [user, groups, expected] of CASES) {
  test(`${user} of [${groups.join(', ')}] is limited by ${JSON.stringify(expected)}`, () => {
    const { limits } = new Allowances(TABLE).of(caller(user, groups))
    assert.deepEqual(Object.fromEntries(limits.map(({ name, value, burst }) => [name, name === 'requests_per_minute' ? `${value}/${burst}` : String(value)])), expected)
  })
}

test('with several issuers a row is for the user, or the group, of the issuer before the bar', () => {
  const issuers = ['https://a', 'https://b']
  const several = new Allowances(table({}, {
    users: new Map([['https://a|ann', { concurrent: 1 }], ['https://b|auth0|ann', { concurrent: 2 }]]),
    groups: new Map([['https://a|staff', { concurrent: 3 }], ['staff', { concurrent: 4 }]]), issuers,
  }))
  const of = (issuer: string, user: string, ...groups: string[]) => several.of({ issuer, user, groups }).limits.map(({ value }) => value)
  assert.deepEqual(of('https://a', 'ann', 'staff'), [1])
  assert.deepEqual(of('https://b', 'ann'), [])
  assert.deepEqual(of('https://b', 'auth0|ann'), [2])
  assert.deepEqual(of('https://a', 'bob', 'staff'), [3])
  assert.deepEqual(of('https://b', 'bob', 'staff'), [4])
  // An issuer gives its people what names it likes.
  assert.deepEqual(of('https://b', 'https://a|ann', 'https://a|staff'), [])
})

test('a user without an issuer is refused where there are several', () => {
  const users = new Map([['ann', { concurrent: 1 }]])
  assert.equal(codeOf(() => new Allowances(table({}, { users, issuers: ['https://a', 'https://b'] }))), 'LIMITS_AMBIGUOUS_USER')
  assert.equal(codeOf(() => new Allowances(table({}, { users, issuers: ['https://a'] }))), 'none')
})

test('two callers never share a key', () => {
  const keys = [['a', 'b|c'], ['a|b', 'c'], ['a\nb', 'c'], ['', 'a'], ['a', '']].map(([issuer, user]) => new Allowances(TABLE).of({ issuer: issuer!, user: user!, groups: [] }).key)
  assert.equal(new Set(keys).size, keys.length)
})

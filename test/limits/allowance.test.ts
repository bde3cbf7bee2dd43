import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Allowances, type LimitTable } from '../../src/limits/allowance.ts'
import { caller, table } from './kit.ts'

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

test('with several issuers a user is named with his own', () => {
  const several = table({}, { users: new Map([['https://a|ann', { concurrent: 1 }], ['ann', { concurrent: 9 }]]), severalIssuers: true })
  const of = (issuer: string) => new Allowances(several).of({ issuer, user: 'ann', groups: [] }).limits.map(({ value }) => value)
  assert.deepEqual(of('https://a'), [1])
  assert.deepEqual(of('https://b'), [])
})

test('two callers never share a key', () => {
  const keys = [['a', 'b|c'], ['a|b', 'c'], ['a\nb', 'c'], ['', 'a'], ['a', '']].map(([issuer, user]) => new Allowances(TABLE).of({ issuer: issuer!, user: user!, groups: [] }).key)
  assert.equal(new Set(keys).size, keys.length)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { journalOptions, limitTable, redisOptions } from '../../src/cli/limits.ts'
import { loadConfig } from '../../src/config/index.ts'

const NEEDED = { jwt: { secret: 'hush' }, aws: { region: 'eu-central-1' } }

function configOf(document: object) {
  const files = { exists: () => true, readText: () => JSON.stringify({ ...NEEDED, ...document }), mode: () => 0o600 }
  const { config, problems } = loadConfig({ args: { config: '/srv/c.json' }, env: {}, cwd: '/srv', files })
  assert.deepEqual(problems, [])
  return config!
}

test('limits are taken over row by row, money in micro-dollars', () => {
  const { default: fallback, groups, users, issuers } = limitTable(configOf({
    limits: { default: { tokens_per_day: 7, usd_per_day: 0.1, usd_per_month: 1_000_000_000 }, groups: { 'https://a|lab': { concurrent: 3 } }, users: { ann: { requests_per_minute: 2, burst: 1, usd_per_month: 1.000001 } } },
  }))
  const given = (row: object | undefined) => Object.fromEntries(Object.entries(row ?? {}).filter(([, value]) => value !== undefined))
  assert.deepEqual(given(fallback), { tokens_per_day: 7, usd_per_day: 100_000, usd_per_month: 1e15 })
  assert.deepEqual([...groups].map(([name, row]) => [name, given(row)]), [['https://a|lab', { concurrent: 3 }]])
  assert.deepEqual([...users].map(([name, row]) => [name, given(row)]), [['ann', { requests_per_minute: 2, burst: 1, usd_per_month: 1_000_001 }]])
  assert.deepEqual(issuers, [undefined])
})

test('the issuers are those that are configured', () => {
  assert.deepEqual(limitTable(configOf({ jwt: { secret: 'hush', issuer: 'https://a' } })).issuers, ['https://a'])
  assert.deepEqual(limitTable(configOf({ jwt: { issuers: [{ issuer: 'https://a' }, { issuer: 'https://b' }] } })).issuers, ['https://a', 'https://b'])
})

test('there is a journal where it has a path', () => {
  assert.equal(journalOptions(configOf({})), undefined)
  assert.deepEqual(journalOptions(configOf({ limits: { store: 'journal', path: 'used', fail: 'open' } })), { path: '/srv/used', fail: 'open' })
})

test('there is a Redis where it has a URL; its user, password and database stand in that, or the password beside it', () => {
  assert.equal(redisOptions(configOf({}), undefined), undefined)
  const of = (limits: object) => {
    const { password, ...rest } = redisOptions(configOf({ limits: { store: 'redis', ...limits } }), 'PEM')!
    return { ...rest, password: password?.reveal() }
  }
  const plain = { host: 'r', port: 6379, tls: false, user: undefined, password: undefined, db: 0, ca: 'PEM', fail: 'closed', timeoutMs: 1000, leaseMs: 60_000 }
  assert.deepEqual(of({ url: 'redis://r' }), plain)
  assert.deepEqual(of({ url: 'redis://r', password: 'p' }), { ...plain, password: 'p' })
  assert.deepEqual(of({ url: 'rediss://a%3Ab:p%40ss@[::1]:1/7', fail: 'open', timeout: '20ms', lease: '2s' }),
    { ...plain, host: '::1', port: 1, tls: true, user: 'a:b', password: 'p@ss', db: 7, fail: 'open', timeoutMs: 20, leaseMs: 2000 })
  assert.deepEqual(of({ url: 'redis://:p@10.0.0.1' }), { ...plain, host: '10.0.0.1', password: 'p' })
})

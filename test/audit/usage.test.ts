import assert from 'node:assert/strict'
import { appendFileSync } from 'node:fs'
import { test } from 'node:test'
import { usage } from '../../src/audit/index.ts'
import { call, intent, TestLog } from './kit.ts'

const { log, path } = new TestLog({ intent: true })
log.begin(intent)
log.end(call({ input_tokens: 10, output_tokens: 5, cache_read_tokens: 3, cache_write_tokens: 1, cost_usd: 0.1 }))
log.end(call({ input_tokens: 1, cost_usd: 0.2, failed: 'upstream', time: '2026-03-05T00:00:00.000Z', model: 'amazon.nova-lite-v1:0', groups: ['engineering', 'voice'] }))
log.end(call({ issuer: 'https://other.example/', cost_usd: 5, groups: [] }))
log.end(call({ user: undefined, issuer: undefined, groups: undefined, model: undefined, status: 401, failed: 'client' }))
await log.close()
appendFileSync(path, 'no JSON\n{"event":"call","user":7,"cost_usd":"1e9"}\nnull\n')

const sums = (requests: number, failed: number, input = 0, output = 0, read = 0, write = 0, cost = 0) =>
  ({ requests, failed, input_tokens: input, output_tokens: output, cache_read_tokens: read, cache_write_tokens: write, cost_usd: cost })

test('by user: the same name of two issuers is two users', () => {
  assert.deepEqual(usage([path], 'user'), { unread: 1, rows: [
    { issuer: 'https://other.example/', user: 'alice', ...sums(1, 0, 0, 0, 0, 0, 5) },
    { issuer: 'https://login.example/', user: 'alice', ...sums(2, 1, 11, 5, 3, 1, 0.3) },
    { issuer: '', user: '', ...sums(2, 1) },
  ] })
})

test('by group: a call counts for each of the groups', () => {
  assert.deepEqual(usage([path], 'group').rows, [
    { group: '', ...sums(3, 1, 0, 0, 0, 0, 5) },
    { group: 'engineering', ...sums(2, 1, 11, 5, 3, 1, 0.3) },
    { group: 'voice', ...sums(1, 1, 1, 0, 0, 0, 0.2) },
  ])
})

test('by day: a call belongs to the day of its end, as it does for limits; of a line that holds no time nothing is guessed', async () => {
  const { log, path } = new TestLog()
  log.end(call({ time: '2026-03-04T23:59:59.500Z', duration_ms: 499, output_tokens: 1 }))
  log.end(call({ time: '2026-03-04T23:59:59.500Z', duration_ms: 500, output_tokens: 10 }))
  for (const [time, durationMs] of [['soon', 1], ['2026-03-04T00:00:00.000Z', 1e300]] as const) log.end(call({ time, duration_ms: durationMs, output_tokens: 100 }))
  await log.close()
  assert.deepEqual(usage([path], 'day').rows.map(({ day, output_tokens: output }) => [day, output]), [['', 200], ['2026-03-04', 1], ['2026-03-05', 10]])
})

test('by model, and by day in order of time', () => {
  assert.deepEqual(usage([path], 'model').rows.map(({ model, requests }) => [model, requests]), [
    ['anthropic.claude-3-haiku-20240307-v1:0', 2], ['amazon.nova-lite-v1:0', 1], ['', 2],
  ])
  assert.deepEqual(usage([path, path], 'day').rows.map(({ day, requests }) => [day, requests]), [['', 2], ['2026-03-04', 6], ['2026-03-05', 2]])
})

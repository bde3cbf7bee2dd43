import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMIT_NAMES, type LimitRow, Limits, LimitsError, type Store, Ticket } from '../../src/limits/index.ts'
import { MemoryStore } from '../../src/limits/memory.ts'
import { admit, ANN, caller, codeOf, DAY_MS, HOUR_MS, memory, MINUTE_MS, outcome, refusal, spent, START_MS, table } from './kit.ts'

const MIDNIGHT_MS = Date.UTC(2026, 2, 16)
const APRIL_MS = Date.UTC(2026, 3, 1)

test('every limit refuses by its name, and tells its value, what is left, its reset and when to come back', () => {
  // One request of 40 tokens and 4 dollars runs; the next needs as much.
  const cases: readonly (readonly [LimitRow, ReturnType<typeof refusal>['standing'], retryAfterS: number, code: LimitsError['code'], message: string])[] = [
    [{ requests_per_minute: 6, burst: 1 }, { limit: 'requests_per_minute', value: 6, left: 0, resetMs: START_MS + 10_000 }, 10, 'LIMITS_RATE_EXCEEDED',
      'The request does not fit into the limit requests_per_minute: 0 of 6 left, reset at 2026-03-15T12:00:10Z.'],
    [{ concurrent: 1 }, { limit: 'concurrent', value: 1, left: 0, resetMs: START_MS + 1000 }, 1, 'LIMITS_RATE_EXCEEDED',
      'The request does not fit into the limit concurrent: 0 of 1 left, reset at 2026-03-15T12:00:01Z.'],
    [{ tokens_per_minute: 60 }, { limit: 'tokens_per_minute', value: 60, left: 20, resetMs: START_MS + 40_000 }, 20, 'LIMITS_RATE_EXCEEDED',
      'The request does not fit into the limit tokens_per_minute: 20 of 60 left, reset at 2026-03-15T12:00:40Z.'],
    [{ tokens_per_day: 79 }, { limit: 'tokens_per_day', value: 79, left: 39, resetMs: MIDNIGHT_MS }, 43_200, 'LIMITS_BUDGET_EXCEEDED',
      'The request does not fit into the limit tokens_per_day: 39 of 79 left, reset at 2026-03-16T00:00:00Z.'],
    [{ tokens_per_month: 40 }, { limit: 'tokens_per_month', value: 40, left: 0, resetMs: APRIL_MS }, (APRIL_MS - START_MS) / 1000, 'LIMITS_BUDGET_EXCEEDED',
      'The request does not fit into the limit tokens_per_month: 0 of 40 left, reset at 2026-04-01T00:00:00Z.'],
    [{ usd_per_day: 4_500_000 }, { limit: 'usd_per_day', value: 4_500_000, left: 500_000, resetMs: MIDNIGHT_MS }, 43_200, 'LIMITS_BUDGET_EXCEEDED',
      'The request does not fit into the limit usd_per_day: 0.5 of 4.5 left, reset at 2026-03-16T00:00:00Z.'],
    [{ usd_per_month: 4_000_001 }, { limit: 'usd_per_month', value: 4_000_001, left: 1, resetMs: APRIL_MS }, (APRIL_MS - START_MS) / 1000, 'LIMITS_BUDGET_EXCEEDED',
      'The request does not fit into the limit usd_per_month: 0.000001 of 4.000001 left, reset at 2026-04-01T00:00:00Z.'],
  ]
  assert.deepEqual(cases.map(([, { limit }]) => limit).sort(), [...LIMIT_NAMES].sort())
  for (const [row, standing, retryAfterS, code, message] of cases) {
    const limits = memory(row)
    admit(limits, ANN, START_MS, 40, 4_000_000)
    const error = refusal(limits, ANN, START_MS, 40, 4_000_000)
    assert.ok(error instanceof LimitsError)
    assert.deepEqual({ ...error.standing }, standing)
    assert.deepEqual([error.code, error.retryAfterS, error.message], [code, retryAfterS, message])
  }
})

test('of several limits that refuse, the one that will refuse longest is told', () => {
  const limits = memory({ concurrent: 1, requests_per_minute: 1, tokens_per_day: 10, usd_per_month: 10 })
  admit(limits, ANN, START_MS, 10, 10)
  assert.equal(outcome(limits, ANN, START_MS, 1, 1), 'usd_per_month')
  assert.equal(outcome(memory({}), ANN, START_MS, 1e9, 1e9), 'admitted')
})

test('a request that one limit refuses is charged against none', () => {
  const row = { requests_per_minute: 10, concurrent: 10, tokens_per_minute: 100, tokens_per_day: 1000, tokens_per_month: 1000, usd_per_day: 1000, usd_per_month: 1000 }
  for (const [name, small] of [['requests_per_minute', 1], ['concurrent', 1], ['tokens_per_minute', 10], ['tokens_per_day', 10], ['tokens_per_month', 10], ['usd_per_day', 10], ['usd_per_month', 10]] as const) {
    const limits = memory({ ...row, [name]: small })
    const ticket = admit(limits, ANN, START_MS, 10, 10)
    const before = ticket.fields(START_MS)
    for (let i = 0; i < 5; i++) assert.equal(outcome(limits, ANN, START_MS, 10, 10), name)
    assert.deepEqual(ticket.fields(START_MS), before)
  }
})

test('an admitted request knows what is left of each limit, itself counted', () => {
  const limits = memory({ requests_per_minute: 60, tokens_per_day: 1000, usd_per_month: 2_500_000 })
  assert.deepEqual(admit(limits, ANN, START_MS + 1, 100, 1_000_000).fields(START_MS + 1), [
    'x-ratelimit-limit-usd-month', '2.5', 'x-ratelimit-remaining-usd-month', '1.5', 'x-ratelimit-reset-usd-month', String((APRIL_MS - START_MS) / 1000),
    'x-ratelimit-limit-tokens-day', '1000', 'x-ratelimit-remaining-tokens-day', '900', 'x-ratelimit-reset-tokens-day', '43200',
    'x-ratelimit-limit-requests', '60', 'x-ratelimit-remaining-requests', '59', 'x-ratelimit-reset-requests', '1',
  ])
  assert.deepEqual(admit(memory({}), ANN, START_MS).fields(START_MS), [])
})

test('what was overdrawn is shown as nothing left', () => {
  const limits = memory({ tokens_per_day: 100 })
  const ticket = admit(limits, ANN, START_MS, 10)
  ticket.settle(spent(200, 300), START_MS)
  assert.deepEqual(ticket.fields(START_MS).slice(2, 4), ['x-ratelimit-remaining-tokens-day', '0'])
})

test('settling gives back the guess and counts each kind of token for itself; limits count input and output', () => {
  const limits = memory({ tokens_per_day: 100, usd_per_day: 100 })
  const ticket = admit(limits, ANN, START_MS, 90, 90)
  assert.equal(outcome(limits, ANN, START_MS, 11, 1), 'tokens_per_day')
  ticket.settle(spent(7, 5, 1000, 2000, 12), START_MS)
  const used = { input: 7, output: 5, cacheRead: 1000, cacheWrite: 2000, microUsd: 12 }
  assert.deepEqual(limits.usage(ANN, START_MS), { day: used, month: used })
  assert.equal(outcome(limits, ANN, START_MS, 88, 89), 'usd_per_day')
  assert.equal(outcome(limits, ANN, START_MS, 88, 88), 'admitted')
})

test('a ticket ends once, by whatever comes first, and what comes after does nothing', () => {
  const ends: readonly ((ticket: Ticket) => void)[] = [(ticket) => ticket.settle(spent(5), START_MS), (ticket) => ticket.release(START_MS)]
  for (const [first, used] of [[ends[0]!, 5], [ends[1]!, 0]] as const) {
    const limits = memory({ concurrent: 2, tokens_per_day: 100 })
    const other = admit(limits, ANN, START_MS, 20)
    const ticket = admit(limits, ANN, START_MS, 20)
    first(ticket)
    for (const end of [...ends, ...ends]) end(ticket)
    const { day } = limits.usage(ANN, START_MS) as { day: { input: number } }
    assert.equal(day.input, used)
    assert.equal(outcome(limits, ANN, START_MS, 79 - used), 'admitted')
    assert.equal(outcome(limits, ANN, START_MS, 0), 'concurrent')
    other.release(START_MS)
  }
})

test('a request guessed larger than a limit is admitted where all of the limit is there', () => {
  const limits = memory({ tokens_per_minute: 100, tokens_per_day: 1000 })
  const ticket = admit(limits, ANN, START_MS, 5000)
  assert.equal(outcome(limits, ANN, START_MS, 1), 'tokens_per_day')
  ticket.settle(spent(1), START_MS)
  assert.equal(refusal(limits, ANN, START_MS, 5000).standing.limit, 'tokens_per_day')
  assert.equal(outcome(limits, ANN, START_MS, 99), 'admitted')
})

test('a request guessed to need nothing is refused where nothing is left', () => {
  const limits = memory({ usd_per_day: 10 })
  admit(limits, ANN, START_MS).settle(spent(0, 0, 0, 0, 10), START_MS)
  assert.equal(outcome(limits, ANN, START_MS), 'usd_per_day')
})

test('tokens of a minute come back with time; a long call pays at its end only what was guessed too low', () => {
  const limits = memory({ tokens_per_minute: 100 })
  const ticket = admit(limits, ANN, START_MS, 100)
  assert.equal(outcome(limits, ANN, START_MS, 1), 'tokens_per_minute')
  assert.equal(outcome(limits, ANN, START_MS + MINUTE_MS, 40), 'admitted')
  ticket.settle(spent(0, 130), START_MS + MINUTE_MS)
  assert.equal(outcome(limits, ANN, START_MS + MINUTE_MS, 31), 'tokens_per_minute')
  assert.equal(outcome(limits, ANN, START_MS + MINUTE_MS, 30), 'admitted')
})

test('days and months are those of UTC, to the millisecond', () => {
  for (const [limit, endMs] of [['tokens_per_day', MIDNIGHT_MS], ['tokens_per_month', APRIL_MS], ['tokens_per_month', Date.UTC(2027, 0, 1)], ['tokens_per_day', Date.UTC(2028, 2, 1)]] as const) {
    const limits = memory({ [limit]: 10 })
    admit(limits, ANN, endMs - 1, 10).settle(spent(10), endMs - 1)
    assert.equal(outcome(limits, ANN, endMs - 1, 1), limit)
    assert.equal(outcome(limits, ANN, endMs, 10), 'admitted')
  }
})

test('a call that runs over midnight is held against both days and counted in the one in which it ends', () => {
  const limits = memory({ tokens_per_day: 10 })
  const ticket = admit(limits, ANN, MIDNIGHT_MS - 1, 8)
  assert.equal(outcome(limits, ANN, MIDNIGHT_MS, 3), 'tokens_per_day')
  ticket.settle(spent(4), MIDNIGHT_MS)
  assert.deepEqual(limits.usage(ANN, MIDNIGHT_MS), { day: spent(4), month: spent(4) })
  assert.equal(outcome(limits, ANN, MIDNIGHT_MS, 7), 'tokens_per_day')
})

test('a clock that is put back over midnight does not open the budget of a day again', () => {
  const limits = memory({ tokens_per_day: 10 })
  admit(limits, ANN, MIDNIGHT_MS, 10).settle(spent(10), MIDNIGHT_MS)
  assert.equal(outcome(limits, ANN, MIDNIGHT_MS - 1, 1), 'tokens_per_day')
  assert.equal(refusal(limits, ANN, MIDNIGHT_MS - HOUR_MS, 1).standing.resetMs, MIDNIGHT_MS + DAY_MS)
})

test('a clock that was ahead by years, and is put right, leaves nobody locked out', () => {
  const ahead = START_MS + 3650 * DAY_MS
  const limits = memory({ tokens_per_day: 10, requests_per_minute: 60, tokens_per_minute: 10 })
  admit(limits, ANN, ahead, 10).settle(spent(10), ahead)
  assert.equal(outcome(limits, ANN, START_MS + MINUTE_MS, 1), 'tokens_per_minute')
  assert.equal(outcome(limits, ANN, START_MS + 2 * MINUTE_MS, 5), 'admitted')
})

test('a look into the future by a clock that jumps and comes back loses no counter', () => {
  const limits = memory({ tokens_per_day: 10 })
  admit(limits, ANN, START_MS, 4).settle(spent(4), START_MS)
  const ticket = admit(limits, ANN, START_MS + 400 * DAY_MS, 10)
  ticket.release(START_MS + 400 * DAY_MS)
  assert.deepEqual(limits.usage(ANN, START_MS), { day: spent(4), month: spent(4) })
})

test('200 callers at once, each with two limits, for an hour: never more in a minute or at once than allowed', () => {
  const limits = memory({ requests_per_minute: 30, burst: 5, concurrent: 3, tokens_per_minute: 600 })
  const people = Array.from({ length: 200 }, (_, i) => ({ who: caller(`u${i}`), live: [] as Ticket[], times: [] as number[], tokens: 0 }))
  for (let nowMs = START_MS; nowMs <= START_MS + HOUR_MS; nowMs += 7000) {
    for (const person of people) {
      while (person.live.length > 1) person.live.shift()!.settle(spent(30), nowMs)
      for (let i = 0; i < 2; i++) {
        try {
          person.live.push(admit(limits, person.who, nowMs, 30))
          person.times.push(nowMs)
        } catch (error) {
          assert.equal(codeOf(() => { throw error }), 'LIMITS_RATE_EXCEEDED')
        }
      }
      assert.ok(person.live.length <= 3)
    }
  }
  for (const { times } of people) {
    assert.ok(times.length > 800)
    for (let from = 0; from < times.length; from++) {
      for (const count of [5, 20, 100]) {
        const until = times[from + count]
        // In any span: the burst, and the rate times the span; in tokens the same with a whole minute as the burst.
        if (until !== undefined) assert.ok(count + 1 <= 5 + Math.floor((until - times[from]!) * 30 / MINUTE_MS))
      }
    }
    assert.ok(times.length * 30 <= 600 + 600 * 60)
  }
})

test('200 requests of one caller at once, with two limits: as many as the smaller one allows, and the larger one is charged for no more', () => {
  const limits = memory({ requests_per_minute: 500, tokens_per_day: 1000 })
  const outcomes = Array.from({ length: 200 }, () => outcome(limits, ANN, START_MS, 30))
  assert.equal(outcomes.filter((one) => one === 'admitted').length, 33)
  assert.deepEqual(admit(limits, ANN, START_MS, 10).fields(START_MS).slice(6, 10), ['x-ratelimit-limit-requests', '500', 'x-ratelimit-remaining-requests', '466'])
})

test('callers are forgotten when nothing of theirs is left to remember, and not before', () => {
  const store = new MemoryStore()
  const limits = new Limits(store, table({ requests_per_minute: 1000, tokens_per_day: 100, concurrent: 5 }))
  const running = admit(limits, caller('running'), START_MS)
  admit(limits, caller('spender'), START_MS, 10).settle(spent(10), START_MS)
  for (let i = 0; i < 50_000; i++) {
    admit(limits, caller(`visitor ${i}`), START_MS + i).release(START_MS + i)
    assert.ok(store.size < 250)
  }
  assert.equal((limits.usage(caller('spender'), START_MS) as { day: { input: number } }).day.input, 10)
  running.settle(spent(10), START_MS)
  for (let i = 0; i < 500; i++) admit(limits, caller(`later ${i}`), APRIL_MS + i * 1000).release(APRIL_MS + i * 1000)
  assert.ok(store.size < 5)
})

test('a reload takes other limits into use and keeps what was counted', () => {
  const limits = memory({ tokens_per_day: 10 })
  admit(limits, ANN, START_MS, 10).settle(spent(10), START_MS)
  limits.reload(table({ tokens_per_day: 12 }))
  assert.equal(outcome(limits, ANN, START_MS, 3), 'tokens_per_day')
  assert.equal(outcome(limits, ANN, START_MS, 2), 'admitted')
})

test('amounts that are no whole numbers are a mistake of ours, and change nothing', () => {
  const limits = memory({ concurrent: 1 })
  for (const odd of [NaN, -1, 0.5, Infinity, 2 ** 53]) {
    assert.throws(() => admit(limits, ANN, START_MS, odd), TypeError)
    assert.throws(() => admit(limits, ANN, START_MS, 0, odd), TypeError)
    const ticket = admit(limits, ANN, START_MS)
    assert.throws(() => ticket.settle(spent(odd), START_MS), TypeError)
    ticket.release(START_MS)
  }
  assert.deepEqual(limits.usage(ANN, START_MS), { day: spent(0), month: spent(0) })
})

test('a store that answers later makes promises of tickets, and of refusals', async () => {
  const memoryStore = new MemoryStore()
  const store: Store = {
    reserve: async (...request) => memoryStore.reserve(...request),
    usage: async (...question) => memoryStore.usage(...question),
    close: async () => undefined,
  }
  const limits = new Limits(store, table({ concurrent: 1 }))
  const ticket = await limits.admit(ANN, { tokens: 1, microUsd: 1 }, START_MS)
  await assert.rejects(async () => limits.admit(ANN, { tokens: 1, microUsd: 1 }, START_MS), { code: 'LIMITS_RATE_EXCEEDED' })
  ticket.settle(spent(3), START_MS)
  assert.deepEqual(await limits.usage(ANN, START_MS), { day: spent(3), month: spent(3) })
})

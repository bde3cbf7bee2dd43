import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMIT_NAMES, LimitExceeded, type LimitedCaller, type LimitName, type LimitRow, type Limits, LimitsError, type Ticket } from '../../src/limits/index.ts'
import { ANN, DAY_MS, HOUR_MS, MINUTE_MS, type refusal as refusalOf, spent, START_MS, table } from './kit.ts'

const MIDNIGHT_MS = Date.UTC(2026, 2, 16)
const APRIL_MS = Date.UTC(2026, 3, 1)

async function admit(limits: Limits, who: LimitedCaller, nowMs: number, tokens = 0, microUsd = 0): Promise<Ticket> {
  return limits.admit(who, { tokens, microUsd }, nowMs)
}

/** The limit that refuses, or 'admitted'; what is admitted stays so. */
async function outcome(...request: Parameters<typeof admit>): Promise<LimitName | 'admitted'> {
  return admit(...request).then(() => 'admitted', (error) => (error instanceof LimitExceeded ? error.standing.limit : Promise.reject(error)))
}

async function refusal(...request: Parameters<typeof admit>): Promise<LimitExceeded> {
  return admit(...request).then(() => Promise.reject(new Error('admitted')), (error) => (error instanceof LimitExceeded ? error : Promise.reject(error)))
}

/**
 * What limits do, whatever store they have.
 *
 * @param open - Gives limits with a store that has counted nothing yet, and that goes by the times it is given.
 */
export function contract(store: string, open: (row: LimitRow) => Limits | Promise<Limits>): void {
  test(`${store}: every limit refuses by its name, and tells its value, what is left, its reset and when to come back`, async () => {
    // One request of 40 tokens and 4 dollars runs; the next needs as much.
    const cases: readonly (readonly [LimitRow, ReturnType<typeof refusalOf>['standing'], retryAfterS: number, code: LimitsError['code'], message: string])[] = [
      [{ requests_per_minute: 6, burst: 1 }, { limit: 'requests_per_minute', value: 6, left: 0, short: true, resetMs: START_MS + 10_000 }, 10, 'LIMITS_RATE_EXCEEDED',
        'The request does not fit into the limit requests_per_minute: 0 of 6 left, reset at 2026-03-15T12:00:10Z.'],
      [{ concurrent: 1 }, { limit: 'concurrent', value: 1, left: 0, short: true, resetMs: START_MS + 1000 }, 1, 'LIMITS_RATE_EXCEEDED',
        'The request does not fit into the limit concurrent: 0 of 1 left, reset at 2026-03-15T12:00:01Z.'],
      [{ tokens_per_minute: 60 }, { limit: 'tokens_per_minute', value: 60, left: 20, short: false, resetMs: START_MS + 40_000 }, 20, 'LIMITS_RATE_EXCEEDED',
        'The request does not fit into the limit tokens_per_minute: 20 of 60 left, reset at 2026-03-15T12:00:40Z.'],
      [{ tokens_per_day: 79 }, { limit: 'tokens_per_day', value: 79, left: 39, short: false, resetMs: MIDNIGHT_MS }, 43_200, 'LIMITS_BUDGET_EXCEEDED',
        'The request does not fit into the limit tokens_per_day: 39 of 79 left, reset at 2026-03-16T00:00:00Z.'],
      [{ tokens_per_month: 40 }, { limit: 'tokens_per_month', value: 40, left: 0, short: true, resetMs: APRIL_MS }, (APRIL_MS - START_MS) / 1000, 'LIMITS_BUDGET_EXCEEDED',
        'The request does not fit into the limit tokens_per_month: 0 of 40 left, reset at 2026-04-01T00:00:00Z.'],
      [{ usd_per_day: 4_500_000 }, { limit: 'usd_per_day', value: 4_500_000, left: 500_000, short: true, resetMs: MIDNIGHT_MS }, 43_200, 'LIMITS_BUDGET_EXCEEDED',
        'The request does not fit into the limit usd_per_day: 0.5 of 4.5 left, reset at 2026-03-16T00:00:00Z.'],
      [{ usd_per_month: 4_000_001 }, { limit: 'usd_per_month', value: 4_000_001, left: 1, short: true, resetMs: APRIL_MS }, (APRIL_MS - START_MS) / 1000, 'LIMITS_BUDGET_EXCEEDED',
        'The request does not fit into the limit usd_per_month: 0.000001 of 4.000001 left, reset at 2026-04-01T00:00:00Z.'],
    ]
    assert.deepEqual(cases.map(([, { limit }]) => limit).sort(), [...LIMIT_NAMES].sort())
    for (const [row, standing, retryAfterS, code, message] of cases) {
      const limits = await open(row)
      await admit(limits, ANN, START_MS, 40, 4_000_000)
      const error = await refusal(limits, ANN, START_MS, 40, 4_000_000)
      assert.ok(error instanceof LimitsError)
      assert.deepEqual({ ...error.standing }, standing)
      assert.deepEqual([error.code, error.retryAfterS, error.message], [code, retryAfterS, message])
    }
  })

  test(`${store}: of several limits that refuse, the one that will refuse longest is told`, async () => {
    const limits = await open({ concurrent: 1, requests_per_minute: 1, tokens_per_day: 10, usd_per_month: 10 })
    await admit(limits, ANN, START_MS, 10, 10)
    assert.equal(await outcome(limits, ANN, START_MS, 1, 1), 'usd_per_month')
    assert.equal(await outcome(await open({}), ANN, START_MS, 1e9, 1e9), 'admitted')
  })

  test(`${store}: a request that one limit refuses is charged against none`, async () => {
    const row = { requests_per_minute: 10, concurrent: 10, tokens_per_minute: 100, tokens_per_day: 1000, tokens_per_month: 1000, usd_per_day: 1000, usd_per_month: 1000 }
    for (const [name, small] of [['requests_per_minute', 1], ['concurrent', 1], ['tokens_per_minute', 10], ['tokens_per_day', 10], ['tokens_per_month', 10], ['usd_per_day', 10], ['usd_per_month', 10]] as const) {
      const limits = await open({ ...row, [name]: small })
      const ticket = await admit(limits, ANN, START_MS, 10, 10)
      const before = ticket.fields(START_MS, true)
      for (let i = 0; i < 5; i++) assert.equal(await outcome(limits, ANN, START_MS, 10, 10), name)
      assert.deepEqual(ticket.fields(START_MS, true), before)
    }
  })

  test(`${store}: an admitted request knows what is left of each limit, itself counted`, async () => {
    const limits = await open({ requests_per_minute: 60, tokens_per_day: 1000, usd_per_month: 2_500_000, concurrent: 5 })
    assert.deepEqual((await admit(limits, ANN, START_MS + 1, 100, 1_000_000)).fields(START_MS + 1, true), [
      'x-ratelimit-remaining', `usd_per_month=1.5;limit=2.5;reset=${(APRIL_MS - START_MS) / 1000}, tokens_per_day=900;limit=1000;reset=43200, requests_per_minute=59;limit=60;reset=1, concurrent=4;limit=5`,
      'x-ratelimit-limit-requests', '60', 'x-ratelimit-remaining-requests', '59', 'x-ratelimit-reset-requests', '1',
    ])
    assert.deepEqual((await admit(await open({}), ANN, START_MS)).fields(START_MS, true), [])
  })

  test(`${store}: only clients of OpenAI are told what is left while a quarter of it is; a burst is all there can be at once`, async () => {
    const limits = await open({ requests_per_minute: 60, burst: 4, tokens_per_day: 1000 })
    const fields: string[][] = []
    for (const tokens of [750, 1, 0, 0]) fields.push((await admit(limits, ANN, START_MS, tokens)).fields(START_MS, false))
    const tokens = 'tokens_per_day=249;limit=1000;reset=43200'
    assert.deepEqual(fields, [[], ['x-ratelimit-remaining', tokens], ['x-ratelimit-remaining', tokens], ['x-ratelimit-remaining', `${tokens}, requests_per_minute=0;limit=60;reset=4`]])
  })

  test(`${store}: what was overdrawn is shown as nothing left`, async () => {
    const limits = await open({ tokens_per_day: 100 })
    const ticket = await admit(limits, ANN, START_MS, 10)
    ticket.settle(spent(200, 300), START_MS)
    assert.deepEqual(ticket.fields(START_MS, false), ['x-ratelimit-remaining', 'tokens_per_day=0;limit=100;reset=43200'])
  })

  test(`${store}: settling gives back the guess and counts each kind of token for itself; limits count input and output`, async () => {
    const limits = await open({ tokens_per_day: 100, usd_per_day: 100 })
    const ticket = await admit(limits, ANN, START_MS, 90, 90)
    assert.equal(await outcome(limits, ANN, START_MS, 11, 1), 'tokens_per_day')
    ticket.settle(spent(7, 5, 1000, 2000, 12), START_MS)
    const used = { input: 7, output: 5, cacheRead: 1000, cacheWrite: 2000, microUsd: 12 }
    assert.deepEqual(await limits.usage(ANN, START_MS), { day: used, month: used })
    assert.equal(await outcome(limits, ANN, START_MS, 88, 89), 'usd_per_day')
    assert.equal(await outcome(limits, ANN, START_MS, 88, 88), 'admitted')
  })

  test(`${store}: a ticket ends once, by whatever comes first, and what comes after does nothing`, async () => {
    const ends: readonly ((ticket: Ticket) => void)[] = [(ticket) => ticket.settle(spent(5), START_MS), (ticket) => ticket.release(START_MS)]
    for (const [first, used] of [[ends[0]!, 5], [ends[1]!, 0]] as const) {
      const limits = await open({ concurrent: 2, tokens_per_day: 100 })
      const other = await admit(limits, ANN, START_MS, 20)
      const ticket = await admit(limits, ANN, START_MS, 20)
      first(ticket)
      for (const end of [...ends, ...ends]) end(ticket)
      const { day } = await limits.usage(ANN, START_MS) as { day: { input: number } }
      assert.equal(day.input, used)
      assert.equal(await outcome(limits, ANN, START_MS, 79 - used), 'admitted')
      assert.equal(await outcome(limits, ANN, START_MS, 0), 'concurrent')
      other.release(START_MS)
    }
  })

  test(`${store}: a request guessed larger than a limit is admitted where all of the limit is there`, async () => {
    const limits = await open({ tokens_per_minute: 100, tokens_per_day: 1000 })
    const ticket = await admit(limits, ANN, START_MS, 5000)
    assert.equal(await outcome(limits, ANN, START_MS, 1), 'tokens_per_day')
    ticket.settle(spent(1), START_MS)
    assert.equal((await refusal(limits, ANN, START_MS, 5000)).standing.limit, 'tokens_per_day')
    assert.equal(await outcome(limits, ANN, START_MS, 99), 'admitted')
  })

  test(`${store}: a request guessed to need nothing is refused where nothing is left`, async () => {
    const limits = await open({ usd_per_day: 10 })
    await admit(limits, ANN, START_MS).then((ticket) => ticket.settle(spent(0, 0, 0, 0, 10), START_MS))
    assert.equal(await outcome(limits, ANN, START_MS), 'usd_per_day')
  })

  test(`${store}: tokens of a minute come back with time; a long call pays at its end only what was guessed too low`, async () => {
    const limits = await open({ tokens_per_minute: 100 })
    const ticket = await admit(limits, ANN, START_MS, 100)
    assert.equal(await outcome(limits, ANN, START_MS, 1), 'tokens_per_minute')
    assert.equal(await outcome(limits, ANN, START_MS + MINUTE_MS, 40), 'admitted')
    ticket.settle(spent(0, 130), START_MS + MINUTE_MS)
    assert.equal(await outcome(limits, ANN, START_MS + MINUTE_MS, 31), 'tokens_per_minute')
    assert.equal(await outcome(limits, ANN, START_MS + MINUTE_MS, 30), 'admitted')
  })

  test(`${store}: days and months are those of UTC, to the millisecond`, async () => {
    for (const [limit, endMs] of [['tokens_per_day', MIDNIGHT_MS], ['tokens_per_month', APRIL_MS], ['tokens_per_month', Date.UTC(2027, 0, 1)], ['tokens_per_day', Date.UTC(2028, 2, 1)]] as const) {
      const limits = await open({ [limit]: 10 })
      await admit(limits, ANN, endMs - 1, 10).then((ticket) => ticket.settle(spent(10), endMs - 1))
      assert.equal(await outcome(limits, ANN, endMs - 1, 1), limit)
      assert.equal(await outcome(limits, ANN, endMs, 10), 'admitted')
    }
  })

  test(`${store}: a call that runs over midnight is held against both days and counted in the one in which it ends`, async () => {
    const limits = await open({ tokens_per_day: 10 })
    const ticket = await admit(limits, ANN, MIDNIGHT_MS - 1, 8)
    assert.equal(await outcome(limits, ANN, MIDNIGHT_MS, 3), 'tokens_per_day')
    ticket.settle(spent(4), MIDNIGHT_MS)
    assert.deepEqual(await limits.usage(ANN, MIDNIGHT_MS), { day: spent(4), month: spent(4) })
    assert.equal(await outcome(limits, ANN, MIDNIGHT_MS, 7), 'tokens_per_day')
  })

  test(`${store}: a clock that is put back over midnight does not open the budget of a day again`, async () => {
    const limits = await open({ tokens_per_day: 10 })
    await admit(limits, ANN, MIDNIGHT_MS, 10).then((ticket) => ticket.settle(spent(10), MIDNIGHT_MS))
    assert.equal(await outcome(limits, ANN, MIDNIGHT_MS - 1, 1), 'tokens_per_day')
    assert.equal((await refusal(limits, ANN, MIDNIGHT_MS - HOUR_MS, 1)).standing.resetMs, MIDNIGHT_MS + DAY_MS)
  })

  test(`${store}: a clock that was ahead by years, and is put right, leaves nobody locked out`, async () => {
    const ahead = START_MS + 3650 * DAY_MS
    const limits = await open({ tokens_per_day: 10, requests_per_minute: 60, tokens_per_minute: 10 })
    await admit(limits, ANN, ahead, 10).then((ticket) => ticket.settle(spent(10), ahead))
    assert.equal(await outcome(limits, ANN, START_MS + MINUTE_MS, 1), 'tokens_per_minute')
    assert.equal(await outcome(limits, ANN, START_MS + 2 * MINUTE_MS, 5), 'admitted')
  })

  test(`${store}: a look into the future by a clock that jumps and comes back loses no counter`, async () => {
    const limits = await open({ tokens_per_day: 10 })
    await admit(limits, ANN, START_MS, 4).then((ticket) => ticket.settle(spent(4), START_MS))
    const ticket = await admit(limits, ANN, START_MS + 400 * DAY_MS, 10)
    ticket.release(START_MS + 400 * DAY_MS)
    assert.deepEqual(await limits.usage(ANN, START_MS), { day: spent(4), month: spent(4) })
  })

  test(`${store}: 200 requests of one caller at once, with two limits: as many as the smaller one allows, and the larger one is charged for no more`, async () => {
    const limits = await open({ requests_per_minute: 500, tokens_per_day: 1000 })
    const outcomes = await Promise.all(Array.from({ length: 200 }, () => outcome(limits, ANN, START_MS, 30)))
    assert.equal(outcomes.filter((one) => one === 'admitted').length, 33)
    assert.deepEqual((await admit(limits, ANN, START_MS, 10)).fields(START_MS, true).slice(2, 6), ['x-ratelimit-limit-requests', '500', 'x-ratelimit-remaining-requests', '466'])
  })

  test(`${store}: a reload takes other limits into use and keeps what was counted`, async () => {
    const limits = await open({ tokens_per_day: 10 })
    await admit(limits, ANN, START_MS, 10).then((ticket) => ticket.settle(spent(10), START_MS))
    limits.reload(table({ tokens_per_day: 12 }))
    assert.equal(await outcome(limits, ANN, START_MS, 3), 'tokens_per_day')
    assert.equal(await outcome(limits, ANN, START_MS, 2), 'admitted')
  })
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Limits, type Store, Ticket } from '../../src/limits/index.ts'
import { MemoryStore } from '../../src/limits/memory.ts'
import { admit, ANN, caller, codeOf, HOUR_MS, memory, MINUTE_MS, spent, START_MS, table } from './kit.ts'

const APRIL_MS = Date.UTC(2026, 3, 1)

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
    available: true,
    usage: async (...question) => memoryStore.usage(...question),
    close: async () => undefined,
  }
  const limits = new Limits(store, table({ concurrent: 1 }))
  const ticket = await limits.admit(ANN, { tokens: 1, microUsd: 1 }, START_MS)
  await assert.rejects(async () => limits.admit(ANN, { tokens: 1, microUsd: 1 }, START_MS), { code: 'LIMITS_RATE_EXCEEDED' })
  ticket.settle(spent(3), START_MS)
  assert.deepEqual(await limits.usage(ANN, START_MS), { day: spent(3), month: spent(3) })
})

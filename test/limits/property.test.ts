import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { LimitExceeded, type Limits, openLimits, type Spent, type Ticket } from '../../src/limits/index.ts'
import { admit, caller, chance, crash, freshFolder, memory, spent, START_MS, table, TestWorld, WRITE_MS } from './kit.ts'

const REQUESTS = 10_000
const ROW = { requests_per_minute: 1000, concurrent: 8, tokens_per_day: 300_000, tokens_per_month: 900_000, usd_per_day: 300_000, usd_per_month: 1_500_000 }
const PEOPLE = Array.from({ length: 7 }, (_, i) => caller(`user ${i}`))

interface Charge { readonly user: string; readonly atMs: number; readonly amounts: Spent }
interface Call { readonly user: string; readonly ticket: Ticket; readonly tokens: number; readonly microUsd: number }

/** What should be counted: sums by user and date. */
class Model {
  readonly #kept = new Map<string, Spent>()
  /** What a crash now would lose. */
  unwritten: Charge[] = []

  write(): void {
    for (const { user, atMs, amounts } of this.unwritten.splice(0)) {
      for (const period of periods(user, atMs)) this.#kept.set(period, sum(this.#kept.get(period) ?? spent(0), amounts))
    }
  }

  usage(user: string, nowMs: number): { day: Spent; month: Spent } {
    const [day, month] = periods(user, nowMs).map((period, i) => this.unwritten
      .filter((one) => periods(one.user, one.atMs)[i] === period).reduce((all, { amounts }) => sum(all, amounts), this.#kept.get(period) ?? spent(0)))
    return { day: day!, month: month! }
  }
}

const periods = (user: string, ms: number): string[] => [10, 7].map((digits) => `${user} ${new Date(ms).toISOString().slice(0, digits)}`)

const sum = (a: Spent, b: Spent): Spent => (
  spent(a.input + b.input, a.output + b.output, a.cacheRead + b.cacheRead, a.cacheWrite + b.cacheWrite, a.microUsd + b.microUsd))

/** Whether the model would admit: the limits other than the rate, in their own words. */
function fits(model: Model, live: readonly Call[], user: string, tokens: number, microUsd: number, nowMs: number): boolean {
  const mine = live.filter((call) => call.user === user)
  const reserved = { tokens: mine.reduce((sum, call) => sum + call.tokens, 0), microUsd: mine.reduce((sum, call) => sum + call.microUsd, 0) }
  const { day, month } = model.usage(user, nowMs)
  const left = (limit: number, used: number, held: number, needs: number) => limit - used - held >= Math.max(1, Math.min(needs, limit))
  return mine.length < ROW.concurrent
    && left(ROW.tokens_per_day, day.input + day.output, reserved.tokens, tokens) && left(ROW.tokens_per_month, month.input + month.output, reserved.tokens, tokens)
    && left(ROW.usd_per_day, day.microUsd, reserved.microUsd, microUsd) && left(ROW.usd_per_month, month.microUsd, reserved.microUsd, microUsd)
}

for (const seed of [1, 2, 3]) {
  test(`${REQUESTS} requests that succeed, fail, abort, time out or lose their process (${seed}): decisions, counters and replays are those of a plain list`, () => {
    const random = chance(seed)
    const folder = freshFolder()
    let world = new TestWorld()
    world.timeMs = Date.UTC(2026, 2, 28)
    const open = (): Limits => openLimits(table(ROW), { path: join(folder, 'journal'), fail: 'closed', maxAppendedBytes: 20_000 }, world)
    let limits = open()
    const model = new Model()
    let live: Call[] = []
    const count = { admitted: 0, refused: 0, crashes: 0, closes: 0 }

    const end = (call: Call, ending: number): void => {
      const amounts = spent(random(1 + call.tokens), random(900), random(5000), random(500), random(1 + 2 * call.microUsd))
      // A failure before the answer; all others used something, at least what was seen until then.
      if (ending === 0) call.ticket.release(world.timeMs)
      else {
        call.ticket.settle(amounts, world.timeMs)
        model.unwritten.push({ user: call.user, atMs: world.timeMs, amounts })
      }
      call.ticket.release(world.timeMs)
    }
    const lose = (): void => {
      crash(folder)
      live = []
      model.unwritten = []
      const { timeMs } = world
      world = new TestWorld()
      world.timeMs = timeMs
      limits = open()
      count.crashes++
    }
    const close = (): void => {
      for (const call of live.splice(0)) end(call, random(4))
      limits.close()
      model.write()
      limits = open()
      count.closes++
    }
    const check = (): void => {
      for (const { user } of PEOPLE) assert.deepEqual(limits.usage(caller(user), world.timeMs), model.usage(user, world.timeMs))
    }

    for (let i = 0; i < REQUESTS; i++) {
      const who = PEOPLE[random(PEOPLE.length)]!
      const [tokens, microUsd] = [random(4000), random(3000)]
      const expected = fits(model, live, who.user, tokens, microUsd, world.timeMs)
      try {
        live.push({ user: who.user, ticket: admit(limits, who, world.timeMs, tokens, microUsd), tokens, microUsd })
        assert.ok(expected, `request ${i} was admitted`)
        count.admitted++
      } catch (error) {
        if (!(error instanceof LimitExceeded)) throw error
        assert.ok(!expected, `request ${i} was refused: ${error.message}`)
        count.refused++
      }
      while (live.length > 0 && random(9) > 4) end(live.splice(random(live.length), 1)[0]!, random(4))
      if (random(4) === 0) {
        world.pass(WRITE_MS)
        model.write()
      }
      if (random(400) === 0) lose()
      else if (random(800) === 0) close()
      // A week or so, over the end of a month.
      if (random(3) === 0) {
        world.pass(WRITE_MS + random(400_000))
        model.write()
      }
      if (random(50) === 0) check()
    }
    for (const call of live.splice(0)) end(call, random(4))
    check()
    close()
    check()
    assert.ok(count.admitted > 3000 && count.refused > 100 && count.crashes > 10 && count.closes > 5, JSON.stringify(count))
    limits.close()
  })
}

test('after 10,000 requests nothing is held: every limit is whole again', () => {
  const random = chance(9)
  const limits = memory({ ...ROW, tokens_per_minute: 50_000 })
  const live: Ticket[] = []
  let nowMs = START_MS
  for (let i = 0; i < REQUESTS; i++) {
    nowMs += random(1000)
    try {
      live.push(admit(limits, PEOPLE[random(PEOPLE.length)]!, nowMs, random(4000), random(3000)))
    } catch (error) {
      assert.ok(error instanceof LimitExceeded)
    }
    while (live.length > 0 && random(9) > 4) {
      const ticket = live.splice(random(live.length), 1)[0]!
      if (random(2) === 0) ticket.settle(spent(random(3000), random(3000), 0, 0, random(6000)), nowMs)
      ticket.release(nowMs)
    }
  }
  for (const ticket of live) ticket.release(nowMs)
  const nextMs = Date.UTC(2026, 3, 1)
  for (const who of PEOPLE) {
    const remaining = admit(limits, who, nextMs).fields(nextMs, true)[1]!.split(', ').map((one) => /=([\d.]+);limit=/.exec(one)?.[1])
    assert.deepEqual(remaining, ['1.5', '900000', '0.3', '300000', '50000', '999', '7'])
  }
})

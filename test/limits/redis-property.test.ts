import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type LimitRow, Ticket } from '../../src/limits/index.ts'
import { withRedis } from '../kit/redis.ts'
import { chance, DAY_MS, memory, PEOPLE, spent } from './kit.ts'
import { asked, emptied, Share, usage } from './redis-kit.ts'

const ROW: LimitRow = {
  requests_per_minute: 40, burst: 7, concurrent: 6, tokens_per_minute: 9000, tokens_per_day: 60_000, tokens_per_month: 400_000, usd_per_day: 90_000, usd_per_month: 900_000,
}
const REQUESTS = 2500

/** What a caller of limits would see of what was asked. */
const seen = (given: Ticket | string, nowMs: number): unknown => (given instanceof Ticket ? given.fields(nowMs, true) : given)

await withRedis((server) => {
  for (const seed of [1, 2]) {
    test(`${server.program}: ${REQUESTS} requests over months are decided and counted to the last number as in memory (${seed})`, async () => {
      await emptied(server)
      const random = chance(seed)
      // In memory a call lasts as long as its process.
      const redis = new Share(server.url, ROW, { leaseMs: 1000 * DAY_MS }).limits
      const here = memory(ROW)
      const live: (readonly [Ticket, Ticket])[] = []
      const count = { admitted: 0, refused: 0 }
      let nowMs = Date.UTC(2028, 1, 27)
      for (let i = 0; i < REQUESTS; i++) {
        const who = PEOPLE[random(PEOPLE.length)]!
        const [tokens, microUsd] = [random(3) === 0 ? random(20_000) : random(3000), random(4000)]
        const [one, other] = [await asked(redis, who, nowMs, tokens, microUsd), await asked(here, who, nowMs, tokens, microUsd)]
        assert.deepEqual(seen(one, nowMs), seen(other, nowMs), `request ${i}`)
        if (one instanceof Ticket && other instanceof Ticket) live.push([one, other])
        count[one instanceof Ticket ? 'admitted' : 'refused']++
        while (live.length > 0 && random(9) > 4) {
          const amounts = spent(random(3000), random(900), random(5000), random(500), random(6000))
          const released = random(4) === 0
          for (const ticket of live.splice(random(live.length), 1)[0]!) released ? ticket.release(nowMs) : ticket.settle(amounts, nowMs)
        }
        nowMs += random(30) === 0 ? random(900_000) : random(4000)
        if (random(200) === 0) nowMs += DAY_MS * random(12)
        if (random(40) === 0) for (const person of PEOPLE) assert.deepEqual(await usage(redis, person, nowMs), here.usage(person, nowMs))
      }
      for (const pair of live) for (const ticket of pair) ticket.release(nowMs)
      for (const person of PEOPLE) assert.deepEqual(await usage(redis, person, nowMs), here.usage(person, nowMs))
      assert.ok(count.admitted > 500 && count.refused > 200 && nowMs > Date.UTC(2028, 3, 1), JSON.stringify([count, new Date(nowMs)]))
    })
  }
})

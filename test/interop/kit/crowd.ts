import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Program } from './program.ts'
import type { SessionStandIn } from './session.ts'

/** How long the crowd talks: a minute is what a release is held to. */
const SECONDS = Number(process.env.INTEROP_SECONDS ?? 5)
const CROWD = 50
const PER_SECOND = 25
const FILLER = 'x'.repeat(1000)

/** One of the crowd: the way it says its events, and what it hears until the other side has ended. */
export interface Voice {
  say(event: unknown): void
  /** Has said all. */
  end(): void
  readonly heard: AsyncIterable<unknown>
}

/** Many talk at once, both ways, each event with its number. */
export function crowd(way: string, standIn: SessionStandIn, program: Program, join: (model: string) => Voice): void {
  test(`${CROWD} sessions ${way}, ${PER_SECOND} events a second of 1 KB each way for ${SECONDS} s: nothing lost, reordered or doubled, memory flat`, { timeout: (SECONDS + 120) * 1000 }, async () => {
    const total = SECONDS * PER_SECOND
    let misplaced = 0
    const inOrder = () => {
      let next = 0
      return { take: (event: unknown) => { if ((event as { at: number }).at !== next++) misplaced++ }, count: () => next }
    }
    standIn.scripts.set('talk.crowd', (session) => {
      session.accept()
      session.onEvent = inOrder().take
      void paced(total, (at) => session.say({ at, FILLER })).then(() => session.ended).then((events) => {
        if (events !== total) misplaced++
        session.stream.end()
      })
    })
    const rss: number[] = []
    const watch = setInterval(() => rss.push(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${program.pid}/status`, 'utf8'))?.[1]) / 1024), 500)
    const heard = await Promise.all(Array.from({ length: CROWD }, async () => {
      const voice = join('talk.crowd')
      const talking = paced(total, (at) => voice.say({ at, FILLER })).then(() => voice.end())
      const { take, count } = inOrder()
      for await (const event of voice.heard) take(event)
      await talking
      return count()
    }))
    clearInterval(watch)
    assert.deepEqual(heard, Array.from({ length: CROWD }, () => total))
    assert.equal(misplaced, 0)
    const [third, most] = [rss[Math.floor(rss.length / 3)]!, Math.max(...rss.slice(Math.floor(rss.length / 3)))]
    console.log(`memory of the program: ${third.toFixed(0)} MB after a third of the time, ${most.toFixed(0)} MB at most later`)
    assert.ok(most - third < 60, `memory grew from ${third} to ${most} MB`)
  })
}

/** Calls `each` so often a second, never ahead of time. */
async function paced(total: number, each: (at: number) => unknown): Promise<void> {
  const beganMs = Date.now()
  for (let at = 0; at < total;) {
    const due = Math.min(total, Math.floor((Date.now() - beganMs) * PER_SECOND / 1000) + 1)
    while (at < due) each(at++)
    await pause(1000 / PER_SECOND)
  }
}

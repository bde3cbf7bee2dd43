import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bucket } from '../../src/limits/bucket.ts'
import { chance, DAY_MS, HOUR_MS, MINUTE_MS, START_MS } from './kit.ts'

/** GCRA as ITU-T I.371 writes it, by virtual scheduling: one theoretical arrival time, in exact fractions (numerators over `perMinute`). */
class Oracle {
  #arrival = 0n
  readonly perMinute: bigint
  readonly burst: bigint

  constructor(perMinute: number, burst: number) {
    this.perMinute = BigInt(perMinute)
    this.burst = BigInt(burst)
  }

  admits(nowMs: number): boolean {
    const now = BigInt(nowMs) * this.perMinute
    const increment = BigInt(MINUTE_MS)
    const tolerance = (this.burst - 1n) * increment
    if (this.#arrival - tolerance > now) return false
    this.#arrival = (this.#arrival > now ? this.#arrival : now) + increment
    return true
  }
}

function admits(bucket: Bucket, perMinute: number, burst: number, nowMs: number): boolean {
  if (bucket.left(perMinute, burst, nowMs) < 1) return false
  bucket.take(1)
  return true
}

const RATES = [[60, 1], [60, 60], [7, 3], [7000, 1], [7001, 13], [1, 1], [59_999, 500], [1_000_000, 1_000_000]] as const

for (const [perMinute, burst] of RATES) {
  test(`${perMinute} per minute with a burst of ${burst}: the same decisions as exact virtual scheduling`, () => {
    const random = chance(perMinute + burst)
    const bucket = new Bucket()
    const oracle = new Oracle(perMinute, burst)
    let nowMs = START_MS
    const gapMs = Math.max(2, Math.ceil(2 * MINUTE_MS / perMinute))
    for (let i = 0; i < 20_000; i++) {
      nowMs += random(20) === 0 ? random(gapMs * burst) : random(gapMs)
      assert.equal(admits(bucket, perMinute, burst, nowMs), oracle.admits(nowMs), `request ${i}`)
    }
  })

  test(`${perMinute} per minute with a burst of ${burst}: units are there when they were promised, and not before`, () => {
    const random = chance(perMinute)
    const bucket = new Bucket()
    let nowMs = START_MS
    for (let i = 0; i < 500; i++) {
      while (admits(bucket, perMinute, burst, nowMs));
      const units = 1 + random(Math.min(burst, 50))
      const readyMs = bucket.readyMs(units, perMinute, burst, nowMs)
      assert.ok(bucket.left(perMinute, burst, readyMs - 1) < units)
      assert.ok(bucket.left(perMinute, burst, readyMs) >= units)
      nowMs = readyMs
    }
  })
}

test('an hour, and a month, of asking all the time admits what the rate allows to the last request', () => {
  for (const [perMinute, burst, spanMs, stepMs] of [[7000, 5, HOUR_MS, 3], [7, 3, 31 * DAY_MS, 1009]] as const) {
    const bucket = new Bucket()
    let admitted = 0
    for (let ms = 0; ms <= spanMs; ms += stepMs) while (admits(bucket, perMinute, burst, START_MS + ms)) admitted++
    const endMs = Math.floor(spanMs / stepMs) * stepMs
    assert.equal(admitted, burst + Math.floor(endMs * perMinute / MINUTE_MS))
  }
})

test('a clock that is put back, by a second or by ten years, neither locks nor opens the bucket', () => {
  for (const backMs of [1000, HOUR_MS, 3650 * DAY_MS]) {
    const bucket = new Bucket()
    while (admits(bucket, 60, 10, START_MS));
    assert.equal(admits(bucket, 60, 10, START_MS - backMs), false)
    assert.equal(admits(bucket, 60, 10, START_MS - backMs + 1000), true)
    assert.equal(admits(bucket, 60, 10, START_MS - backMs + 1000), false)
  }
})

test('a guess that is put right never leaves more than if the real number had been taken at once', () => {
  const random = chance(5)
  for (let round = 0; round < 300; round++) {
    const [guessing, knowing] = [new Bucket(), new Bucket()]
    const open: { readonly guess: number; readonly real: number; readonly sinceMs: number }[] = []
    let nowMs = START_MS
    for (let i = 0; i < 60; i++) {
      nowMs += random(8000)
      const call = { guess: random(800), real: random(500), sinceMs: nowMs }
      for (const [bucket, units] of [[guessing, call.guess], [knowing, Math.min(call.guess, call.real)]] as const) {
        bucket.left(1000, 1000, nowMs)
        bucket.take(units)
      }
      open.push(call)
      if (random(2) === 0) {
        const { guess, real, sinceMs } = open.splice(random(open.length), 1)[0]!
        guessing.correct(guess, real, 1000, sinceMs, nowMs)
        // What was guessed too low can only be known at the end.
        knowing.left(1000, 1000, nowMs)
        knowing.take(Math.max(0, real - guess))
      }
      assert.ok(guessing.left(1000, 1000, nowMs) <= knowing.left(1000, 1000, nowMs))
    }
  }
})

test('a guess that is put right at once leaves exactly what the real number leaves', () => {
  const bucket = new Bucket()
  bucket.left(1000, 1000, START_MS)
  bucket.take(900)
  bucket.correct(900, 100, 1000, START_MS, START_MS)
  assert.equal(bucket.left(1000, 1000, START_MS), 900)
})

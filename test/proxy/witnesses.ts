import assert from 'node:assert/strict'
import type { Charge, Life, Line } from './lives.ts'
import { numberOf, type Outcome } from './mixture.ts'

const TOKENS = [['input', 'input'], ['output', 'output'], ['cache_read', 'cacheRead'], ['cache_write', 'cacheWrite']] as const

/** Whether something was counted for the call, and as what. */
export const isCharged = (line: Line): boolean => line['input_tokens'] !== undefined
export function chargeOf(line: Line): Charge {
  const [input, output, cacheRead, cacheWrite] = TOKENS.map(([kind]) => Number(line[`${kind}_tokens`])) as [number, number, number, number]
  return [`\n${line.user}`, Date.parse(String(line.time)) + Number(line.duration_ms), input, output, cacheRead, cacheWrite, Math.round(Number(line.cost_usd ?? 0) * 1e6)]
}

function sumOf(charges: readonly Charge[]) {
  const sum = (at: 2 | 3 | 4 | 5 | 6) => charges.reduce((all, charge) => all + charge[at], 0)
  return { input: sum(2), output: sum(3), cacheRead: sum(4), cacheWrite: sum(5), microUsd: sum(6) }
}

/** What a user has used in the day and in the month that are now. */
export function usageOf(charges: readonly Charge[], user: string) {
  const now = new Date().toISOString()
  const since = (begin: string) => charges.filter(([key, atMs]) => key === `\n${user}` && new Date(atMs).toISOString().startsWith(begin))
  return { day: sumOf(since(now.slice(0, 'YYYY-MM-DD'.length))), month: sumOf(since(now.slice(0, 'YYYY-MM'.length))) }
}

/** The figures of a metric, by its labels. */
export const figures = (text: string, name: string): Map<string, number> =>
  new Map([...text.matchAll(new RegExp(`^bedrock_sso_proxy_${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm'))].map(([, labels, value]) => [labels ?? '', Number(value)]))

function countBy(lines: readonly Line[], key: (line: Line) => string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const line of lines) counts.set(key(line), (counts.get(key(line)) ?? 0) + 1)
  return counts
}

function sumsOf(figures: ReadonlyMap<string, number>, key: RegExp): Map<string, number> {
  const sums = new Map<string, number>()
  for (const [labels, value] of figures) {
    const name = key.exec(labels)!.slice(1).join(' ')
    sums.set(name, (sums.get(name) ?? 0) + value)
  }
  return sums
}

/** How many calls the metrics have counted. */
export const countOf = (metrics: string): number => [...figures(metrics, 'requests_total').values()].reduce((a, b) => a + b, 0)

/** The metrics have counted the first calls that ended, each as the audit log has it. @returns How many. */
export function checkMetrics(metrics: string, calls: readonly Line[]): number {
  const count = countOf(metrics)
  const counted = calls.slice(0, count)
  assert.deepEqual(sumsOf(figures(metrics, 'requests_total'), /status="(\w+)",failed="(\w+)"/), countBy(counted, ({ status, failed = 'none' }) => `${status} ${failed}`))
  assert.deepEqual(figures(metrics, 'errors_total'), countBy(counted.filter(({ error }) => error !== undefined), ({ error }) => `error="${error}"`))
  const sum = sumOf(counted.filter(isCharged).map(chargeOf))
  const tokens = sumsOf(figures(metrics, 'tokens_total'), /kind="(\w+)"/)
  for (const [kind, counter] of TOKENS) assert.equal(tokens.get(kind) ?? 0, sum[counter])
  assert.equal(Math.round([...figures(metrics, 'cost_usd_total').values()].reduce((a, b) => a + b, 0) * 1e6), sum.microUsd)
  return count
}

/** A request of the mixture: in which life, and what became of it. */
export interface Fared extends Outcome {
  readonly n: number
  readonly life: number
  readonly isH1: boolean
  /** When its client began, and when he had all there was for him. */
  readonly beganMs: number
  readonly endedMs: number
  /** Its client went before it had its answer: when the program noticed, nobody knows. */
  readonly left: boolean
}

/** Where the records of one life end. */
export interface End {
  /** What the journal was charged, as the audit log says it. */
  readonly charges: readonly Charge[]
  /** Calls that have an intent and no end; those whose end the audit log has and the journal lacks; and the other way round. */
  readonly open: number
  readonly unrecorded: number
  readonly unaudited: number
}

/** How long what ended waits to be written, and the millisecond by which clocks may be apart. */
const WRITTEN_MS = 10 + 1

/**
 * Log, audit log and journal of one life tell of the same calls in the same order. At a kill one of them can reach further than another, by what ended in
 * the last ten milliseconds; and what of that was answered can be in none of them. All that ended before is in each.
 */
export function checkEnd({ requests, intents, calls, records }: Life, fared: readonly Fared[]): End {
  const ids = (lines: readonly Line[]) => lines.map(({ request_id: id }) => id)
  const ended = new Set(ids(calls))
  assert.equal(ended.size, calls.length)
  assert.deepEqual(ids(requests.slice(0, calls.length)), ids(calls.slice(0, requests.length)))
  assert.deepEqual(requests.filter(({ error }) => error === 'INTERNAL'), [])

  const [charged, recorded] = [calls.filter(isCharged), records.flat()]
  const charges = [...charged.slice(0, recorded.length).map(chargeOf), ...recorded.slice(charged.length)]
  assert.deepEqual(charges, recorded)
  const [unrecorded, unaudited] = [charged.slice(recorded.length), recorded.slice(charged.length)]
  // Who is charged went up, with a line of that.
  const open = intents.filter(({ request_id: id }) => !ended.has(id)).length
  assert.ok(unaudited.length <= open, `the audit log lacks ${unaudited.length} calls`)
  const written = new Set(calls.map(numberOf))
  const unwritten = fared.filter(({ n, left }) => !left && !written.has(n)).map(({ endedMs }) => endedMs)
  const writtenMs = turnsOver(fared, new Set([...intents, ...calls].map(numberOf))) - WRITTEN_MS
  assert.deepEqual([...[...unrecorded.map(chargeOf), ...unaudited].map(([, endedMs]) => endedMs), ...unwritten].filter((endedMs) => endedMs < writtenMs), [], 'not written, though its time was over')
  return { charges, open, unrecorded: unrecorded.length, unaudited: unaudited.length }
}

/**
 * Until when all that ended did so in turns that were over, as far as it can be seen from outside. On an idle connection of HTTP/1.1 there is nothing
 * to be read: what is asked over it after an end is read in the turn of that end at the earliest; and what is asked once that is answered, in a later one.
 *
 * @param traced - Of what there is a line: that was read.
 */
function turnsOver(fared: readonly Fared[], traced: ReadonlySet<unknown>): number {
  const asked = fared.filter(({ isH1 }) => isH1)
  const readMs = Math.max(0, ...asked.filter(({ n }) => traced.has(n)).map(({ beganMs }) => beganMs))
  return Math.max(0, ...asked.filter(({ left, status, endedMs }) => !left && status !== undefined && endedMs < readMs).map(({ beganMs }) => beganMs))
}

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { type JournalOptions, type JournalWorld, type LimitedCaller, LimitExceeded, type LimitName, type LimitRow, Limits, type LimitsError, type LimitTable, openLimits, type Spent, Ticket } from '../../src/limits/index.ts'
import { createLog } from '../../src/log/index.ts'

export const START_MS = Date.UTC(2026, 2, 15, 12)
export const MINUTE_MS = 60_000
export const HOUR_MS = 3_600_000
export const DAY_MS = 86_400_000

/** How long what ended waits to be written. */
export const WRITE_MS = 10

/** The outside of a journal, where time passes when a test says so. */
export class TestWorld implements JournalWorld {
  timeMs = START_MS
  readonly log: JournalWorld['log']
  readonly lines: { readonly level: string; readonly msg: string; readonly why?: string; readonly offset?: number }[] = []
  #timers: { readonly atMs: number; readonly run: () => void }[] = []

  constructor() {
    this.log = createLog({ level: 'debug', format: 'json', nowMs: this.nowMs, write: (line) => this.lines.push(JSON.parse(line)) })
  }

  nowMs = (): number => this.timeMs
  after = (delayMs: number, run: () => void): (() => void) => {
    const timer = { atMs: this.timeMs + delayMs, run }
    this.#timers.push(timer)
    return () => { this.#timers = this.#timers.filter((one) => one !== timer) }
  }

  pass(ms: number): void {
    this.timeMs += ms
    const due = this.#timers.filter(({ atMs }) => atMs <= this.timeMs)
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.timeMs)
    for (const { run } of due.sort((a, b) => a.atMs - b.atMs)) run()
  }
}

/** A new folder for a journal. */
export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'limits-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export function table(row: LimitRow, more: Partial<LimitTable> = {}): LimitTable {
  return { default: row, groups: new Map(), users: new Map(), issuers: [undefined], ...more }
}

export const memory = (row: LimitRow, more?: Partial<LimitTable>): Limits => openLimits(table(row, more), undefined, new TestWorld())

export function journal(folder: string, world: TestWorld, row: LimitRow = {}, options: Partial<JournalOptions> = {}): Limits {
  return openLimits(table(row), { path: join(folder, 'journal'), fail: 'closed', ...options }, world)
}

/** What becomes of a journal whose process is killed: nothing is written any more, and the process that the lock names is gone. */
export function crash(folder: string): void {
  rmSync(join(folder, 'journal.lock'))
}

export const ANN: LimitedCaller = { issuer: 'https://idp.example', user: 'ann', groups: [] }
export const caller = (user: string, groups: readonly string[] = []): LimitedCaller => ({ issuer: 'https://idp.example', user, groups })

/** Admits at once. */
export function admit(limits: Limits, who: LimitedCaller, nowMs: number, tokens = 0, microUsd = 0): Ticket {
  const ticket = limits.admit(who, { tokens, microUsd }, nowMs)
  if (ticket instanceof Promise) throw new Error('a promise')
  return ticket
}

/** The limit that refuses, or 'admitted'; what is admitted stays so. */
export function outcome(limits: Limits, who: LimitedCaller, nowMs: number, tokens = 0, microUsd = 0): LimitName | 'admitted' {
  try {
    admit(limits, who, nowMs, tokens, microUsd)
    return 'admitted'
  } catch (error) {
    if (error instanceof LimitExceeded) return error.standing.limit
    throw error
  }
}

export function refusal(limits: Limits, who: LimitedCaller, nowMs: number, tokens = 0, microUsd = 0): LimitExceeded {
  try {
    admit(limits, who, nowMs, tokens, microUsd)
  } catch (error) {
    if (error instanceof LimitExceeded) return error
    throw error
  }
  throw new Error('admitted')
}

export function codeOf(run: () => unknown): LimitsError['code'] | 'none' {
  try {
    run()
    return 'none'
  } catch (error) {
    return (error as LimitsError).code
  }
}

export const spent = (input: number, output = 0, cacheRead = 0, cacheWrite = 0, microUsd = 0): Spent => ({ input, output, cacheRead, cacheWrite, microUsd })

/** The same numbers in the same order at every run. */
export function chance(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

export const PEOPLE = ['ann', 'bob', 'Zoë "|" \u{1f600}'].map((user) => caller(user))
export const used = (limits: Limits, nowMs: number) => PEOPLE.map((who) => limits.usage(who, nowMs))
export const call = (limits: Limits, who: (typeof PEOPLE)[number], nowMs: number, amounts = spent(1, 2, 3, 4, 5)): void => admit(limits, who, nowMs, 9, 9).settle(amounts, nowMs)

/** A journal of several records, whose process was killed; and what it had counted at each write. */
export function left(folder: string, writes = 4): { readonly file: string; readonly bytes: Buffer; readonly states: ReturnType<typeof used>[] } {
  const world = new TestWorld()
  const before = journal(folder, world)
  call(before, PEOPLE[0]!, world.timeMs, spent(1000, 100, 10, 1))
  before.close()
  const limits = journal(folder, world)
  const states = [used(limits, world.timeMs)]
  for (let i = 0; i < writes; i++) {
    for (const who of PEOPLE) call(limits, who, world.timeMs)
    world.pass(WRITE_MS)
    states.push(used(limits, world.timeMs))
  }
  crash(folder)
  const file = join(folder, 'journal')
  return { file, bytes: readFileSync(file), states }
}

/** The journal as it is opened after the kill; or the error that refuses it. */
export function reopened(folder: string, world = new TestWorld()): ReturnType<typeof used> | LimitsError {
  try {
    const limits = journal(folder, world)
    const state = used(limits, world.timeMs)
    limits.close()
    return state
  } catch (error) {
    return error as LimitsError
  }
}

import { readFileSync } from 'node:fs'
import { Lock, LockedError } from '../lock/index.ts'
import type { Log } from '../log/index.ts'
import type { Estimate } from './account.ts'
import type { Allowance } from './allowance.ts'
import { LimitsError } from './errors.ts'
import { JournalFile } from './file.ts'
import { MemoryStore } from './memory.ts'
import type { Period, Spent } from './period.ts'
import { corrupt, readRecords } from './record.ts'
import type { Reservation, Store, Usage } from './store.ts'

export interface JournalOptions {
  readonly path: string
  /** What happens to requests while the journal cannot be written. */
  readonly fail: 'open' | 'closed'
  /** How much is appended before the file is written anew, without its past. */
  readonly maxAppendedBytes?: number
}

export interface JournalWorld {
  readonly nowMs: () => number
  /** Runs later, unless the function that it returns is called. */
  readonly after: (delayMs: number, run: () => void) => () => void
  readonly log: Log
}

const VERSION = 1
/** Measured: a write a turn of the event loop took a third of what all limits cost, and sealed (see `JournalFile`) each waits for the disk. */
const WRITE_MS = 10
const SYNC_MS = 1000
const MAX_APPENDED_BYTES = 8 * 1024 * 1024
const ACCOUNTS_PER_RECORD = 1000

/** The counts of a `Spent`, in the order of the file. */
type Counts = readonly [input: number, output: number, cacheRead: number, cacheWrite: number, microUsd: number]

/** The first record says how many accounts follow: they were written before the file got its name, so that all are there or it was damaged. */
interface Head { readonly journal: number; readonly accounts: number }
interface Accounts { readonly accounts: readonly (readonly [key: string, dayMs: number, day: Counts, monthMs: number, month: Counts])[] }
type Charge = readonly [key: string, atMs: number, ...counts: Counts]
interface Charges { readonly charges: readonly Charge[] }

/**
 * Counters that outlive the process, in one file. Kept are those of days and months; what lasts a minute, or as long as a call, begins anew.
 *
 * What ends in ten milliseconds is one append, and on the disk a second later. A process that is killed (`kill -9`) so loses what ended in the last
 * ten, or in a turn of the event loop that is longer, and the calls that were in flight: nobody has seen what those used, and they are not charged.
 * A host that loses its power loses the last second too.
 */
export class JournalStore implements Store {
  readonly #options: JournalOptions
  readonly #world: JournalWorld
  readonly #lock: Lock
  readonly #memory = new MemoryStore((key, spent, nowMs) => this.#note(key, spent, nowMs))
  /** `undefined` while it cannot be written: then the memory holds the truth, and a new file will take it from there. */
  #file: JournalFile | undefined
  #pending: Charge[] = []
  #startBytes = 0
  #cancelTick: (() => void) | undefined
  #closed = false

  /** @throws LimitsError - `LIMITS_JOURNAL_LOCKED`, `LIMITS_JOURNAL_CORRUPT`, or `LIMITS_JOURNAL_UNUSABLE` for what the file system says. */
  constructor(options: JournalOptions, world: JournalWorld) {
    this.#options = options
    this.#world = world
    this.#lock = usable(options.path, () => new Lock(`${options.path}.lock`))
    try {
      usable(options.path, () => {
        this.#read()
        this.#rewrite()
      })
    } catch (error) {
      this.#lock.release()
      throw error
    }
  }

  get available(): boolean {
    return this.#file !== undefined
  }

  reserve(allowance: Allowance, estimate: Estimate, nowMs: number): Reservation {
    if (this.#file === undefined && this.#options.fail === 'closed') throw new LimitsError('LIMITS_STORE_UNAVAILABLE', 'what is used cannot be recorded')
    return this.#memory.reserve(allowance, estimate, nowMs)
  }

  usage(key: string, nowMs: number): Usage {
    return this.#memory.usage(key, nowMs)
  }

  /** Writes what is left to write, and leaves the journal to the next process. */
  close(): void {
    if (this.#closed) return
    this.#flush()
    this.#attempt(() => this.#file?.syncNow())
    this.#cancelTick?.()
    this.#closed = true
    this.#drop()
    this.#lock.release()
  }

  #note(key: string, spent: Spent, nowMs: number): void {
    if (this.#file === undefined) return
    const { input, output, cacheRead, cacheWrite, microUsd } = spent
    if (this.#pending.push([key, nowMs, input, output, cacheRead, cacheWrite, microUsd]) === 1) this.#world.after(WRITE_MS, () => this.#flush())
  }

  #flush(): void {
    const charges = this.#pending
    this.#pending = []
    if (charges.length === 0 || this.#file === undefined || this.#closed) return
    this.#attempt(() => {
      this.#file?.append(JSON.stringify({ charges }))
      if (this.#file!.bytes - this.#startBytes > (this.#options.maxAppendedBytes ?? MAX_APPENDED_BYTES)) this.#rewrite()
    })
    this.#cancelTick ??= this.#world.after(SYNC_MS, () => this.#tick())
  }

  /** Once a second while there is something to do. */
  #tick(): void {
    this.#cancelTick = undefined
    if (!this.#lock.held()) return this.#lose()
    const file = this.#file
    this.#attempt(() => {
      // Moved away, deleted, cut, or written by somebody else: what was in it is in memory still.
      if (file === undefined || !file.isAt(this.#options.path)) this.#rewrite()
      else file.sync((error) => { if (error !== null && file === this.#file && !this.#closed) this.#break(error) })
    })
    if (file === undefined && this.#file !== undefined) this.#world.log.info('limits are recorded again', { path: this.#options.path })
  }

  /** A new file of what is in memory, in the place of the old one. */
  #rewrite(): void {
    const { path } = this.#options
    const accounts = [...this.#memory.remembered(this.#world.nowMs())].map(({ key, day, month }) => (
      [key, day.startMs, countsOf(day), month.startMs, countsOf(month)]))
    const draft = new JournalFile(`${path}.new`)
    try {
      draft.append(JSON.stringify({ journal: VERSION, accounts: accounts.length }))
      for (let i = 0; i < accounts.length; i += ACCOUNTS_PER_RECORD) draft.append(JSON.stringify({ accounts: accounts.slice(i, i + ACCOUNTS_PER_RECORD) }))
      // Whoever else has taken the journal has his numbers in it.
      if (!this.#lock.held()) throw new LimitsError('LIMITS_JOURNAL_LOCKED', `another process has taken the journal ${path}`)
      draft.replace(path)
    } catch (error) {
      draft.close()
      throw error
    }
    this.#drop()
    this.#file = draft
    this.#startBytes = draft.bytes
  }

  #attempt(write: () => void): void {
    try {
      write()
    } catch (error) {
      this.#break(error)
    }
  }

  /** After a failed write nobody knows what is in the file, after a failed fsync(2) not even the kernel: the next attempt begins a new one. */
  #break(error: unknown): void {
    const { path, fail } = this.#options
    if (this.#file !== undefined) this.#world.log.error('limits are not recorded', { path, fail, why: (error as Error).message })
    this.#drop()
    this.#cancelTick ??= this.#world.after(SYNC_MS, () => this.#tick())
  }

  /** Another process has the journal. This one must not come back to it. */
  #lose(): void {
    const { path, fail } = this.#options
    this.#world.log.error('limits are not recorded', { path, fail, why: 'another process has taken the journal' })
    this.#drop()
  }

  #drop(): void {
    const file = this.#file
    this.#file = undefined
    this.#pending = []
    file?.close()
  }

  #read(): void {
    const { path } = this.#options
    // Appending makes the file where there is none.
    const bytes = readFileSync(path, { flag: 'a+' })
    let missing: number | undefined
    const tornAt = readRecords(bytes, path, (record) => {
      if (missing === undefined) missing = accountsThatFollow(record as Head)
      else if ('accounts' in (record as Accounts)) missing -= this.#restore(record as Accounts)
      else this.#replay(record as Charges)
    })
    if (bytes.length > 0 && missing !== 0) throw corrupt(path, tornAt ?? bytes.length)
    if (tornAt !== undefined) this.#world.log.warn('the journal of limits ends in a torn write, which is cut', { path, offset: tornAt, bytes: bytes.length - tornAt })
  }

  #restore({ accounts }: Accounts): number {
    for (const [key, dayMs, day, monthMs, month] of accounts) {
      const account = this.#memory.account(key, this.#world.nowMs())
      account.day.set(dayMs, spentOf(day))
      account.month.set(monthMs, spentOf(month))
    }
    return accounts.length
  }

  #replay({ charges }: Charges): void {
    for (const [key, atMs, ...counts] of charges) this.#memory.account(key, this.#world.nowMs()).add(spentOf(counts), atMs)
  }
}

function accountsThatFollow({ journal, accounts }: Head): number {
  if (journal !== VERSION) throw new Error('a journal of another version')
  return accounts
}

/** @throws LimitsError - what it throws, and `LIMITS_JOURNAL_UNUSABLE` for anything else. */
function usable<T>(path: string, open: () => T): T {
  try {
    return open()
  } catch (error) {
    if (error instanceof LimitsError) throw error
    if (error instanceof LockedError) throw new LimitsError('LIMITS_JOURNAL_LOCKED', `process ${error.pid} has the journal (${path}.lock)`)
    throw new LimitsError('LIMITS_JOURNAL_UNUSABLE', `the journal ${path} cannot be used: ${(error as Error).message}`, error)
  }
}

function countsOf(period: Period): Counts {
  const { input, output, cacheRead, cacheWrite, microUsd } = period.spentAt(period.startMs)
  return [input, output, cacheRead, cacheWrite, microUsd]
}

function spentOf([input, output, cacheRead, cacheWrite, microUsd]: Counts): Spent {
  return { input, output, cacheRead, cacheWrite, microUsd }
}

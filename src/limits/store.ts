import type { Estimate } from './account.ts'
import type { Allowance } from './allowance.ts'
import type { Spent } from './period.ts'
import type { Standing } from './standing.ts'

/**
 * Where the counters live. What a store cannot answer at once it answers with a promise.
 *
 * A store that is out of order acts as its `fail` says: `open` admits, `closed` throws `LIMITS_STORE_UNAVAILABLE`; either is logged.
 */
export interface Store {
  /**
   * Takes what a request needs from every limit, or from none.
   *
   * @throws LimitExceeded
   * @throws LimitsError - `LIMITS_STORE_UNAVAILABLE`
   */
  reserve(allowance: Allowance, estimate: Estimate, nowMs: number): Reservation | Promise<Reservation>
  /** Whether it counts where it should. */
  readonly available: boolean
  usage(key: string, nowMs: number): Usage | Promise<Usage>
  close(): void | Promise<void>
}

/** What was taken for one request. */
export interface Reservation {
  /** Gives it back and counts what was used instead. It is called once, and does not throw: a store that fails says so in the log. */
  settle(spent: Spent, nowMs: number): void
  standings(nowMs: number): readonly Standing[]
}

/** What a caller has used in the UTC day and month that are now. */
export interface Usage {
  readonly day: Spent
  readonly month: Spent
}

import { Account, type Estimate } from './account.ts'
import { Allowances, keyOf, type LimitedCaller, type LimitTable } from './allowance.ts'
import { NOTHING, type Spent } from './period.ts'
import { rateLimitFields, type Standing } from './standing.ts'
import type { Reservation, Store, Usage } from './store.ts'

/**
 * What each caller may use, and has used.
 *
 *     const ticket = limits.admit(caller, { tokens: 1200, microUsd: 3600 }, nowMs)
 *     try {
 *       // … fields.push(...ticket.fields(nowMs, false)), forward, relay …
 *       ticket.settle({ input: 310, output: 95, cacheRead: 0, cacheWrite: 0, microUsd: 2355 }, nowMs)
 *     } finally {
 *       ticket.release(nowMs)
 *     }
 */
export class Limits {
  readonly #store: Store
  #allowances: Allowances

  /** @throws LimitsError - `LIMITS_AMBIGUOUS_USER` */
  constructor(store: Store, table: LimitTable) {
    this.#store = store
    this.#allowances = new Allowances(table)
  }

  /**
   * Takes other limits into use; what was counted stays.
   *
   * @throws LimitsError - `LIMITS_AMBIGUOUS_USER`; then the old ones stay.
   */
  reload(table: LimitTable): void {
    this.#allowances = new Allowances(table)
  }

  /**
   * Admits a request, at once where the store is at hand. What it may use is reserved in every limit that counts for the caller, or in none.
   *
   * @param estimate - Whole tokens and micro-dollars; an estimate larger than a limit counts as all of it.
   * @throws LimitExceeded - `LIMITS_RATE_EXCEEDED` (wait a little), `LIMITS_BUDGET_EXCEEDED` (wait for the next day or month)
   * @throws LimitsError - `LIMITS_STORE_UNAVAILABLE`. A promise rejects with the same.
   */
  admit(caller: LimitedCaller, estimate: Estimate, nowMs: number): Ticket | Promise<Ticket> {
    whole(estimate.tokens)
    whole(estimate.microUsd)
    const reservation = this.#store.reserve(this.#allowances.of(caller), estimate, nowMs)
    return reservation instanceof Promise ? reservation.then((one) => new Ticket(one)) : new Ticket(reservation)
  }

  /** What a caller has used in the UTC day and month that are now. */
  usage({ issuer, user }: Pick<LimitedCaller, 'issuer' | 'user'>, nowMs: number): Usage | Promise<Usage> {
    return this.#store.usage(keyOf(issuer, user), nowMs)
  }

  /** How a caller stands with the days and months that limit him; of what is counted by the minute, or at once, it tells the limit alone: all is left. */
  standings(caller: LimitedCaller, nowMs: number): readonly Standing[] | Promise<readonly Standing[]> {
    const allowance = this.#allowances.of(caller)
    const standingsOf = ({ day, month }: Usage) => {
      const account = new Account(allowance.key)
      account.day.add(day, nowMs)
      account.month.add(month, nowMs)
      return account.standings(allowance, nowMs)
    }
    const usage = this.#store.usage(allowance.key, nowMs)
    return usage instanceof Promise ? usage.then(standingsOf) : standingsOf(usage)
  }

  /** Whether what is used is counted where it should be. */
  get available(): boolean {
    return this.#store.available
  }

  close(): void | Promise<void> {
    return this.#store.close()
  }
}

/** One admitted request. It ends with the first `settle` or `release`; any further one does nothing. */
export class Ticket {
  readonly #reservation: Reservation
  #ended = false

  constructor(reservation: Reservation) {
    this.#reservation = reservation
  }

  /** Counts what was really used, whole or as far as it was seen. */
  settle(spent: Spent, nowMs: number): void {
    for (const kind of KINDS) whole(spent[kind])
    if (this.#ended) return
    this.#ended = true
    this.#reservation.settle(spent, nowMs)
  }

  /** Gives all back: nothing was used. As a request, it still counts. */
  release(nowMs: number): void {
    this.settle(NOTHING, nowMs)
  }

  /**
   * What is left, as `rateLimitFields` puts it: for clients of OpenAI, which plan by it, of every limit; for others, as a warning, of those of
   * which little is left. A header costs more CPU time than admitting the call.
   */
  fields(nowMs: number, forOpenAi: boolean): string[] {
    const standings = this.#reservation.standings(nowMs)
    return rateLimitFields(forOpenAi ? standings : standings.filter(({ short }) => short), nowMs, forOpenAi)
  }
}

const KINDS = Object.keys(NOTHING) as (keyof Spent)[]

/** A number that is none would stay in the counters for ever. */
function whole(amount: number): void {
  if (!Number.isSafeInteger(amount) || amount < 0) throw new TypeError('amounts are whole numbers from 0')
}

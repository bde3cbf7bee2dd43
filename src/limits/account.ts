import type { Allowance, Limit, LimitName } from './allowance.ts'
import { Bucket } from './bucket.ts'
import { LimitExceeded } from './errors.ts'
import { DAY, MONTH, NOTHING, Period, type Spent } from './period.ts'
import { exceeded, type Standing } from './standing.ts'

/** What a request will use, as far as can be guessed before: whole tokens (input and output) and micro-dollars. */
export interface Estimate {
  readonly tokens: number
  readonly microUsd: number
}

/** One kind of limit: how much a request needs of it, how much there is, and when there will be all, or enough. */
interface Meter {
  readonly code: 'LIMITS_RATE_EXCEEDED' | 'LIMITS_BUDGET_EXCEEDED'
  readonly needs: (estimate: Estimate) => number
  readonly left: (account: Account, limit: Limit, nowMs: number) => number
  readonly readyMs: (account: Account, limit: Limit, needs: number, nowMs: number) => number
}

/** Calls end when they end: a second is as good a guess as any. */
const SOON_MS = 1000

const METERS: Readonly<Record<LimitName, Meter>> = {
  requests_per_minute: rate('requests', () => 1),
  tokens_per_minute: rate('tokens', ({ tokens }) => tokens),
  concurrent: { code: 'LIMITS_RATE_EXCEEDED', needs: () => 1, left: ({ live }, { value }) => value - live, readyMs: (_, __, ___, nowMs) => nowMs + SOON_MS },
  tokens_per_day: budgetOfTokens('day'),
  tokens_per_month: budgetOfTokens('month'),
  usd_per_day: budgetOfMoney('day'),
  usd_per_month: budgetOfMoney('month'),
}

function rate(bucket: 'requests' | 'tokens', needs: Meter['needs']): Meter {
  return {
    code: 'LIMITS_RATE_EXCEEDED', needs,
    left: (account, { value, burst }, nowMs) => account[bucket].left(value, burst, nowMs),
    readyMs: (account, { value, burst }, units, nowMs) => account[bucket].readyMs(units, value, burst, nowMs),
  }
}

function budgetOfTokens(period: 'day' | 'month'): Meter {
  return {
    code: 'LIMITS_BUDGET_EXCEEDED', needs: ({ tokens }) => tokens,
    left(account, { value }, nowMs) {
      const { input, output } = account[period].spentAt(nowMs)
      return value - account.reserved.tokens - input - output
    },
    readyMs: (account, _, __, nowMs) => account[period].resetMs(nowMs),
  }
}

function budgetOfMoney(period: 'day' | 'month'): Meter {
  return {
    code: 'LIMITS_BUDGET_EXCEEDED', needs: ({ microUsd }) => microUsd,
    left: (account, { value }, nowMs) => value - account.reserved.microUsd - account[period].spentAt(nowMs).microUsd,
    readyMs: (account, _, __, nowMs) => account[period].resetMs(nowMs),
  }
}

/**
 * All that is remembered of one caller. What calls in flight may use is held apart from what was used: it counts against every day and month
 * in which they run, and what they use in the end counts where they end.
 */
export class Account {
  readonly key: string
  readonly requests = new Bucket()
  readonly tokens = new Bucket()
  readonly day = new Period(DAY)
  readonly month = new Period(MONTH)
  readonly reserved = { tokens: 0, microUsd: 0 }
  live = 0

  constructor(key: string) {
    this.key = key
  }

  /**
   * Takes what the request needs from every limit, or from none.
   *
   * @throws LimitExceeded
   */
  reserve({ limits }: Allowance, estimate: Estimate, nowMs: number): void {
    for (const limit of limits) this.#check(limit, estimate, nowMs)
    this.live += 1
    this.reserved.tokens += estimate.tokens
    this.reserved.microUsd += estimate.microUsd
    for (const { name } of limits) {
      if (name === 'requests_per_minute') this.requests.take(1)
      else if (name === 'tokens_per_minute') this.tokens.take(estimate.tokens)
    }
  }

  /** Gives back what was reserved at `sinceMs`, and counts what was used instead. */
  settle({ limits }: Allowance, estimate: Estimate, spent: Spent, sinceMs: number, nowMs: number): void {
    this.live -= 1
    this.reserved.tokens -= estimate.tokens
    this.reserved.microUsd -= estimate.microUsd
    const perMinute = limits.find(({ name }) => name === 'tokens_per_minute')
    if (perMinute !== undefined) this.tokens.correct(estimate.tokens, spent.input + spent.output, perMinute.value, sinceMs, nowMs)
    if (spent !== NOTHING) this.add(spent, nowMs)
  }

  add(spent: Spent, nowMs: number): void {
    this.day.add(spent, nowMs)
    this.month.add(spent, nowMs)
  }

  standings({ limits }: Allowance, nowMs: number): readonly Standing[] {
    return limits.map((limit) => this.#standing(limit, nowMs))
  }

  /** Whether forgetting the caller changes nothing. */
  idle(nowMs: number): boolean {
    return this.live === 0 && this.requests.idle(nowMs) && this.tokens.idle(nowMs) && Object.values(this.month.spentAt(nowMs)).every((count) => count === 0)
  }

  /** Why a request does not fit into a limit, for a client. */
  refusal(limit: Limit, estimate: Estimate, nowMs: number): LimitExceeded {
    const meter = METERS[limit.name]
    const waitMs = meter.readyMs(this, limit, needed(meter, limit, estimate), nowMs) - nowMs
    const standing = this.#standing(limit, nowMs)
    return new LimitExceeded(meter.code, exceeded(standing), standing, Math.max(1, Math.ceil(waitMs / 1000)))
  }

  #check(limit: Limit, estimate: Estimate, nowMs: number): void {
    const meter = METERS[limit.name]
    if (meter.left(this, limit, nowMs) < needed(meter, limit, estimate)) throw this.refusal(limit, estimate, nowMs)
  }

  #standing(limit: Limit, nowMs: number): Standing {
    const { left: leftOf, readyMs } = METERS[limit.name]
    const left = Math.max(0, leftOf(this, limit, nowMs))
    return { limit: limit.name, value: limit.value, left, short: left * 4 < limit.burst, resetMs: readyMs(this, limit, limit.burst, nowMs) }
  }
}

/** What is guessed larger than the whole limit needs all of it; otherwise it could never be admitted. */
function needed({ needs }: Meter, { burst }: Limit, estimate: Estimate): number {
  return Math.max(1, Math.min(needs(estimate), burst))
}

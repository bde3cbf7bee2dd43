import type { LimitName } from './allowance.ts'

/** How a caller stands with one limit. Money is in micro-dollars. */
export interface Standing {
  readonly limit: LimitName
  readonly value: number
  /** Never below zero, even where more was used than allowed. */
  readonly left: number
  /** When all of it is there again; milliseconds since 1970. Of `concurrent` nobody knows: in a second, it says. */
  readonly resetMs: number
}

/** The names in `x-ratelimit-…`: plain for what most clients know, the requests and tokens of a minute. */
const FIELD_NAMES: Readonly<Record<LimitName, string>> = {
  requests_per_minute: 'requests', concurrent: 'concurrent', tokens_per_minute: 'tokens', tokens_per_day: 'tokens-day', tokens_per_month: 'tokens-month',
  usd_per_day: 'usd-day', usd_per_month: 'usd-month',
}

/** `x-ratelimit-limit-…`, `x-ratelimit-remaining-…` and `x-ratelimit-reset-…` (whole seconds from now) as name, value, name, value. */
export function rateLimitFields(standings: readonly Standing[], nowMs: number): string[] {
  const fields: string[] = []
  for (const { limit, value, left, resetMs } of standings) {
    const name = FIELD_NAMES[limit]
    fields.push(
      `x-ratelimit-limit-${name}`, shown(limit, value), `x-ratelimit-remaining-${name}`, shown(limit, left),
      `x-ratelimit-reset-${name}`, String(Math.max(0, Math.ceil((resetMs - nowMs) / 1000))),
    )
  }
  return fields
}

/** The sentence for a client whose request does not fit. */
export function exceeded({ limit, value, left, resetMs }: Standing): string {
  const reset = `${new Date(Math.ceil(resetMs / 1000) * 1000).toISOString().slice(0, 19)}Z`
  return `The request does not fit into the limit ${limit}: ${shown(limit, left)} of ${shown(limit, value)} left, reset at ${reset}.`
}

/** Money in dollars. */
function shown(limit: LimitName, amount: number): string {
  return String(limit === 'usd_per_day' || limit === 'usd_per_month' ? amount / 1e6 : amount)
}

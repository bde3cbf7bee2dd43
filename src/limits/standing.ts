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

/** How a limit is called in `x-ratelimit-…`: plain for what most clients know, the requests and tokens of a minute. */
const NAMES: Readonly<Record<LimitName, FieldNames>> = {
  requests_per_minute: named('requests'), concurrent: named('concurrent'), tokens_per_minute: named('tokens'), tokens_per_day: named('tokens-day'),
  tokens_per_month: named('tokens-month'), usd_per_day: named('usd-day'), usd_per_month: named('usd-month'),
}

type FieldNames = readonly [limit: string, remaining: string, reset: string]

function named(name: string): FieldNames {
  return [`x-ratelimit-limit-${name}`, `x-ratelimit-remaining-${name}`, `x-ratelimit-reset-${name}`]
}

/** `x-ratelimit-limit-…`, `x-ratelimit-remaining-…` and, where it is known, `x-ratelimit-reset-…` (whole seconds from now) as name, value, name, value. */
export function rateLimitFields(standings: readonly Standing[], nowMs: number): string[] {
  const fields: string[] = []
  for (const { limit, value, left, resetMs } of standings) {
    const [ofLimit, ofRemaining, ofReset] = NAMES[limit]
    fields.push(ofLimit, shown(limit, value), ofRemaining, shown(limit, left))
    if (limit !== 'concurrent') fields.push(ofReset, String(Math.max(0, Math.ceil((resetMs - nowMs) / 1000))))
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

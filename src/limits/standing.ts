import type { LimitName } from './allowance.ts'

/** How a caller stands with one limit. Money is in micro-dollars. */
export interface Standing {
  readonly limit: LimitName
  readonly value: number
  /** Never below zero, even where more was used than allowed. */
  readonly left: number
  /** When all of it is there again; milliseconds since 1970. Of `concurrent` nobody knows: a second from now. */
  readonly resetMs: number
}

/** The headers of each limit: of those of a minute the three that many clients know, else one. */
const NAMES: Readonly<Record<LimitName, string | readonly [limit: string, remaining: string, reset: string]>> = {
  requests_per_minute: ['x-ratelimit-limit-requests', 'x-ratelimit-remaining-requests', 'x-ratelimit-reset-requests'],
  tokens_per_minute: ['x-ratelimit-limit-tokens', 'x-ratelimit-remaining-tokens', 'x-ratelimit-reset-tokens'],
  concurrent: 'x-ratelimit-concurrent', tokens_per_day: 'x-ratelimit-tokens-day', tokens_per_month: 'x-ratelimit-tokens-month',
  usd_per_day: 'x-ratelimit-usd-day', usd_per_month: 'x-ratelimit-usd-month',
}

/** The `x-ratelimit-…` headers as name, value, name, value; what is reset will be so in whole seconds from now. */
export function rateLimitFields(standings: readonly Standing[], nowMs: number): string[] {
  const fields: string[] = []
  for (const { limit, value, left, resetMs } of standings) {
    const [all, remaining, resetS] = [shown(limit, value), shown(limit, left), Math.max(0, Math.ceil((resetMs - nowMs) / 1000))]
    const names = NAMES[limit]
    if (typeof names !== 'string') fields.push(names[0], all, names[1], remaining, names[2], String(resetS))
    else fields.push(names, `limit=${all}, remaining=${remaining}${limit === 'concurrent' ? '' : `, reset=${resetS}`}`)
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

import type { LimitName } from './allowance.ts'

/** How a caller stands with one limit. Money is in micro-dollars. */
export interface Standing {
  readonly limit: LimitName
  readonly value: number
  /** Never below zero, even where more was used than allowed. */
  readonly left: number
  /** Whether less than a quarter is left of what can be there at once. */
  readonly short: boolean
  /** When all of it is there again; milliseconds since 1970. Of `concurrent` nobody knows: a second from now. */
  readonly resetMs: number
}

/** What the clients of OpenAI look for. */
const WELL_KNOWN: { readonly [N in LimitName]?: readonly [limit: string, remaining: string, reset: string] } = {
  requests_per_minute: ['x-ratelimit-limit-requests', 'x-ratelimit-remaining-requests', 'x-ratelimit-reset-requests'],
  tokens_per_minute: ['x-ratelimit-limit-tokens', 'x-ratelimit-remaining-tokens', 'x-ratelimit-reset-tokens'],
}

/**
 * How a caller stands, as a header (name, value), none where nothing is limited. It looks like a dictionary of RFC 9651:
 * `usd_per_month=87.5;limit=100;reset=648000, concurrent=4;limit=5`. What is reset will be so in whole seconds from now.
 * All in one line: each line costs more CPU time than admitting the call.
 *
 * @param wellKnown - Whether the headers that clients of OpenAI look for follow.
 */
export function rateLimitFields(standings: readonly Standing[], nowMs: number, wellKnown: boolean): string[] {
  if (standings.length === 0) return []
  const known: string[] = []
  let line = ''
  for (const { limit, value, left, resetMs } of standings) {
    const all = shown(limit, value)
    const remaining = shown(limit, left)
    const reset = Math.max(0, Math.ceil((resetMs - nowMs) / 1000))
    if (line !== '') line += ', '
    line += limit === 'concurrent' ? `${limit}=${remaining};limit=${all}` : `${limit}=${remaining};limit=${all};reset=${reset}`
    const names = wellKnown ? WELL_KNOWN[limit] : undefined
    if (names !== undefined) known.push(names[0], all, names[1], remaining, names[2], String(reset))
  }
  return ['x-ratelimit-remaining', line, ...known]
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

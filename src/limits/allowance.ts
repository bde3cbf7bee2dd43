/** What can be limited. Of several that refuse, the first in this order is told: the one that will refuse longest. */
export const LIMIT_NAMES = [
  'usd_per_month', 'tokens_per_month', 'usd_per_day', 'tokens_per_day', 'tokens_per_minute', 'requests_per_minute', 'concurrent',
] as const
export type LimitName = (typeof LIMIT_NAMES)[number]

/** Limits as configured: integers from 1, money in micro-dollars. What is not there is left to the next row. */
export type LimitRow = { readonly [N in LimitName | 'burst']?: number | undefined }

/** Who is limited how. Users are named `user`, or `issuer|user` where there are several issuers. */
export interface LimitTable {
  readonly default: LimitRow
  readonly groups: ReadonlyMap<string, LimitRow>
  readonly users: ReadonlyMap<string, LimitRow>
  readonly severalIssuers: boolean
}

/** What limits need to know of a caller. */
export interface LimitedCaller {
  readonly issuer: string
  readonly user: string
  readonly groups: readonly string[]
}

export interface Limit {
  readonly name: LimitName
  readonly value: number
  /** How much of it there is at once. */
  readonly burst: number
}

/** A caller with the limits that count for him, in the order of `LIMIT_NAMES`. */
export interface Allowance {
  /** One caller, one key. A user's name holds no control character, so that no two pairs of issuer and user make the same. */
  readonly key: string
  readonly limits: readonly Limit[]
}

/**
 * The limits that count for each caller. Each limit for itself: the one of the user's own row; where that has none, the most generous of his
 * groups; where they have none either, the default; and if that has none, no limit. `burst` belongs to the `requests_per_minute` of its row;
 * without it the requests of a whole minute may come at once.
 */
export class Allowances {
  readonly #table: LimitTable
  /** Callers live as long as their tokens are remembered. */
  readonly #known = new WeakMap<LimitedCaller, Allowance>()

  constructor(table: LimitTable) {
    this.#table = table
  }

  of(caller: LimitedCaller): Allowance {
    let known = this.#known.get(caller)
    if (known === undefined) this.#known.set(caller, known = this.#make(caller))
    return known
  }

  #make({ issuer, user, groups }: LimitedCaller): Allowance {
    const { default: fallback, groups: ofGroups, users, severalIssuers } = this.#table
    const own = users.get(severalIssuers ? `${issuer}|${user}` : user)
    const tiers = [[own], groups.map((group) => ofGroups.get(group)), [fallback]]
    return {
      key: keyOf(issuer, user),
      limits: LIMIT_NAMES.flatMap((name) => tiers.map((rows) => mostGenerous(name, rows)).find((limit) => limit !== undefined) ?? []),
    }
  }
}

export const keyOf = (issuer: string, user: string): string => `${issuer}\n${user}`

function mostGenerous(name: LimitName, rows: readonly (LimitRow | undefined)[]): Limit | undefined {
  const limits = rows.flatMap((row): Limit[] => {
    const value = row?.[name]
    if (value === undefined) return []
    return [{ name, value, burst: name === 'requests_per_minute' ? row?.burst ?? value : value }]
  })
  return limits.sort((a, b) => b.value - a.value || b.burst - a.burst)[0]
}

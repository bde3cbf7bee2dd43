import { LimitsError } from './errors.ts'

/** What can be limited. Of several that refuse, the first in this order is told: the one that will refuse longest. */
export const LIMIT_NAMES = [
  'usd_per_month', 'tokens_per_month', 'usd_per_day', 'tokens_per_day', 'tokens_per_minute', 'requests_per_minute', 'concurrent',
] as const
export type LimitName = (typeof LIMIT_NAMES)[number]

/** Limits as configured: integers from 1, money in micro-dollars. What is not there is left to the next row. */
export type LimitRow = { readonly [N in LimitName | 'burst']?: number | undefined }

/** Who is limited how. */
export interface LimitTable {
  readonly default: LimitRow
  /** By `group`, or `issuer|group` for that of one issuer. */
  readonly groups: ReadonlyMap<string, LimitRow>
  /** By `user`, or `issuer|user`; with several issuers only the latter. */
  readonly users: ReadonlyMap<string, LimitRow>
  /** All there are; one that has no name is the only one. */
  readonly issuers: readonly (string | undefined)[]
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
  readonly #default: LimitRow
  readonly #groups: Rows
  readonly #users: Rows
  /** Callers live as long as their tokens are remembered. */
  readonly #known = new WeakMap<LimitedCaller, Allowance>()

  /** @throws LimitsError - `LIMITS_AMBIGUOUS_USER` */
  constructor({ default: fallback, groups, users, issuers }: LimitTable) {
    this.#default = fallback
    this.#groups = new Rows(groups, issuers)
    this.#users = new Rows(users, issuers)
    // Without a name before it a user would be somebody else with the other issuer.
    if (issuers.length > 1 && this.#users.bare) throw new LimitsError('LIMITS_AMBIGUOUS_USER', 'with several issuers a user is written issuer|user')
  }

  of(caller: LimitedCaller): Allowance {
    let known = this.#known.get(caller)
    if (known === undefined) this.#known.set(caller, known = this.#make(caller))
    return known
  }

  #make({ issuer, user, groups }: LimitedCaller): Allowance {
    const tiers = [[this.#users.get(issuer, user)], groups.map((group) => this.#groups.get(issuer, group)), [this.#default]]
    return {
      key: keyOf(issuer, user),
      limits: LIMIT_NAMES.flatMap((name) => tiers.map((rows) => mostGenerous(name, rows)).find((limit) => limit !== undefined) ?? []),
    }
  }
}

/** Rows by name: of one issuer, or of whichever. */
class Rows {
  readonly #bare = new Map<string, LimitRow>()
  readonly #qualified = new Map<string, LimitRow>()

  constructor(rows: ReadonlyMap<string, LimitRow>, issuers: readonly (string | undefined)[]) {
    for (const [name, row] of rows) {
      const issuer = issuers.find((known) => known !== undefined && name.startsWith(`${known}|`))
      if (issuer === undefined) this.#bare.set(name, row)
      else this.#qualified.set(keyOf(issuer, name.slice(issuer.length + 1)), row)
    }
  }

  get bare(): boolean {
    return this.#bare.size > 0
  }

  get(issuer: string, name: string): LimitRow | undefined {
    return this.#qualified.get(keyOf(issuer, name)) ?? this.#bare.get(name)
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

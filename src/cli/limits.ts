import type { Config } from '../config/index.ts'
import { type JournalOptions, type LimitRow, type LimitTable, redisAddress, type RedisOptions } from '../limits/index.ts'

/** Who is limited how, in the units of the counters. */
export function limitTable({ limits, jwt }: Config): LimitTable {
  const rows = (configured: ReadonlyMap<string, ConfiguredRow>) => new Map([...configured].map(([name, row]) => [name, limitRow(row)]))
  return {
    default: limitRow(limits.default), groups: rows(limits.groups), users: rows(limits.users),
    issuers: jwt.issuers.length > 0 ? jwt.issuers.map(({ issuer }) => issuer) : [jwt.issuer],
  }
}

/** The journal of the limits; none where they are in memory only. */
export function journalOptions({ limits: { path, fail } }: Config): JournalOptions | undefined {
  return path === undefined ? undefined : { path, fail }
}

/** The Redis of the limits, where they are shared. */
export function redisOptions({ limits: { url, password, fail, timeout, lease } }: Config, ca: string | undefined): RedisOptions | undefined {
  if (url === undefined) return undefined
  const address = redisAddress(url)
  return { ...address, password: password ?? address.password, ca, fail, timeoutMs: timeout, leaseMs: lease }
}

type ConfiguredRow = Config['limits']['default']

function limitRow(row: ConfiguredRow): LimitRow {
  return { ...row, usd_per_day: microUsd(row.usd_per_day), usd_per_month: microUsd(row.usd_per_month) }
}

const microUsd = (usd: number | undefined): number | undefined => (usd === undefined ? undefined : Math.round(usd * 1e6))

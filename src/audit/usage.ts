import type { CallFacts, CallRecord } from './record.ts'
import { linesOf } from './lines.ts'

type Call = Readonly<Partial<Record<keyof (CallRecord & CallFacts), unknown>>>

/** What calls can be summed by. A call of a user with several groups counts for each of them. */
const KEYS = {
  user: { columns: ['issuer', 'user'], of: (call: Call) => [[text(call.issuer), text(call.user)]] },
  group: { columns: ['group'], of: ({ groups }: Call) => (Array.isArray(groups) && groups.length > 0 ? groups.map((group) => [text(group)]) : [['']]) },
  model: { columns: ['model'], of: (call: Call) => [[text(call.model)]] },
  day: { columns: ['day'], of: (call: Call) => [[dayOf(call)]] },
} as const satisfies Record<string, { readonly columns: readonly string[]; readonly of: (call: Call) => readonly (readonly string[])[] }>

export type UsageKey = keyof typeof KEYS
export const USAGE_KEYS = Object.keys(KEYS) as readonly UsageKey[]

const COUNTS = ['input_tokens', 'output_tokens', 'cache_read_tokens', 'cache_write_tokens', 'cost_usd'] as const

/** The columns of the key, then the sums. */
export type UsageRow = Readonly<Record<string, string | number>>

/**
 * Sums what a log says, file by file and line by line: requests, those that failed, tokens of each kind, cost. Lines that are
 * not of calls count for nothing; those that are no JSON are counted. By day in order of time, else the dearest first.
 *
 * @throws AuditError - `AUDIT_FILE_UNUSABLE`
 */
export function usage(files: readonly string[], by: UsageKey): { readonly rows: readonly UsageRow[]; readonly unread: number } {
  const sums = new Map<string, Sum>()
  let unread = 0
  for (const file of files) {
    for (const { bytes } of linesOf(file)) {
      const call = parse(bytes)
      if (call === undefined) unread++
      else if (call.event === 'call') for (const key of KEYS[by].of(call)) add(sums, key, call)
    }
  }
  const rows = [...sums.values()].sort((a, b) => (by === 'day' ? 0 : b.counts.at(-1)! - a.counts.at(-1)! || b.requests - a.requests) || (a.key.join() < b.key.join() ? -1 : 1))
  return { rows: rows.map((sum) => rowOf(KEYS[by].columns, sum)), unread }
}

interface Sum {
  readonly key: readonly string[]
  requests: number
  failed: number
  readonly counts: number[]
}

function add(sums: Map<string, Sum>, key: readonly string[], call: Call): void {
  const name = JSON.stringify(key)
  let sum = sums.get(name)
  if (sum === undefined) sums.set(name, sum = { key, requests: 0, failed: 0, counts: COUNTS.map(() => 0) })
  sum.requests++
  if (call.failed !== undefined) sum.failed++
  for (const [i, count] of COUNTS.entries()) {
    const value = call[count]
    if (typeof value === 'number') sum.counts[i]! += value
  }
}

function rowOf(columns: readonly string[], { key, requests, failed, counts }: Sum): UsageRow {
  const row: Record<string, string | number> = {}
  for (const [i, column] of columns.entries()) row[column] = key[i]!
  Object.assign(row, { requests, failed })
  for (const [i, count] of COUNTS.entries()) row[count] = Number(counts[i]!.toFixed(6))
  return row
}

function parse(bytes: Buffer): (Call & { readonly event?: unknown }) | undefined {
  try {
    return Object(JSON.parse(bytes.toString())) as Call
  } catch {
    return undefined
  }
}

/** The day of its end, in UTC: that of the budget which it is charged to. Empty where the line does not say. */
function dayOf({ time, duration_ms: durationMs }: Call): string {
  const end = new Date(Date.parse(text(time)) + (typeof durationMs === 'number' ? durationMs : 0))
  return Number.isNaN(end.getTime()) ? '' : end.toISOString().slice(0, 10)
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

import type { Place } from './problem.ts'
import type { Option } from './schema.ts'

/** An option, or a cell of a table, as it counts, for people. */
export interface EffectiveOption {
  readonly name: string
  /** With its unit; a secret shows as `[secret]`, what was not given as `none`. */
  readonly value: string
  /** Where it comes from: `default`, `file:line`, or the variable. */
  readonly source: string
  /** What a reload does with a changed value. */
  readonly reload: 'live' | 'restart'
}

export function effectiveOption(name: string, { kind, reload }: Option, value: unknown, place: Place): EffectiveOption {
  return { name, value: kind.table === undefined ? show(value, kind.name) : count(value), source: sourceOf(place), reload }
}

function count(rows: unknown): string {
  if (rows === undefined) return 'none'
  const many = rows instanceof Map ? rows.size : (rows as readonly unknown[]).length
  return many === 0 ? 'none' : `${many} given`
}

function show(value: unknown, kind: string): string {
  if (value === undefined) return 'none'
  const unit = kind.startsWith('duration') ? 'ms' : kind.startsWith('size') ? ' bytes' : ''
  // A Secret says "[secret]" of itself; a PEM is public but long.
  return typeof value === 'string' && value.includes('\n') ? `${value.trim().split('\n', 1)[0]}…` : `${Array.isArray(value) ? value.join(',') : String(value)}${unit}`
}

function sourceOf({ where, line }: Place): string {
  return line === undefined ? where : `${where}:${line}`
}

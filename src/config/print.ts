import type { Place } from './problem.ts'
import { type Config, OPTIONS, type OptionName, type Sources } from './schema.ts'

/** An option as it counts, for people. */
export interface EffectiveOption {
  readonly name: string
  /** With its unit; a secret shows as `[secret]`, what was not given as `none`. */
  readonly value: string
  /** Where it comes from: `default`, `file:line`, or the variable. */
  readonly source: string
  /** What a reload does with a changed value. */
  readonly reload: 'live' | 'restart'
}

/** Every option with its effective value and where that comes from, in the order of the schema. */
export function effectiveOptions(config: Config, sources: Sources): readonly EffectiveOption[] {
  return [...OPTIONS].map(([name, { kind, reload }]) => ({ name, value: show(valueOf(config, name), kind.name), source: sourceOf(sources[name as OptionName]), reload }))
}

function valueOf(config: Config, name: string): unknown {
  return name.split('.').reduce<unknown>((branch, key) => (branch as Readonly<Record<string, unknown>>)[key], config)
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

import { options } from './options.ts'
import type { Kind } from './kinds.ts'
import type { Place } from './problem.ts'
import { isKind } from './rows.ts'

/** One option, with all there is to know about it. */
export interface Option<T = unknown> {
  readonly kind: Kind<T>
  /** As it would stand in a variable; without one the option may be left out and is then `undefined`. */
  readonly default?: string
  /** Of a column: no row may leave it out. */
  readonly required?: true
  /** What a reload (SIGHUP) does with a changed value: `live` takes it, `restart` leaves it until the next start. */
  readonly reload: 'live' | 'restart'
  /** What it is: a sentence. */
  readonly text: string
  /** What goes wrong when it is wrong: a sentence. */
  readonly wrong: string
  /** Other programs' variables that give it too, after our own, the first one set. */
  readonly variables?: readonly string[]
  /** The value names a file that nobody else should read. */
  readonly guarded?: boolean
}

/** Options by their names. */
export type Options = Readonly<Record<string, Option>>

/** The configuration, nested as the options' names are: `config.server.timeouts.header`. Durations in ms, sizes in bytes. */
export type Config = Tree<typeof options>

export type OptionName = keyof typeof options

/** Where the value of each option comes from, and of each row and cell: `jwt.issuers[0].audience`. */
export type Sources = Readonly<Record<OptionName, Place>> & Readonly<Record<string, Place>>

/** Options by their names' parts. */
export type Tree<O> = { readonly [H in Head<keyof O & string>]: H extends keyof O ? Value<O[H]> : Tree<Below<O, H>> }
type Head<K extends string> = K extends `${infer H}.${string}` ? H : K
type Below<O, H extends string> = { readonly [K in keyof O as K extends `${H}.${infer Rest}` ? Rest : never]: O[K] }
type Value<O> = O extends Option<infer T> ? (O extends { readonly default: string } | { readonly required: true } ? T : T | undefined) : never

/** Every option by its name. A Map, because names come from files and variables too. */
export const OPTIONS: ReadonlyMap<string, Option> = new Map(Object.entries<Option>(options))

/** All that is documented: every option, and below a table its columns, such as `jwt.issuers[].audience` or `limits.users.<name>.burst`. */
export function documented(options: Iterable<readonly [string, Option]> = OPTIONS): readonly (readonly [string, Option])[] {
  return [...options].flatMap(([name, option]) => [[name, option] as const, ...columnsOf(name, option)])
}

function columnsOf(name: string, { kind: { table } }: Option): readonly (readonly [string, Option])[] {
  if (table === undefined || isKind(table.row)) return []
  return documented(Object.entries(table.row).map(([column, option]) => [`${name}${table.named ? '.<name>' : '[]'}.${column}`, option]))
}

/** One way to write an option. */
export interface Spelling {
  readonly option: string
  /** The value is the name of a file that holds the option's value. */
  readonly held: boolean
  /** The path in the file, `jwt.secret_file`. */
  readonly key: string
  readonly variable: string
}

/** Every way to write every option. */
export const SPELLINGS: readonly Spelling[] = [...OPTIONS].flatMap(([name, option]) => spellingsOf(name, option))

export function spellingsOf(option: string, { kind, variables = [] }: Option): readonly Spelling[] {
  return [
    spelling(option, false, option),
    ...variables.map((variable) => ({ ...spelling(option, false, option), variable })),
    ...(kind.held ? [spelling(option, true, `${option}_file`)] : []),
  ]
}

/** `server.port` → `SERVER__PORT`. */
function spelling(option: string, held: boolean, key: string): Spelling {
  return { option, held, key, variable: variableOf(key) }
}

export function variableOf(key: string): string {
  return key.toUpperCase().replaceAll('.', '__')
}

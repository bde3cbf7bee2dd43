import type { Kind } from './kinds.ts'
import type { Option, Tree } from './schema.ts'

/** The columns of a table, each documented as an option is. A cell that is `required` is never `undefined`. */
export type Columns = Readonly<Record<string, Option>>

/** A kind that holds others: rows in a list, or by names that are strangers' words. Only the file can give it. */
export interface Table {
  readonly named: boolean
  /** What each row is: cells, or one value. */
  readonly row: Columns | Kind<unknown>
}

/** A list of rows: `[[jwt.issuers]]`. Its option has the default `''`, which is no row. */
export function rows<const C extends Columns>(columns: C): Kind<readonly Tree<C>[]> {
  const expected = 'a list of tables'
  return { name: 'list of tables', expected, table: { named: false, row: columns }, fromText: () => [], fromValue: () => undefined }
}

/** Rows by name: `[limits.users."ann@example.com"]`. Its option has the default `''`, which is no row. */
export function namedRows<const C extends Columns>(columns: C): Kind<ReadonlyMap<string, Tree<C>>> {
  return { name: 'tables by name', expected: 'a mapping of names to tables', table: { named: true, row: columns }, fromText: () => new Map(), fromValue: () => undefined }
}

/** Values by name: `aws.request_metadata.team = "search"`. Its option has the default `''`, which is no value. */
export function namedValues<T>(kind: Kind<T>): Kind<ReadonlyMap<string, T>> {
  const expected = `a mapping of names to values, each ${kind.expected}`
  return { name: `${kind.name} by name`, expected, table: { named: true, row: kind }, fromText: () => new Map(), fromValue: () => undefined }
}

/** Columns as options of their own, too: `issuer` as `jwt.issuer`. */
export function section<const P extends string, const C extends Columns>(prefix: P, columns: C) {
  const options = Object.entries(columns).map(([name, column]) => [`${prefix}.${name}`, column])
  return Object.fromEntries(options) as { readonly [K in keyof C & string as `${P}.${K}`]: C[K] }
}

export const isKind = (row: Columns | Kind<unknown>): row is Kind<unknown> => typeof row.fromText === 'function'

/** The key of one row, as TOML would have it: `jwt.issuers[1]`, `limits.users."ann@example.com"`. */
export function rowKey(key: string, { named }: Pick<Table, 'named'>, name: string): string {
  return named ? `${key}.${/^[\w-]+$/.test(name) ? name : JSON.stringify(name)}` : `${key}[${name}]`
}

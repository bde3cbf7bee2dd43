import type { Files } from './files.ts'
import { text } from './kinds.ts'
import { layer } from './layer.ts'
import type { Given } from './layer.ts'
import { describe, isMapping, suggest } from './problem.ts'
import type { Problem } from './problem.ts'
import { isKind, rowKey } from './rows.ts'
import type { Columns, Table } from './rows.ts'
import { spellingsOf } from './schema.ts'
import type { Option } from './schema.ts'
import { take } from './take.ts'
import type { Taken } from './take.ts'

const rowName = text()

/** Reads a table cell by cell: each as if it were an option, with a key and a line of its own. */
export function takeTable(option: Option, table: Table, given: Given, files: Files): Taken {
  const { raw, spelling: { key } } = given
  if (table.named ? !isMapping(raw) : !Array.isArray(raw)) return refused(given, option.kind.expected)
  const rows = Object.entries(raw as object).map(([name]) => {
    const row = below(given, name, rowKey(key, table, name))
    if (table.named && rowName.fromText(name, '') === undefined) return refused(row, `a name of ${rowName.expected}`)
    return isKind(table.row) ? take(row.spelling.key, { ...option, kind: table.row }, [row], files) : takeRow(table.row, row, files)
  })
  const values = rows.map(({ value }) => value)
  return whole(option, given, rows, table.named ? new Map(Object.keys(raw as object).map((name, i) => [name, values[i]])) : values)
}

function takeRow(columns: Columns, row: Given, files: Files): Taken {
  const { raw, place: { where, line }, spelling: { key } } = row
  if (!isMapping(raw)) return refused(row, 'a mapping of keys')
  const spellings = new Map(Object.entries(columns).flatMap(([name, column]) => spellingsOf(name, column)).map((spelling) => [spelling.key, spelling]))
  const strange = Object.keys(raw).filter((name) => !spellings.has(name)).map((name): Problem => (
    { where, line: row.lineOf([name]) ?? line, key: `${key}.${name}`, expected: `a known key${suggest(name, spellings.keys())}` }))
  // Nothing behind a key counts as not there.
  const cells = [...spellings.values()].filter((spelling) => Object.hasOwn(raw, spelling.key) && raw[spelling.key] !== null).map((spelling) => {
    const cell = below(row, spelling.key, `${key}.${spelling.key}`)
    return { ...cell, spelling: { ...cell.spelling, option: spelling.option, held: spelling.held } }
  })
  const { given, problems } = layer(cells, strange)
  const missing = Object.entries(columns).filter(([name, { required }]) => required && !given.has(name)).map(([name, { kind }]): Problem => (
    { where, line, key: `${key}.${name}`, expected: `${kind.expected}; it may not be left out` }))
  const taken = Object.entries(columns).map(([name, column]) => take(`${key}.${name}`, column, [given.get(name)], files))
  const value = Object.fromEntries(Object.keys(columns).map((name, i) => [name, taken[i]!.value]))
  return whole(undefined, row, taken, value, [...problems, ...missing])
}

/** What stands one step below. */
function below(given: Given, step: string, key: string): Given {
  const { place, spelling, raw, lineOf } = given
  return {
    ...given, spelling: { ...spelling, key }, raw: (raw as Readonly<Record<string, unknown>>)[step],
    place: { ...place, line: lineOf([step]) ?? place.line }, lineOf: (path) => lineOf([step, ...path]),
  }
}

function whole(option: Option | undefined, { spelling: { key }, place }: Given, parts: readonly Taken[], value: unknown, problems: readonly Problem[] = []): Taken {
  return {
    name: key, option, place, value, parts,
    problems: [...problems, ...parts.flatMap((part) => part.problems)], hints: parts.flatMap((part) => part.hints),
  }
}

function refused({ raw, place, spelling: { key } }: Given, expected: string): Taken {
  const problem = { where: place.where, line: place.line, key, expected, found: describe(raw, true) }
  return { name: key, option: undefined, place, value: undefined, parts: [], problems: [problem], hints: [] }
}

import { TomlError } from './errors.ts'
import type { Position } from './errors.ts'
import type { TomlDateTime } from './scalars.ts'

export type TomlValue = string | number | bigint | boolean | TomlDateTime | readonly TomlValue[] | TomlTable
export type TomlTable = { readonly [key: string]: TomlValue }

/**
 * How a table or list came to be decides who may add to it later:
 *
 *                [header] names it   a longer [header] passes   a dotted key passes
 *     implied    once                yes                        yes, and makes it `dotted`
 *     header     no                  yes                        no
 *     dotted     no                  yes                        yes
 *     inline     no                  no                         no
 *
 * `implied` is known only as the beginning of a longer header. That dotted keys add only to tables of their own
 * section needs no bookkeeping: from another section every way leads through a `header` table.
 */
type Origin = 'implied' | 'header' | 'dotted' | 'inline'

/** Keys are a stranger's words, `__proto__` among them: a Map until the end. */
export type Table = { origin: Origin; line: number; readonly entries: Map<string, Node> }
export type List = { readonly origin: Origin; readonly line: number; readonly members: Node[] }
export type Leaf = { readonly line: number; readonly value: string | number | bigint | boolean | TomlDateTime }
export type Node = Table | List | Leaf

export const newTable = (origin: Origin, line: number): Table => ({ origin, line, entries: new Map() })
export const newList = (origin: Origin, line: number): List => ({ origin, line, members: [] })

/** `a.b.c`: parents `a` and `b`, name `c`. */
export type Key = { readonly parents: readonly string[]; readonly name: string; readonly start: Position }

/** `[a.b.c]`: a table that must be new, or only implied so far. */
export function defineTable(root: Table, { parents, name, start }: Key): Table {
  const table = entry(superTable(root, parents, start), name, () => newTable('implied', start.line))
  if (!('entries' in table) || table.origin !== 'implied') return duplicate(start)
  table.origin = 'header'
  table.line = start.line
  return table
}

/** `[[a.b.c]]`: one more table in a list that must be new, or made by such headers alone. */
export function appendTable(root: Table, { parents, name, start }: Key): Table {
  const list = entry(superTable(root, parents, start), name, () => newList('header', start.line))
  if (!('members' in list) || list.origin !== 'header') return duplicate(start)
  const table = newTable('header', start.line)
  list.members.push(table)
  return table
}

/** What holds the thing a header names. A list of tables on the way stands for its last member. */
function superTable(root: Table, parents: readonly string[], start: Position): Table {
  let table = root
  for (const name of parents) {
    const node = entry(table, name, () => newTable('implied', start.line))
    const next = 'members' in node ? node.members.at(-1) : node
    if (!next || !('entries' in next) || next.origin === 'inline') return duplicate(start)
    table = next
  }
  return table
}

/** `a.b.c = value`, counted from `table`. */
export function assign(table: Table, { parents, name, start }: Key, value: Node): void {
  for (const parent of parents) {
    const next = entry(table, parent, () => newTable('dotted', start.line))
    if (!('entries' in next) || next.origin === 'header' || next.origin === 'inline') return duplicate(start)
    next.origin = 'dotted'
    table = next
  }
  if (entry(table, name, () => value) !== value) duplicate(start)
}

/** What stands under a name, or else is put there. */
function entry(table: Table, name: string, create: () => Node): Node {
  const node = table.entries.get(name) ?? create()
  table.entries.set(name, node)
  return node
}

function duplicate(start: Position): never {
  throw new TomlError('TOML_DUPLICATE', 'a key or table is already defined, or closed to additions', start)
}

/** The finished value. `Object.fromEntries` makes an own property even of `__proto__`, where an assignment would set the prototype. */
export function plain(node: Node): TomlValue {
  if ('members' in node) return node.members.map(plain)
  if ('entries' in node) return Object.fromEntries(Array.from(node.entries, ([name, child]) => [name, plain(child)]))
  return node.value
}

export function find(root: Table, path: readonly string[]): Node | undefined {
  let node: Node | undefined = root
  for (const name of path) {
    if (!node || 'value' in node) return undefined
    node = 'entries' in node ? node.entries.get(name) : node.members[Number(name)]
  }
  return node
}

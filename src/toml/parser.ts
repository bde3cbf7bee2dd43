import { Scanner } from './scanner.ts'
import { scalar } from './scalars.ts'
import { singleLine, string } from './strings.ts'
import { appendTable, assign, defineTable, find, newList, newTable, plain } from './tree.ts'
import type { Key, List, Node, Table, TomlTable } from './tree.ts'

/** Key parts and brackets, in a header or in a key with its value. */
const MAX_DEPTH = 64

export interface TomlDocument {
  /** Plain objects and arrays; an integer beyond the safe range of a number is a bigint, a date or time a `TomlDateTime`. */
  readonly value: TomlTable
  /** The line, from 1, that defines what a path of keys and list indices names: `['rules', '0', 'users']`. */
  readonly lineOf: (path: readonly string[]) => number | undefined
}

/**
 * Parses a TOML 1.0.0 document (https://toml.io/en/v1.0.0).
 *
 *     const { value, lineOf } = parseToml('[server]\nport = 3000')
 *     value                       // { server: { port: 3000 } }
 *     lineOf(['server', 'port'])  // 2
 *
 * Time and memory are linear in the length of the text. To bound that length is for the caller, and so is to decode the
 * file with a decoder that refuses what is not UTF-8; a byte order mark may be left in.
 *
 * @throws TomlError - for any text that is not TOML, or that nests deeper than 64 within one header or one key with its value.
 */
export function parseToml(text: string): TomlDocument {
  const root = toml(new Scanner(text))
  return { value: plain(root) as TomlTable, lineOf: (path) => find(root, path)?.line }
}

// From here on functions are named as the productions of the grammar (toml.abnf).

/** toml = expression *( newline expression ) */
function toml(s: Scanner): Table {
  const root = newTable('header', 1)
  let section = root
  do {
    s.take(WS)
    if (s.sees('[')) section = table(s, root)
    else if (!s.sees('#') && !s.sees('\n') && !s.done) keyval(s, section, 0)
    s.take(COMMENT)
  } while (s.skip('\n'))
  if (!s.done) s.fail('TOML_SYNTAX', 'expected the end of the line')
  return root
}

const WS = /[ \t]*/y
const COMMENT = /#[^\n]*/y

/** ws-comment-newline: between the values of an array, the only place where a value may run over lines unquoted. */
function wsCommentNewline(s: Scanner): void {
  do s.take(/[ \t\n]*/y)
  while (s.take(COMMENT) !== undefined)
}

/** table = std-table / array-table, with the white space after it. */
function table(s: Scanner, root: Table): Table {
  const isArray = s.sees('[[')
  s.skip(isArray ? '[[' : '[')
  const name = key(s, 0)
  s.expect(isArray ? ']]' : ']', 'expected the closing brackets of a header')
  s.take(WS)
  return isArray ? appendTable(root, name) : defineTable(root, name)
}

/** keyval = key keyval-sep val, with the white space around it. */
function keyval(s: Scanner, table: Table, depth: number): void {
  const name = key(s, depth)
  s.expect('=', 'expected "="')
  s.take(WS)
  assign(table, name, val(s, depth + name.parents.length + 1))
  s.take(WS)
}

/** key = simple-key / dotted-key, with the white space around it. */
function key(s: Scanner, depth: number): Key {
  s.take(WS)
  const start = s.position
  const parents: string[] = []
  for (;;) {
    const name = simpleKey(s)
    s.take(WS)
    if (!s.skip('.')) return { parents, name, start }
    s.take(WS)
    boundDepth(s, depth + parents.push(name) + 1)
  }
}

/** simple-key = quoted-key / unquoted-key */
function simpleKey(s: Scanner): string {
  return singleLine(s) ?? s.take(/[A-Za-z0-9_-]+/y) ?? s.fail('TOML_SYNTAX', 'expected a key')
}

/** val = string / boolean / array / inline-table / date-time / float / integer */
function val(s: Scanner, depth: number): Node {
  boundDepth(s, depth)
  const { line } = s.position
  if (s.skip('[')) return array(s, newList('inline', line), depth)
  if (s.skip('{')) return inlineTable(s, newTable('inline', line), depth)
  return { value: string(s) ?? scalar(s), line }
}

/** array = array-open [ array-values ] ws-comment-newline array-close; a comma may follow the last value. */
function array(s: Scanner, list: List, depth: number): List {
  do {
    wsCommentNewline(s)
    if (s.sees(']')) break
    list.members.push(val(s, depth + 1))
    wsCommentNewline(s)
  } while (s.skip(','))
  s.expect(']', 'expected "," or "]"')
  return list
}

/** inline-table = inline-table-open [ inline-table-keyvals ] inline-table-close; no newline, no comma after the last. */
function inlineTable(s: Scanner, table: Table, depth: number): Table {
  s.take(WS)
  if (s.skip('}')) return table
  do keyval(s, table, depth)
  while (s.skip(','))
  s.expect('}', 'expected "," or "}"')
  return table
}

/** The parser recurses; a thousand brackets must not reach the end of the stack. */
function boundDepth(s: Scanner, depth: number): void {
  if (depth > MAX_DEPTH) s.fail('TOML_DEPTH', 'keys or values are nested too deep')
}

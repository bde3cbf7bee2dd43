import type { Position } from './errors.ts'
import type { Scanner } from './scanner.ts'

/** string = ml-basic-string / basic-string / ml-literal-string / literal-string; undefined where no quote stands. */
export function string(s: Scanner): string | undefined {
  if (s.skip('"""')) return multiLine(s, /"{1,5}/y, () => s.take(/[^"\\]+/y) ?? escapedNewline(s) ?? escaped(s))
  if (s.skip("'''")) return multiLine(s, /'{1,5}/y, () => s.take(/[^']+/y))
  return singleLine(s)
}

/** basic-string / literal-string: what a key may be quoted with. */
export function singleLine(s: Scanner): string | undefined {
  if (s.skip('"')) return basicString(s)
  if (s.skip("'")) return literalString(s)
  return undefined
}

function basicString(s: Scanner): string {
  const start = s.position
  let text = ''
  while (!s.skip('"')) text += s.take(/[^"\\\n]+/y) ?? escaped(s) ?? unclosed(s, start)
  return text
}

function literalString(s: Scanner): string {
  const start = s.position
  const text = s.take(/[^'\n]*/y) ?? ''
  return s.skip("'") ? text : unclosed(s, start)
}

/** Both multi-line forms; `part` takes a piece without a quote. A newline right after the opening quotes is not content. */
function multiLine(s: Scanner, quotes: RegExp, part: () => string | undefined): string {
  const start = s.position
  s.skip('\n')
  for (let text = ''; ;) {
    const run = s.take(quotes) ?? ''
    // One or two quotes are content, even directly before the closing three: hence up to five.
    if (run.length >= 3) return text + run.slice(3)
    text += run + (part() ?? unclosed(s, start))
  }
}

/** mlb-escaped-nl: a backslash that ends a line swallows all white space up to the next text. */
const escapedNewline = (s: Scanner): string | undefined => s.take(/\\[ \t]*\n[ \t\n]*/y) && ''

const ESCAPES = new Map([
  ['b', '\b'], ['t', '\t'], ['n', '\n'], ['f', '\f'], ['r', '\r'], ['"', '"'], ['\\', '\\'],
])

function escaped(s: Scanner): string | undefined {
  const start = s.position
  if (!s.skip('\\')) return undefined
  const sequence = s.take(/[btnfr"\\]|u[\dA-Fa-f]{4}|U[\dA-Fa-f]{8}/y) ?? s.fail('TOML_ESCAPE', 'an escape sequence is unknown or incomplete', start)
  return ESCAPES.get(sequence) ?? character(parseInt(sequence.slice(1), 16)) ?? s.fail('TOML_ESCAPE', 'an escape sequence names no Unicode character', start)
}

/** TOML wants a Unicode scalar value: half of a surrogate pair is none. */
function character(code: number): string | undefined {
  return code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? undefined : String.fromCodePoint(code)
}

const unclosed = (s: Scanner, start: Position): never => s.fail('TOML_STRING', 'a string is not closed', start)

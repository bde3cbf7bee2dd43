import { YamlError, type Mark, type YamlErrorCode } from './error.ts'
import { isWhite, type Scanner } from './scanner.ts'

/** What a plain scalar may not begin with, where that has a name of its own. */
const REFUSED: ReadonlyMap<string, readonly [YamlErrorCode, string]> = new Map([
  ['&', ['YAML_ANCHOR', 'anchors are not supported: quote text that begins with "&"']],
  ['*', ['YAML_ALIAS', 'aliases are not supported: quote text that begins with "*"']],
  ['!', ['YAML_TAG', 'tags are not supported: quote text that begins with "!"']],
  ['?', ['YAML_COMPLEX_KEY', 'complex keys are not supported']],
  [':', ['YAML_KEY', 'a key may not be empty']],
  ['%', ['YAML_CHARACTER', 'quote text that begins with "%"']],
  ['@', ['YAML_CHARACTER', 'quote text that begins with "@"']],
  ['`', ['YAML_CHARACTER', 'quote text that begins with a backtick']],
])

const INDICATORS = '-?:,[]{}#&*!|>\'"%@`'
const FLOW_INDICATORS = ',[]{}'

/** c-ns-esc-char, with the literal tab. */
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ...['0\0', 'a\x07', 'b\b', 't\t', '\t\t', 'n\n', 'v\v', 'f\f', 'r\r', 'e\x1B'],
  ...['  ', '""', '//', '\\\\', 'N\x85', '_\xA0', 'L\u2028', 'P\u2029'],
].map((pair) => [pair.slice(0, 1), pair.slice(1)]))
const HEX_DIGITS: ReadonlyMap<string, number> = new Map([['x', 2], ['u', 4], ['U', 8]])

/** ns-plain: text without quotes, over as many lines as are indented by more than n. */
export function plain(s: Scanner, n: number, inFlow: boolean): string {
  refuseIndicator(s, inFlow)
  let text = plainInLine(s, inFlow)
  for (let breaks = nextPlainLine(s, n, inFlow); breaks > 0; breaks = nextPlainLine(s, n, inFlow)) {
    text += folded(breaks) + plainInLine(s, inFlow)
  }
  return text
}

/** ns-plain-first: no indicator, but "-", "?" and ":" are none before a character that could follow in the scalar. */
function refuseIndicator(s: Scanner, inFlow: boolean): void {
  const char = s.peek()
  if (!INDICATORS.includes(char) || ('-?:'.includes(char) && isPlainSafe(s.peek(1), inFlow))) return
  const [code, message] = REFUSED.get(char) ?? ['YAML_UNEXPECTED', 'no value may begin with this character here']
  throw new YamlError(code, message, s)
}

/** ns-plain-safe. */
export function isPlainSafe(char: string, inFlow: boolean): boolean {
  return char !== '' && !isWhite(char) && !(inFlow && FLOW_INDICATORS.includes(char))
}

/** nb-ns-plain-in-line: up to ": ", " #" or, in a flow collection, one of its indicators; white at the end is not part of it. */
function plainInLine(s: Scanner, inFlow: boolean): string {
  const from = s.column
  let end = from
  for (; isWhite(s.peek()) || isPlainChar(s, inFlow); s.column++) {
    if (!isWhite(s.peek())) end = s.column + 1
  }
  s.column = end
  return s.line.slice(from, end)
}

/** ns-plain-char. */
function isPlainChar(s: Scanner, inFlow: boolean): boolean {
  if (s.peek() === '#') return isPlainSafe(s.peek(-1), false)
  return isPlainSafe(s.peek(), inFlow) && (s.peek() !== ':' || isPlainSafe(s.peek(1), inFlow))
}

/** s-ns-plain-next-line: steps to the line that continues the scalar and returns the breaks before it, or stays in its line: 0. */
function nextPlainLine(s: Scanner, n: number, inFlow: boolean): number {
  s.skipWhite()
  if (s.peek() !== '') return 0
  const end = s.mark()
  const breaks = s.foldLines(n)
  if (breaks > 0 && s.indent > n && isPlainChar(s, inFlow)) return breaks
  s.moveTo(end.row, end.column)
  return 0
}

/** c-single-quoted and c-double-quoted: lines fold, '' is a quote in the one, a backslash escapes in the other. */
export function quoted(s: Scanner, n: number): string {
  const open = s.mark()
  const quote = s.peek()
  let text = ''
  s.column++
  for (;;) {
    const from = s.column
    while (s.peek() !== '' && s.peek() !== quote && (quote === "'" || s.peek() !== '\\')) s.column++
    const chunk = s.line.slice(from, s.column)
    if (s.peek() === '') {
      text += trimWhite(chunk) + folded(nextQuotedLine(s, n, open))
    } else if (s.peek() === '\\') {
      text += chunk + escaped(s, n, open)
    } else if (quote === "'" && s.peek(1) === "'") {
      text += chunk + "'"
      s.column += 2
    } else {
      s.column++
      return wellFormed(text + chunk, open)
    }
  }
}

/** s-flow-folded: one line break is a space, each further one a line feed. */
export function folded(breaks: number): string {
  return breaks === 1 ? ' ' : '\n'.repeat(breaks - 1)
}

/** Spaces and tabs only: trimEnd() would also take a no-break space. */
function trimWhite(text: string): string {
  let end = text.length
  while (isWhite(text.charAt(end - 1))) end--
  return text.slice(0, end)
}

function nextQuotedLine(s: Scanner, n: number, open: Mark): number {
  const breaks = s.foldLines(n)
  if (breaks === 0) throw new YamlError('YAML_UNCLOSED', 'a quoted scalar is never closed', open)
  s.flowLinePrefix(n)
  return breaks
}

/** c-ns-esc-char, and s-double-escaped: an escaped line break is no space. */
function escaped(s: Scanner, n: number, open: Mark): string {
  const kind = s.peek(1)
  if (kind === '') {
    // By the grammar each empty line that follows is a line feed; no two readers that were tried agree.
    if (nextQuotedLine(s, n, open) > 1) throw new YamlError('YAML_AMBIGUOUS', 'an empty line follows an escaped line break', open)
    return ''
  }
  const digits = HEX_DIGITS.get(kind) ?? 0
  const hex = s.line.slice(s.column + 2, s.column + 2 + digits)
  const isHex = digits > 0 && hex.length === digits && /^[0-9a-fA-F]+$/.test(hex) && parseInt(hex, 16) <= 0x10ffff
  const char = isHex ? String.fromCodePoint(parseInt(hex, 16)) : ESCAPES.get(kind)
  if (char === undefined) throw new YamlError('YAML_ESCAPE', 'this escape sequence is unknown', s)
  s.column += 2 + digits
  return char
}

/** As in JSON, two \u escapes make one character of a surrogate pair; half a pair is no text. */
function wellFormed(text: string, open: Mark): string {
  if (/\p{Surrogate}/u.test(text)) throw new YamlError('YAML_ESCAPE', 'an escaped surrogate has no partner', open)
  return text
}

import { YamlError } from './error.ts'
import { Scanner } from './scanner.ts'

const BREAK = /\r\n?|\n/
const EMPTY = /^[ \t]*(?:#|$)/
const START = /^---(?:[ \t]|$)/
/** By the grammar this is text, but not every reader takes it so. */
const INDENTED_START = /^[ \t]+---(?:[ \t]|$)/
const MARKER = /^(?:---|\.\.\.)(?:[ \t]|$)/
const SUFFIX = /^\.\.\.(?:[ \t]+#|[ \t]*$)/
/** c-printable, less the line breaks and the byte order mark. */
const NOT_PRINTABLE = /[^\t\x20-\x7E\x85\xA0-\uD7FF\uE000-\uFEFE\uFF00-\uFFFD\u{10000}-\u{10FFFF}]/u

/**
 * Finds the one document of a text: l-any-document between an optional "---" and an optional "...".
 * Markers stand at the first column and end whatever is open, so they are found before anything is parsed.
 *
 * @returns a scanner over the document's lines, or undefined when the text holds nothing but comments.
 */
export function openDocument(text: string): Scanner | undefined {
  const lines = text.replace(/^\uFEFF/, '').split(BREAK)
  refuseNotPrintable(lines)
  const row = lines.findIndex((line) => !EMPTY.test(line))
  if (row < 0) return undefined
  const first = lines[row] ?? ''
  const start = { row, column: START.test(first) ? 3 : 0 }
  if (first.startsWith('%')) throw new YamlError('YAML_DIRECTIVE', 'directives are not supported', start)
  if (INDENTED_START.test(first)) throw new YamlError('YAML_INDENTATION', 'a document marker may not be indented', start)
  const end = lines.findIndex((line, at) => (at > row || (at === row && start.column === 0)) && MARKER.test(line))
  if (end < 0) return new Scanner(lines, start)

  const next = lines.findIndex((line, at) => at >= end && !EMPTY.test(line) && !SUFFIX.test(line))
  if (next >= 0) throw new YamlError('YAML_DOCUMENTS', 'only one document is supported', { row: next, column: 0 })
  return end === row ? undefined : new Scanner([...lines.slice(0, end), ''], start)
}

function refuseNotPrintable(lines: readonly string[]): void {
  for (const [row, line] of lines.entries()) {
    const column = line.search(NOT_PRINTABLE)
    if (column >= 0) throw new YamlError('YAML_CHARACTER', 'the text holds a character that is not printable', { row, column })
  }
}

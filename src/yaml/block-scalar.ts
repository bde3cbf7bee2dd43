import { YamlError } from './error.ts'
import { folded } from './scalar.ts'
import { indentOf, isWhite, type Scanner } from './scanner.ts'

/** c-b-block-header: style, then indentation and chomping indicators in either order, then at most a comment. */
const HEADER = /^([|>])(?:([1-9]?)([-+]?)|([-+])([1-9]))(?:[ \t]+#|[ \t]*$)/

/** c-l+literal and c-l+folded: lines kept or folded, in a block indented by n. Leaves the cursor on the line after. */
export function blockScalar(s: Scanner, n: number): string {
  const header = HEADER.exec(s.line.slice(s.column))
  if (header === null) throw new YamlError('YAML_HEADER', 'after "|" or ">" only indentation, chomping and a comment may follow', s)
  const digit = header[2] || header[5]
  const chomping = header[3] || header[4]
  // By the grammar "|1" is then no indentation at all (-1 + 1), by most readers one space.
  if (digit && n < 0) throw new YamlError('YAML_AMBIGUOUS', 'at the top level a block scalar may not name its indentation', s)
  const lines = contentLines(s, digit ? n + Number(digit) : contentIndent(s, n), chomping)
  let end = lines.length
  while (lines[end - 1] === '') end--
  const text = header[1] === '>' ? foldBlock(lines.slice(0, end)) : lines.slice(0, end).join('\n')
  if (chomping === '-') return text
  const lastBreak = text === '' ? '' : '\n'
  return text + lastBreak + (chomping === '+' ? '\n'.repeat(lines.length - end) : '')
}

/** Auto-detection: the first line that is not empty decides, and no empty line before it may hold more spaces. */
function contentIndent(s: Scanner, n: number): number {
  let widest = n + 1
  for (let row = s.row + 1; row < s.lines.length; row++) {
    const line = s.lines[row] ?? ''
    const indent = indentOf(line)
    if (indent === line.length) {
      widest = Math.max(widest, indent)
    } else if (indent <= n) {
      break
    } else if (indent < widest) {
      throw new YamlError('YAML_INDENTATION', 'an empty line has more spaces than the first line of text', { row, column: indent })
    } else {
      return indent
    }
  }
  return widest
}

/** l-nb-literal-text and l-empty: the lines less their indentation, up to the first one that begins further left. */
function contentLines(s: Scanner, indent: number, chomping: string | undefined): string[] {
  const last = s.lines.length - 1
  const content: string[] = []
  for (let row = s.row + 1; row <= last; row++) {
    const line = s.lines[row] ?? ''
    if (indentOf(line) < Math.min(indent, line.length)) {
      s.moveTo(row)
      s.refuseTabs()
      return content
    }
    if (row === last && line === '') break
    if (row === last && chomping !== '-' && (line.length > indent || (chomping === '+' && content.length > 0))) {
      // By the grammar the scalar then ends without a line feed, yet half of the YAML readers add one.
      throw new YamlError('YAML_AMBIGUOUS', 'the text ends within a block scalar: end it with a line break', { row, column: line.length })
    }
    content.push(line.slice(indent))
  }
  s.moveTo(last, s.lines[last]?.length)
  return content
}

/** b-l-folded: a break between two lines of text is a space; breaks beside empty or further indented lines stay. */
function foldBlock(lines: readonly string[]): string {
  let text = ''
  let breaks = 0
  let wasSpaced = false
  for (const line of lines) {
    if (line !== '') {
      const isSpaced = isWhite(line.charAt(0))
      text += (text === '' || isSpaced || wasSpaced ? '\n'.repeat(breaks) : folded(breaks)) + line
      wasSpaced = isSpaced
      breaks = 0
    }
    breaks++
  }
  return text
}

import { YamlError, type Mark } from './error.ts'

export const isWhite = (char: string): boolean => char === ' ' || char === '\t'

/** True for what must follow an indicator such as "- " and precede a comment: white, or an end of the line (''). */
export const isSeparator = (char: string): boolean => char === '' || isWhite(char)

/** s-indent: the number of leading spaces; a tab never indents. */
export function indentOf(line: string): number {
  let spaces = 0
  while (line[spaces] === ' ') spaces++
  return spaces
}

/** A cursor over the lines of one document, and how YAML crosses from one line to the next. */
export class Scanner {
  /** The last one is what follows the last line break, often empty. */
  readonly lines: readonly string[]
  row = 0
  column = 0
  line = ''
  /** Leading spaces of this line, and the column of its first character that is not white. */
  indent = 0
  #content = 0

  constructor(lines: readonly string[], start: Mark) {
    this.lines = lines
    this.moveTo(start.row, start.column)
  }

  /** Steps to a column of a row, or to the row's first character that is not white. */
  moveTo(row: number, column?: number): void {
    this.row = row
    this.line = this.lines[row] ?? ''
    this.indent = indentOf(this.line)
    this.#content = this.indent
    while (isWhite(this.line.charAt(this.#content))) this.#content++
    this.column = column ?? this.#content
  }

  mark(): Mark {
    return { row: this.row, column: this.column }
  }

  /** The character here or `offset` away; '' beyond either end of the line. */
  peek(offset = 0): string {
    return this.line.charAt(this.column + offset)
  }

  /** True at an indicator such as "-": only what a separator follows is one. */
  atIndicator(char: string): boolean {
    return this.peek() === char && isSeparator(this.peek(1))
  }

  atQuote(): boolean {
    return this.peek() === '"' || this.peek() === "'"
  }

  /** True when only white stands before the cursor. */
  atLineStart(): boolean {
    return this.column === this.#content
  }

  skipWhite(): void {
    while (isWhite(this.peek())) this.column++
  }

  /** s-l-comments: steps over white, comments and line breaks; peek() is then '' only at the end of the document. */
  separateLines(): void {
    for (;;) {
      this.skipWhite()
      if (this.peek() === '#' && isSeparator(this.peek(-1))) this.column = this.line.length
      if (this.peek() !== '' || this.row === this.lines.length - 1) return
      this.moveTo(this.row + 1)
    }
  }

  /** s-separate inside a flow collection that was opened at `open`, in a block indented by n. */
  separateFlow(n: number, open: Mark): void {
    this.separateLines()
    if (this.peek() === '') throw new YamlError('YAML_UNCLOSED', 'a flow collection is never closed', open)
    this.flowLinePrefix(n)
  }

  /** s-flow-line-prefix: a line inside quotes or brackets is indented by more than the block it is in. */
  flowLinePrefix(n: number): void {
    if (!this.atLineStart() || this.indent > n) return
    this.refuseTabs()
    throw new YamlError('YAML_INDENTATION', 'a continuation line must be indented further', this)
  }

  /** Refuses a line whose leading spaces are followed by a tab. */
  refuseTabs(): void {
    if (this.line[this.indent] !== '\t') return
    throw new YamlError('YAML_TAB', 'tabs may not indent', { row: this.row, column: this.indent })
  }

  /** b-l-folded: steps to the next line that is not empty. Returns the number of breaks crossed, 0 when there is no such line. */
  foldLines(n: number): number {
    const from = this.row
    while (this.row < this.lines.length - 1) {
      this.moveTo(this.row + 1)
      // l-empty: a tab that stands where spaces have to indent makes a line more than empty.
      if (this.peek() !== '' || (this.indent <= n && this.column > this.indent)) return this.row - from
    }
    return 0
  }
}

export type JsonErrorCode =
  | 'JSON_NOT_UTF8'
  | 'JSON_BOM'
  | 'JSON_LONE_SURROGATE'
  | 'JSON_SYNTAX'
  | 'JSON_TOO_DEEP'
  | 'JSON_DUPLICATE_NAME'
  | 'JSON_NUMBER_TOO_LARGE'

/** What is wrong with a JSON text, and where. The message never holds a part of the text. */
export class JsonError extends Error {
  override readonly name = 'JsonError'
  readonly code: JsonErrorCode
  /** 1-based; lines end at LF. */
  readonly line: number
  /** 1-based, in UTF-16 code units. */
  readonly column: number

  constructor(code: JsonErrorCode, message: string, text: string, at: number) {
    super(message)
    this.code = code
    this.line = lineAt(text, at)
    this.column = at - (at === 0 ? -1 : text.lastIndexOf('\n', at - 1))
  }
}

/** The 1-based line of the character at an offset. */
export function lineAt(text: string, at: number): number {
  let line = 1
  for (let i = text.indexOf('\n'); i !== -1 && i < at; i = text.indexOf('\n', i + 1)) line++
  return line
}

/**
 * - `TOML_CHARACTER`: a control character or a lone surrogate, anywhere
 * - `TOML_SYNTAX`: the grammar wants something else here
 * - `TOML_STRING`: a string is not closed
 * - `TOML_ESCAPE`: a backslash is followed by nothing TOML knows
 * - `TOML_VALUE`: an unquoted word is no boolean, number, date or time
 * - `TOML_RANGE`: an integer beyond 64 bits, a float beyond a double, or a day or time that does not exist
 * - `TOML_DUPLICATE`: a key or table is already defined, or closed to additions
 * - `TOML_DEPTH`: nested too deep
 */
export type TomlErrorCode =
  'TOML_CHARACTER' | 'TOML_SYNTAX' | 'TOML_STRING' | 'TOML_ESCAPE' | 'TOML_VALUE' | 'TOML_RANGE' | 'TOML_DUPLICATE' | 'TOML_DEPTH'

/** Both count from 1; a column is one UTF-16 unit, as editors count. */
export type Position = { readonly line: number; readonly column: number }

/** The one error of this room. Its message never quotes the document, which may hold secrets. */
export class TomlError extends Error {
  override readonly name = 'TomlError'
  readonly code: TomlErrorCode
  readonly line: number
  readonly column: number

  constructor(code: TomlErrorCode, message: string, { line, column }: Position) {
    super(message)
    this.code = code
    this.line = line
    this.column = column
  }
}

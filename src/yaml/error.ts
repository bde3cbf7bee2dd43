/** Why a text was refused: it is not YAML, or it uses a part of YAML that a configuration file has no need of. */
export type YamlErrorCode =
  | 'YAML_ALIAS'
  | 'YAML_AMBIGUOUS' // readers of YAML disagree on its value
  | 'YAML_ANCHOR'
  | 'YAML_CHARACTER' // not a printable character, or one that YAML reserves
  | 'YAML_COMPLEX_KEY'
  | 'YAML_DEPTH'
  | 'YAML_DIRECTIVE'
  | 'YAML_DOCUMENTS' // more than one
  | 'YAML_DUPLICATE_KEY'
  | 'YAML_ESCAPE'
  | 'YAML_HEADER' // of a block scalar
  | 'YAML_INDENTATION'
  | 'YAML_KEY' // empty, on several lines, without its colon, or not the text it looks like
  | 'YAML_MERGE_KEY'
  | 'YAML_NUMBER' // beyond what a double holds exactly
  | 'YAML_TAB' // in indentation
  | 'YAML_TAG'
  | 'YAML_UNCLOSED' // quote or bracket
  | 'YAML_UNEXPECTED' // anything else that may not stand where it stands

/** A place in the text, counted from 0. */
export interface Mark {
  readonly row: number
  readonly column: number
}

/**
 * The only error a text can cause. The message is a constant sentence and never quotes the text.
 *
 * `line` and `column` count from 1; a column is a UTF-16 code unit, and a byte order mark has none.
 */
export class YamlError extends Error {
  override readonly name = 'YamlError'
  readonly code: YamlErrorCode
  readonly line: number
  readonly column: number

  constructor(code: YamlErrorCode, message: string, at: Mark) {
    super(message)
    this.code = code
    this.line = at.row + 1
    this.column = at.column + 1
  }
}

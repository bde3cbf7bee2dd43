import { TomlError } from './errors.ts'
import type { Position, TomlErrorCode } from './errors.ts'

/** Refused in comments, strings and everywhere else, so nothing below looks for it again. Tab and newline are not among it. */
const FORBIDDEN = /[\0-\x08\x0b-\x1f\x7f\p{Surrogate}]/u

/**
 * A document and a place in it that only moves forward, which keeps parsing linear.
 * A byte order mark at the start is dropped and CRLF becomes LF, which TOML leaves to the parser.
 *
 * @throws TomlError TOML_CHARACTER
 */
export class Scanner {
  readonly #text: string
  #at = 0
  #line = 1
  #lineStart = 0

  constructor(text: string) {
    this.#text = text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n')
    const forbidden = this.#text.search(FORBIDDEN)
    if (forbidden === -1) return
    this.#advance(this.#text.slice(0, forbidden))
    this.fail('TOML_CHARACTER', 'a control character or a lone surrogate is not allowed')
  }

  get position(): Position {
    return { line: this.#line, column: this.#at - this.#lineStart + 1 }
  }

  get done(): boolean {
    return this.#at === this.#text.length
  }

  sees(literal: string): boolean {
    return this.#text.startsWith(literal, this.#at)
  }

  /** Steps over `literal`, if it stands here. */
  skip(literal: string): boolean {
    const seen = this.sees(literal)
    if (seen) this.#advance(literal)
    return seen
  }

  expect(literal: string, message: string): void {
    if (!this.skip(literal)) this.fail('TOML_SYNTAX', message)
  }

  /** What a sticky pattern matches here, if it does. */
  look(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    return pattern.exec(this.#text)?.[0]
  }

  /** The same, and steps over it. */
  take(pattern: RegExp): string | undefined {
    const lexeme = this.look(pattern)
    if (lexeme !== undefined) this.#advance(lexeme)
    return lexeme
  }

  fail(code: TomlErrorCode, message: string, position = this.position): never {
    throw new TomlError(code, message, position)
  }

  #advance(lexeme: string): void {
    for (let newline = lexeme.indexOf('\n'); newline !== -1; newline = lexeme.indexOf('\n', newline + 1)) {
      this.#line++
      this.#lineStart = this.#at + newline + 1
    }
    this.#at += lexeme.length
  }
}

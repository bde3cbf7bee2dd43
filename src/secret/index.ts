/**
 * A value that is not for showing: it prints as `[secret]` in text, templates, JSON and `util.inspect`.
 * Only `reveal()` gives it away, so every use of one is found by that word.
 */
export class Secret {
  // Private to the language, not to TypeScript: no enumeration, spread, clone or raw inspection reaches it.
  readonly #value: string

  constructor(value: string) {
    this.#value = value
    Object.freeze(this)
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]'
  }
}

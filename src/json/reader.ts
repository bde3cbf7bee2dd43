import { JsonError } from './error.ts'
import type { JsonErrorCode } from './error.ts'

/** Told of each member and list item: the path to it, and the offset of its name or, in a list, of its value. */
export type Seen = (path: readonly string[], at: number) => void

// With the "u" flag a pair is one code point, so only a half without its other half is of this category.
const LONE_SURROGATE = /\p{Surrogate}/u
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y

/** Reads one JSON text by the grammar of RFC 8259; one method is one rule of it. */
export class Reader {
  readonly #text: string
  readonly #maxDepth: number
  readonly #seen: Seen | undefined
  readonly #path: string[] = []
  #at = 0

  constructor(text: string, maxDepth: number, seen?: Seen) {
    this.#text = text
    this.#maxDepth = maxDepth
    this.#seen = seen
  }

  document(): unknown {
    if (this.#text.startsWith('\ufeff')) this.#fail('JSON_BOM', 'a byte order mark stands before the value')
    const lone = this.#text.search(LONE_SURROGATE)
    if (lone !== -1) this.#fail('JSON_LONE_SURROGATE', 'half a surrogate pair is no character', lone)
    this.#space()
    const value = this.#value()
    this.#space()
    if (this.#at < this.#text.length) this.#fail('JSON_SYNTAX', 'something follows the value')
    return value
  }

  #value(): unknown {
    switch (this.#text[this.#at]) {
      case '{': return this.#object()
      case '[': return this.#list()
      case '"': return this.#string()
      case 't': return this.#literal('true', true)
      case 'f': return this.#literal('false', false)
      case 'n': return this.#literal('null', null)
      default: return this.#number()
    }
  }

  #object(): unknown {
    const object: Record<string, unknown> = {}
    for (let more = this.#open('}'); more; more = this.#next('}')) {
      const at = this.#at
      if (this.#text[at] !== '"') this.#fail('JSON_SYNTAX', 'a name in double quotes is expected')
      const name = this.#string()
      // Two readers may take two different ones of the same name; RFC 7515 section 4 demands unique names in a header.
      if (Object.hasOwn(object, name)) this.#fail('JSON_DUPLICATE_NAME', 'a name stands twice in one object', at)
      this.#space()
      if (this.#text[this.#at++] !== ':') this.#fail('JSON_SYNTAX', 'a ":" is expected', this.#at - 1)
      this.#space()
      const value = this.#member(name, at)
      // Assigned, this one name would become the prototype.
      if (name === '__proto__') Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true })
      else object[name] = value
    }
    return object
  }

  #list(): unknown {
    const list: unknown[] = []
    for (let more = this.#open(']'); more; more = this.#next(']')) list.push(this.#member(String(list.length), this.#at))
    return list
  }

  #member(name: string, at: number): unknown {
    this.#path.push(name)
    this.#seen?.(this.#path, at)
    const value = this.#value()
    this.#path.pop()
    return value
  }

  /** Steps into an object or a list; false when it is empty. */
  #open(end: string): boolean {
    if (this.#path.length >= this.#maxDepth) this.#fail('JSON_TOO_DEEP', 'the values are nested too deep')
    this.#at++
    this.#space()
    if (this.#text[this.#at] !== end) return true
    this.#at++
    return false
  }

  /** Steps over the comma to the next member; false at the end. */
  #next(end: string): boolean {
    this.#space()
    const sign = this.#text[this.#at]
    if (sign !== ',' && sign !== end) this.#fail('JSON_SYNTAX', 'a "," or the closing bracket is expected')
    this.#at++
    this.#space()
    return sign === ','
  }

  #string(): string {
    const start = this.#at
    let escaped = false
    for (let at = start + 1; ; at++) {
      const code = this.#text.charCodeAt(at)
      if (code === 0x22) {
        this.#at = at + 1
        return escaped ? this.#unescape(start) : this.#text.slice(start + 1, at)
      }
      if (code === 0x5c) {
        escaped = true
        at++
      } else if (!(code >= 0x20)) { // NaN at the end of the text
        this.#fail('JSON_SYNTAX', 'a string holds a control character or does not end', Number.isNaN(code) ? start : at)
      }
    }
  }

  #unescape(start: number): string {
    let value: string
    try {
      value = JSON.parse(this.#text.slice(start, this.#at)) as string
    } catch {
      return this.#fail('JSON_SYNTAX', 'a string holds an unknown escape', start)
    }
    if (LONE_SURROGATE.test(value)) this.#fail('JSON_LONE_SURROGATE', 'half a surrogate pair is no character', start)
    return value
  }

  #number(): number {
    NUMBER.lastIndex = this.#at
    const digits = NUMBER.exec(this.#text)?.[0]
    if (digits === undefined) return this.#fail('JSON_SYNTAX', 'a value is expected')
    const value = Number(digits)
    // JSON.parse makes Infinity of 1e400: a number that no JSON text can say.
    if (!Number.isFinite(value)) this.#fail('JSON_NUMBER_TOO_LARGE', 'a number is too large')
    this.#at += digits.length
    return value
  }

  #literal<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) this.#fail('JSON_SYNTAX', 'a value is expected')
    this.#at += word.length
    return value
  }

  #space(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.#at++
    }
  }

  #fail(code: JsonErrorCode, message: string, at = this.#at): never {
    throw new JsonError(code, message, this.#text, at)
  }
}

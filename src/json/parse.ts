import { isUtf8 } from 'node:buffer'
import { JsonError, lineAt } from './error.ts'
import { Reader } from './reader.ts'

export interface JsonOptions {
  /** How many objects and lists may lie in one another; 64 by default. */
  readonly maxDepth?: number
}

const MAX_DEPTH = 64

/**
 * The value of a JSON text (RFC 8259), or of its UTF-8 bytes: what `JSON.parse` gives, but refused where two readers
 * could differ: a name twice in one object, a byte order mark, a lone surrogate, bytes that are not UTF-8, a number
 * beyond what a double holds, too deep nesting. `__proto__` is a name like any other.
 *
 *     parseJson('{"a":[1]}')  // { a: [1] }
 *
 * @throws JsonError - for anything wrong with the text; a TypeError for what is no text.
 */
export function parseJson(source: string | Uint8Array, { maxDepth = MAX_DEPTH }: JsonOptions = {}): unknown {
  return new Reader(textOf(source), maxDepth).document()
}

export interface JsonWithLines {
  readonly value: unknown
  /** The 1-based line of the member's name or of the list's item; a step in a list is its index: `['rules', '0']`. */
  readonly lineOf: (path: readonly string[]) => number | undefined
}

/** Like `parseJson`, and can tell the line each member stands on; for files whose faults are shown to their writer. */
export function parseJsonWithLines(source: string | Uint8Array, { maxDepth = MAX_DEPTH }: JsonOptions = {}): JsonWithLines {
  const text = textOf(source)
  const offsets = new Map<string, number>()
  const value = new Reader(text, maxDepth, (path, at) => offsets.set(JSON.stringify(path), at)).document()
  offsets.set('[]', text.search(/\S/))
  const lineOf = (path: readonly string[]) => {
    const at = offsets.get(JSON.stringify(path))
    return at === undefined ? undefined : lineAt(text, at)
  }
  return { value, lineOf }
}

function textOf(source: string | Uint8Array): string {
  if (typeof source === 'string') return source
  if (!(source instanceof Uint8Array)) throw new TypeError('a JSON text is a string or bytes')
  const text = Buffer.from(source.buffer, source.byteOffset, source.byteLength).toString('utf8')
  if (!isUtf8(source)) throw new JsonError('JSON_NOT_UTF8', 'the bytes are not UTF-8', text, text.indexOf('\ufffd'))
  return text
}

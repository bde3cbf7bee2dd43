import type { Tokens } from './prices.ts'
import { BodyReader, FrameReader, LineReader, type Reader } from './readers.ts'
import { Tally, type Usage } from './tally.ts'

const READERS = new Map<string, new (tally: Tally) => Reader>([
  ['application/vnd.amazon.eventstream', FrameReader],
  ['text/event-stream', LineReader],
  ['application/json', BodyReader],
])

/** InvokeModel counts in its head; then the body need not be looked at. Bodies of Mistral and Cohere say nothing. */
const COUNT_FIELDS: ReadonlyMap<string, keyof Tokens> = new Map([
  ['x-amzn-bedrock-input-token-count', 'input'],
  ['x-amzn-bedrock-output-token-count', 'output'],
  ['x-amzn-bedrock-cache-read-input-token-count', 'cacheRead'],
  ['x-amzn-bedrock-cache-write-input-token-count', 'cacheWrite'],
])

/** Of the names that are looked for: most others need not be read. */
const LENGTHS = new Set(['content-type', ...COUNT_FIELDS.keys()].map(({ length }) => length))

/**
 * Watches an answer of a model as it passes, and says at its end what it took. It neither changes nor keeps the bytes, and never
 * throws: where it cannot follow any more it stops, and what was seen until then counts.
 *
 *     const tap = new UsageTap(200, ['Content-Type', 'text/event-stream'])
 *     for (const chunk of chunks) tap.push(chunk)
 *     tap.end(true)  // { input: 25, output: 12, cacheRead: 0, cacheWrite: 0, partial: false }
 *
 * Not for answers of CountTokens and of operations that only read: what they count was not used.
 */
export class UsageTap {
  readonly #tally = new Tally()
  readonly #failed: boolean
  #reader: Reader | undefined
  #broken = false

  /** @param fields - Header lines as flat name, value pairs. */
  constructor(status: number, fields: readonly string[]) {
    this.#failed = status !== 200
    if (this.#failed) return
    let type = ''
    let counted = false
    for (let i = 0; i < fields.length; i += 2) {
      if (!LENGTHS.has(fields[i]!.length)) continue
      const name = fields[i]!.toLowerCase()
      const counter = COUNT_FIELDS.get(name)
      if (counter !== undefined) {
        this.#tally.count(counter, Number(fields[i + 1]))
        counted = true
      } else if (name === 'content-type') type = fields[i + 1]!.replace(/\s*;.*$/, '').toLowerCase()
    }
    const Reader = counted ? undefined : READERS.get(type)
    this.#reader = Reader && new Reader(this.#tally)
  }

  /** Whether the answer comes event by event. */
  get isStream(): boolean {
    return this.#reader !== undefined && !(this.#reader instanceof BodyReader)
  }

  /** Whether it could not be followed to its end; or that was an exception, after which nothing more is said. */
  get isBroken(): boolean {
    return this.#broken
  }

  /** Takes bytes of AWS, in pieces of any size. */
  push(chunk: Buffer): void {
    if (this.#broken || this.#reader === undefined) return
    try {
      this.#reader.push(chunk)
    } catch {
      this.#broken = true
    }
  }

  /**
   * What the answer took; nothing, where it is an error.
   *
   * @param complete - All of it has passed.
   */
  end(complete: boolean): Usage {
    if (this.#failed) return NOTHING
    try {
      if (complete && !this.#broken) this.#reader?.end()
    } catch {
      this.#broken = true
    }
    return this.#tally.usage(complete && !this.#broken)
  }
}

const NOTHING: Usage = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, partial: false }

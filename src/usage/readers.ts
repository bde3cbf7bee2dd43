import { Splitter } from '../eventstream/index.ts'
import { memberNames, MemberScanner } from '../json/index.ts'
import { type Tally, USAGE_MEMBERS } from './tally.ts'

/** Looks for counts in the bytes of an answer. It may throw at any of them, and is then not asked again. */
export interface Reader {
  push(chunk: Buffer): void
  /** The bytes came to their end. */
  end(): void
}

/** Some part of the name of every count, as it stands there or within base64, at each of its three alignments; and the headers of frames that are no events. */
const HINT = /oken|b2tlb|9rZW|va2Vu|:exception-type|:error-code/
const NO_EVENT = /:exception-type|:error-code/

/** An event stream. Of each frame no more is read than whether it can hold counts. One frame is kept, 4 MiB at most, while it comes. */
export class FrameReader implements Reader {
  readonly #tally: Tally
  readonly #splitter = new Splitter()

  constructor(tally: Tally) {
    this.#tally = tally
  }

  push(chunk: Buffer): void {
    const all = chunk.toString('latin1')
    const first = all.search(HINT)
    // As most come: nothing but whole frames, and none of interest.
    if (first < 0 && this.#splitter.skip(chunk)) return
    for (const { bytes, payload } of this.#splitter.push(chunk)) {
      // Most others are one frame (another, that ends here, can be as long). Counts and their names are ASCII: the rest may look as it likes.
      const isAll = bytes.length === chunk.length && bytes.byteOffset === chunk.byteOffset && bytes.buffer === chunk.buffer
      const text = isAll ? all : bytes.toString('latin1')
      const at = isAll ? first : text.search(HINT)
      if (at < 0) continue
      const start = text.length - payload.length - 4
      // Decoding the headers costs more than all the rest.
      if (at < start && NO_EVENT.test(text.slice(0, start))) throw new Error('the stream ended with an exception')
      this.#tally.see(eventIn(text.slice(start, -4)))
    }
  }

  end(): void {
    this.#splitter.end()
  }
}

const BYTES = '{"bytes":"'

/** What a payload says, or the event that it holds in base64. AWS writes that first: then no more of it is parsed. */
function eventIn(payload: string): unknown {
  if (payload.startsWith(BYTES)) return JSON.parse(atob(payload.slice(BYTES.length, payload.indexOf('"', BYTES.length))))
  const event = JSON.parse(payload) as { readonly bytes?: unknown } | null
  return typeof event?.bytes === 'string' ? JSON.parse(atob(event.bytes)) : event
}

// The event that ends a stream of OpenAI Responses holds all of the answer.
const MAX_LINE_CHARS = 4_194_304

/** Server-sent events with JSON on their data lines. What is kept is the line at hand. */
export class LineReader implements Reader {
  readonly #tally: Tally
  #line = ''
  #tooLong = false

  constructor(tally: Tally) {
    this.#tally = tally
  }

  push(chunk: Buffer): void {
    const text = chunk.toString('latin1')
    const end = text.lastIndexOf('\n')
    if (end >= 0) {
      this.#read(this.#tooLong ? text.slice(text.indexOf('\n'), end) : this.#line + text.slice(0, end))
      this.#line = ''
      this.#tooLong = false
    }
    this.#line += text.slice(end + 1)
    if (this.#line.length <= MAX_LINE_CHARS) return
    this.#line = ''
    this.#tooLong = true
  }

  end(): void {
    this.#read(this.#line)
  }

  #read(lines: string): void {
    if (!lines.includes('oken')) return
    for (const line of lines.split('\n')) {
      if (line.startsWith('data:') && line.includes('oken')) this.#tally.see(JSON.parse(line.slice('data:'.length)))
    }
  }
}

const MEMBERS = memberNames(USAGE_MEMBERS)

/** One JSON object. What is kept are the few members that can hold counts, 64 KiB of each at most. */
export class BodyReader implements Reader {
  readonly #tally: Tally
  readonly #scanner = new MemberScanner(MEMBERS)

  constructor(tally: Tally) {
    this.#tally = tally
  }

  push(chunk: Buffer): void {
    this.#scanner.push(chunk)
  }

  end(): void {
    const members = [...this.#scanner.end() ?? []].map(([name, values]) => [name, values[0]] as const)
    this.#tally.see(Object.fromEntries(members))
  }
}

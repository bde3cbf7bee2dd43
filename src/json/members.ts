/** The values of the members that were looked for, each time they stand there; a value too long to be kept is `undefined`. */
export type Members = ReadonlyMap<string, readonly unknown[]>

/** Names to look for, in ASCII. */
export interface MemberNames {
  /** As they are asked for, by their lower case. */
  readonly byLowerCase: ReadonlyMap<string, string>
  readonly marks: ReadonlySet<number>
}

export function memberNames(names: readonly string[]): MemberNames {
  return { byLowerCase: new Map(names.map((name) => [name.toLowerCase(), name])), marks: new Set(names.map((name) => markOf(name.length, name.charCodeAt(0)))) }
}

/** By its length and its first letter, in whichever case, most of what is not looked for is told from what is. */
const markOf = (length: number, first: number): number => length * 256 + (first | 0x20)

/** A name can be written with six characters for each of its own. */
const MAX_NAME_BYTES = 256
const MAX_PLAIN_BYTES = 64
const MAX_VALUE_BYTES = 65_536
/** Requests have a dozen. Millions of escaped names would take seconds. */
const MAX_MEMBERS = 1000

// What a byte outside of strings may be. Comments and other quotes are for lenient readers, who would see another text than we do.
const [FAULT, FILL, SPACE, SEPARATOR, OPEN, CLOSE, QUOTE] = [0, 1, 2, 3, 4, 5, 6]
const KINDS = new Uint8Array(256)
for (const [kind, bytes] of [[FILL, '0123456789+-.eEtrufalsn'], [SPACE, ' \t\r\n'], [SEPARATOR, ',:'], [OPEN, '{['], [CLOSE, '}]'], [QUOTE, '"']] as const) {
  for (const byte of Buffer.from(bytes)) KINDS[byte] = kind
}

const [BRACE, END_BRACE, COLON, COMMA, DOUBLE_QUOTE, BACKSLASH] = [0x7b, 0x7d, 0x3a, 0x2c, 0x22, 0x5c]

/** Where in the top object the next byte stands. */
type State = 'start' | 'first name' | 'name' | 'colon' | 'value' | 'end' | 'broken'

/**
 * Finds a few members of the top object of a JSON text, whose bytes come in any pieces, without reading the rest: what is
 * below is only counted through. Of the text no more is kept than the value at hand.
 *
 *     const MODEL = memberNames(['model'])
 *     const scanner = new MemberScanner(MODEL)
 *     for (const chunk of chunks) scanner.push(chunk)
 *     scanner.end()?.get('model')  // ['anthropic.claude-sonnet-4-6']
 *
 * Names are compared unescaped and without regard to case: some readers do so, and must not find a member that we have not.
 */
export class MemberScanner {
  readonly #names: MemberNames
  readonly #found = new Map<string, unknown[]>()
  #state: State = 'start'
  #depth = 0
  #inString = false
  /** The byte before was a backslash that makes the next one plain. */
  #escaped = false
  #members = 0
  /** The member at hand, where it was looked for. */
  #name: string | undefined
  readonly #capture = new Capture()

  constructor(names: MemberNames) {
    this.#names = names
  }

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && this.#state !== 'broken';) {
      at = this.#inString ? this.#string(chunk, at) : this.#depth > 1 ? this.#below(chunk, at) : this.#top(chunk, at)
    }
    this.#capture.keep(chunk)
  }

  /** What was found; `undefined` where the text is not one JSON object. */
  end(): Members | undefined {
    return this.#state === 'end' ? this.#found : undefined
  }

  /** Passes over a string, up to its end or the chunk's. */
  #string(chunk: Buffer, start: number): number {
    let at = start + Number(this.#escaped)
    this.#escaped = false
    // Most strings are short, and then a call into native code costs more than it saves.
    for (const near = Math.min(chunk.length, at + 64); at < near; at++) {
      if (chunk[at] === DOUBLE_QUOTE) return this.#stringEnd(chunk, at + 1)
      if (chunk[at] === BACKSLASH) at++
    }
    if (at < chunk.length) {
      const quote = chunk.indexOf(DOUBLE_QUOTE, at)
      const end = quote < 0 ? chunk.length : quote
      let slash = end
      while (slash > at && chunk[slash - 1] === BACKSLASH) slash--
      this.#escaped = (end - slash) % 2 === 1
      if (quote >= 0) return this.#escaped ? quote : this.#stringEnd(chunk, quote + 1)
      return chunk.length
    }
    this.#escaped = at > chunk.length
    return chunk.length
  }

  #stringEnd(chunk: Buffer, end: number): number {
    this.#inString = false
    if (this.#state === 'name' || this.#state === 'first name') {
      this.#nameEnd(unescaped(this.#capture.take(chunk, end)))
    }
    return end
  }

  #nameEnd(name: string | undefined): void {
    this.#name = this.#names.byLowerCase.get(name?.toLowerCase() ?? '')
    this.#state = name === undefined || ++this.#members > MAX_MEMBERS ? 'broken' : 'colon'
  }

  #below(chunk: Buffer, start: number): number {
    for (let at = start; at < chunk.length; at++) {
      const kind = KINDS[chunk[at]!]!
      if (kind === QUOTE) {
        this.#inString = true
        let end = at + 1
        while (this.#inString && end < chunk.length) end = this.#string(chunk, end)
        at = end - 1
      } else if (kind === OPEN) this.#depth++
      else if (kind === CLOSE) {
        if (--this.#depth === 1) return at + 1
      } else if (kind === FAULT) {
        this.#state = 'broken'
        return at
      }
    }
    return chunk.length
  }

  #top(chunk: Buffer, at: number): number {
    const byte = chunk[at]!
    if (KINDS[byte] === SPACE) return at + 1
    if (byte === DOUBLE_QUOTE && (this.#state === 'name' || this.#state === 'first name')) {
      const end = this.#plainName(chunk, at + 1)
      if (end > 0) return end
    }
    this.#state = this.#step(chunk, at, byte)
    return at + 1
  }

  /** Takes a name that is all here and plain ASCII, as nearly all are. @returns Where it ends; 0 where it has to be read with care. */
  #plainName(chunk: Buffer, start: number): number {
    const most = Math.min(chunk.length, start + MAX_PLAIN_BYTES)
    let end = start
    for (; end < most && chunk[end] !== DOUBLE_QUOTE; end++) if (chunk[end] === BACKSLASH || chunk[end]! > 0x7f) return 0
    if (end === most) return 0
    this.#nameEnd(this.#names.marks.has(markOf(end - start, chunk[start]!)) ? chunk.toString('latin1', start, end) : '')
    return end + 1
  }

  #step(chunk: Buffer, at: number, byte: number): State {
    const kind = KINDS[byte]
    switch (this.#state) {
      case 'start':
        this.#depth = 1
        return byte === BRACE ? 'first name' : 'broken'
      case 'first name':
      case 'name':
        if (byte === END_BRACE && this.#state === 'first name') return 'end'
        if (kind !== QUOTE) return 'broken'
        this.#inString = true
        this.#capture.begin(at, MAX_NAME_BYTES)
        return this.#state
      case 'colon':
        if (byte !== COLON) return 'broken'
        if (this.#name !== undefined) this.#capture.begin(at + 1, MAX_VALUE_BYTES)
        return 'value'
      case 'value':
        if (byte === COMMA || byte === END_BRACE) return !this.#valueEnd(chunk, at) ? 'broken' : byte === COMMA ? 'name' : 'end'
        if (kind === QUOTE) this.#inString = true
        else if (kind === OPEN) this.#depth++
        else if (kind !== FILL) return 'broken'
        return 'value'
      default:
        return 'broken'
    }
  }

  #valueEnd(chunk: Buffer, end: number): boolean {
    if (this.#name === undefined) return true
    const text = this.#capture.take(chunk, end)
    const value = text === undefined ? undefined : parsed(text)
    if (text !== undefined && value === undefined) return false
    this.#found.set(this.#name, [...(this.#found.get(this.#name) ?? []), value])
    return true
  }
}

/** Some bytes of a text in pieces: from an offset in one chunk to one in that chunk or a later one. */
class Capture {
  /** One character for each byte: a copy, as a view would keep all of its chunk. */
  #text = ''
  #maxBytes = 0
  /** Where in the chunk at hand it goes on; negative where nothing is captured. */
  #from = -1

  begin(from: number, maxBytes: number): void {
    this.#text = ''
    this.#maxBytes = maxBytes
    this.#from = from
  }

  /** Takes what the chunk has of it, as nothing more will be seen of the chunk. */
  keep(chunk: Buffer): void {
    if (this.#from < 0) return
    this.#add(chunk, chunk.length)
    this.#from = 0
  }

  /** All of it; `undefined` where there is more than is kept. */
  take(chunk: Buffer, end: number): string | undefined {
    this.#add(chunk, end)
    this.#from = -1
    if (this.#text.length > this.#maxBytes) return undefined
    return /[^\x00-\x7f]/.test(this.#text) ? Buffer.from(this.#text, 'latin1').toString('utf8') : this.#text
  }

  #add(chunk: Buffer, end: number): void {
    // One byte too many says that there are too many.
    const most = Math.min(end, this.#from + this.#maxBytes + 1 - this.#text.length)
    this.#text += chunk.toString('latin1', this.#from, most)
  }
}

/**
 * What a name in quotes says; one too long to be kept is none that is looked for. It is read as a value: as names of members,
 * JSON.parse of Node 24 and 26 misreads some whose last character is escaped, when an object before had one with a backslash there.
 */
function unescaped(name: string | undefined): string | undefined {
  if (name === undefined) return ''
  if (!name.includes('\\')) return name.slice(1, -1)
  const value = parsed(name)
  return typeof value === 'string' ? value : undefined
}

/** `undefined` for what is not JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

import { RespError } from './errors.ts'

/** A simple string is a string, a bulk string a Buffer; what is not there, string or array, is null. */
export type Reply = string | number | null | Buffer | ErrorReply | readonly Reply[]

/** A server's refusal: it is an answer like others, and can stand in an array. */
export class ErrorReply {
  /** Its first word, such as `NOSCRIPT`, by which programs go. */
  readonly code: string
  readonly message: string

  constructor(message: string) {
    this.code = message.split(' ', 1)[0]!
    this.message = message
  }
}

export interface ReplyLimits {
  /** Longest line: a simple string, an error, a number, with its type and its end. */
  readonly lineBytes: number
  readonly bulkBytes: number
  /** How many items all arrays of one reply may have together. */
  readonly items: number
  /** How many arrays may stand in each other. */
  readonly depth: number
}

/** What a state makes of the bytes at hand: a reply, the next state, or the wish for more bytes. */
type Step = { readonly reply: Reply } | 'next' | 'wait'

interface OpenArray {
  readonly items: Reply[]
  missing: number
}

const [LF, CR] = [0x0a, 0x0d]
const NOTHING = Buffer.alloc(0)

/**
 * Reads the replies of a server, whatever pieces they come in.
 *
 *     line ──▶ + - : ──────────────────────────▶ a value ──▶ line, inside an array until it is whole
 *       ├────▶ $ length ──▶ bulk ── length + 2 ──▶ a value
 *       └────▶ * length ──▶ line, once for each item
 *
 * Every length is held against its limit before memory is taken for it. The first fault is final.
 *
 *     for (const reply of parser.push(chunk)) …
 */
export class ReplyParser {
  /** What a line is, by its first byte. */
  static readonly #READERS: ReadonlyMap<number, (parser: ReplyParser, text: string) => Step> = new Map([
    [code('+'), (parser, text) => parser.#value(text)],
    [code('-'), (parser, text) => parser.#value(new ErrorReply(text))],
    [code(':'), (parser, text) => parser.#value(integer(text))],
    [code('$'), (parser, text) => (text === '-1' ? parser.#value(null) : parser.#openBulk(lengthOf(text)))],
    [code('*'), (parser, text) => (text === '-1' ? parser.#value(null) : parser.#openArray(lengthOf(text)))],
  ])

  readonly #limits: ReplyLimits
  #state: (this: ReplyParser) => Step = this.#readLine
  /** The chunk at hand and how far it is read. */
  #chunk: Buffer = NOTHING
  #at = 0
  /** What earlier chunks held of a line. */
  #held: Buffer[] = []
  #heldBytes = 0
  /** The bulk string that is coming, with the CR LF behind it, and how much of it is there. */
  #bulk: Buffer = NOTHING
  #filled = 0
  /** Arrays that are not whole yet, each in the one before. */
  readonly #open: OpenArray[] = []
  #items = 0
  #fault: unknown

  constructor(limits: ReplyLimits) {
    this.#limits = limits
  }

  /**
   * Takes the next bytes; what they complete comes from the iterator, then the fault, if any. The iteration is to be run to its end.
   *
   * @throws RespError - from the iterator, the same one ever after.
   */
  *push(chunk: Buffer): Generator<Reply, void, undefined> {
    this.#chunk = chunk
    this.#at = 0
    for (let step = this.#step(); step !== 'wait'; step = this.#step()) if (step !== 'next') yield step.reply
    this.#chunk = NOTHING
  }

  #step(): Step {
    if (this.#fault !== undefined) throw this.#fault
    try {
      return this.#state()
    } catch (error) {
      this.#fault = error
      this.#chunk = this.#bulk = NOTHING
      this.#held = []
      this.#open.length = 0
      throw error
    }
  }

  /** The only one that reads on: so many bytes of the chunk. */
  #consume(count: number): Buffer {
    return this.#chunk.subarray(this.#at, this.#at += count)
  }

  #readLine(): Step {
    if (this.#at === this.#chunk.length) return 'wait'
    const type = this.#held[0]?.[0] ?? this.#chunk[this.#at]!
    const read = ReplyParser.#READERS.get(type)
    if (read === undefined) throw new RespError('RESP_TYPE', 'a reply of no known type')
    const end = this.#chunk.indexOf(LF, this.#at)
    const part = this.#consume((end < 0 ? this.#chunk.length : end + 1) - this.#at)
    this.#heldBytes += part.length
    if (this.#heldBytes > this.#limits.lineBytes) throw new RespError('RESP_LINE_TOO_LONG', 'a line is too long')
    this.#held.push(part)
    if (end < 0) return 'wait'
    const line = this.#held.length === 1 ? part : Buffer.concat(this.#held)
    this.#held = []
    this.#heldBytes = 0
    if (line.indexOf(CR) !== line.length - 2) throw new RespError('RESP_LINE', 'a line does not end in CR LF')
    return read(this, line.toString('utf8', 1, line.length - 2))
  }

  #readBulk(): Step {
    const part = this.#consume(Math.min(this.#bulk.length - this.#filled, this.#chunk.length - this.#at))
    this.#filled += part.copy(this.#bulk, this.#filled)
    if (this.#filled < this.#bulk.length) return 'wait'
    const bytes = this.#bulk.subarray(0, -2)
    if (this.#bulk.at(-2) !== CR || this.#bulk.at(-1) !== LF) throw new RespError('RESP_BULK_END', 'a bulk string goes on behind its length')
    this.#bulk = NOTHING
    this.#state = this.#readLine
    return this.#value(bytes)
  }

  /** A value that is whole: a reply, or the next item of the arrays that wait for it. */
  #value(value: Reply): Step {
    for (let array = this.#open.at(-1); array !== undefined; array = this.#open.at(-1)) {
      array.items.push(value)
      if (--array.missing > 0) return 'next'
      this.#open.pop()
      value = array.items
    }
    this.#items = 0
    return { reply: value }
  }

  #openBulk(length: number): Step {
    if (length > this.#limits.bulkBytes) throw new RespError('RESP_BULK_TOO_LONG', 'a bulk string is too long')
    this.#bulk = Buffer.allocUnsafe(length + 2)
    this.#filled = 0
    this.#state = this.#readBulk
    return 'next'
  }

  #openArray(length: number): Step {
    this.#items += length
    if (this.#items > this.#limits.items) throw new RespError('RESP_TOO_MANY_ITEMS', 'a reply has too many items')
    if (this.#open.length === this.#limits.depth) throw new RespError('RESP_TOO_DEEP', 'a reply has too many arrays in each other')
    if (length === 0) return this.#value([])
    this.#open.push({ items: [], missing: length })
    return 'next'
  }
}

function code(type: string): number {
  return type.charCodeAt(0)
}

function integer(text: string): number {
  const value = Number(text)
  if (!/^[+-]?\d{1,19}$/.test(text) || !Number.isSafeInteger(value)) throw new RespError('RESP_INTEGER', 'an integer is malformed or too large')
  return value
}

function lengthOf(text: string): number {
  if (!/^\d{1,19}$/.test(text)) throw new RespError('RESP_LENGTH', 'a length is malformed')
  return Number(text)
}

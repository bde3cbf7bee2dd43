import { Assembly, type MessageLimits } from './assembly.ts'
import { type Close, readClose } from './close.ts'
import { FrameError } from './errors.ts'
import { type ControlOpcode, extraLengthBytes, type FrameStart, isControl, readExtraLength, readStart, unmask } from './frame.ts'

/** What a client says. The payload of text is UTF-8. */
export type Incoming = Saying<'text'> | Saying<'binary'> | Saying<'ping'> | Saying<'pong'> | ({ readonly type: 'close' } & Close)

interface Saying<Type> {
  readonly type: Type
  readonly payload: Buffer
}

/** What a state makes of the bytes at hand: something for the caller, the next state, or the wish for more bytes. */
type Step = Incoming | 'next' | 'wait'

const NOTHING = Buffer.alloc(0)

/**
 * Reads the frames of a client (RFC 6455 §5), whatever pieces they come in, and puts messages together.
 *
 *     start ── 2 ──▶ length ── 0, 2 or 8 ──▶ mask ── 4 ──▶ data ── as they come ──▶ start
 *                                              └─────────▶ control ── ≤ 125 ──────▶ start, after a close: closed
 *
 * Memory grows with the bytes that came, never with the length a frame declares. What follows a close frame is not read.
 * The first fault is final.
 *
 *     for (const incoming of reader.push(chunk)) …
 */
export class FrameReader {
  readonly #limits: MessageLimits
  #state: (this: FrameReader) => Step = this.#readStart
  /** The chunk at hand and how far it is read. */
  #chunk: Buffer = NOTHING
  #at = 0
  /** What earlier chunks held of a field. */
  #held: Buffer = NOTHING
  #start: FrameStart = { fin: true, opcode: 'close', length: 0 }
  #length = 0
  #key: Buffer = NOTHING
  /** How much of the payload at hand has been read. */
  #read = 0
  /** The message whose last frame has not come. */
  #message: Assembly | undefined
  #fault: unknown

  constructor(limits: MessageLimits) {
    this.#limits = limits
  }

  /**
   * Takes the next bytes; what they complete comes from the iterator, then the fault, if any. The iteration is to be run to its end.
   *
   * @throws FrameError - from the iterator, the same one ever after.
   */
  *push(chunk: Buffer): Generator<Incoming, void, undefined> {
    this.#chunk = chunk
    this.#at = 0
    for (let step = this.#step(); step !== 'wait'; step = this.#step()) if (step !== 'next') yield step
    // An idle connection must not keep it alive.
    this.#chunk = NOTHING
  }

  #step(): Step {
    if (this.#fault !== undefined) throw this.#fault
    try {
      return this.#state()
    } catch (error) {
      this.#fault = error
      this.#chunk = NOTHING
      this.#message = undefined
      throw error
    }
  }

  #readStart(): Step {
    const bytes = this.#gather(2)
    if (bytes === undefined) return 'wait'
    this.#start = readStart(bytes[0]!, bytes[1]!)
    if (!isControl(this.#start.opcode)) this.#checkOrder(this.#start.opcode === 'continuation')
    this.#state = this.#readLength
    return 'next'
  }

  #readLength(): Step {
    const bytes = this.#gather(extraLengthBytes(this.#start))
    if (bytes === undefined) return 'wait'
    this.#length = bytes.length === 0 ? this.#start.length : readExtraLength(bytes)
    const { opcode } = this.#start
    if (opcode === 'text' || opcode === 'binary') this.#message = new Assembly(opcode, this.#limits)
    if (!isControl(opcode)) this.#message!.announce(this.#length, this.#start.fin)
    this.#state = this.#readMask
    return 'next'
  }

  #readMask(): Step {
    const bytes = this.#gather(4)
    if (bytes === undefined) return 'wait'
    this.#key = Buffer.from(bytes)
    this.#read = 0
    this.#state = isControl(this.#start.opcode) ? this.#readControl : this.#readData
    return 'next'
  }

  #readData(): Step {
    const message = this.#message!
    const end = Math.min(this.#chunk.length, this.#at + this.#length - this.#read)
    const bytes = this.#chunk.subarray(this.#at, end)
    this.#at = end
    message.append(bytes, this.#key, this.#read)
    this.#read += bytes.length
    if (this.#read < this.#length) return 'wait'
    this.#state = this.#readStart
    if (!this.#start.fin) return 'next'
    this.#message = undefined
    return { type: message.type, payload: message.finish() }
  }

  #readControl(): Step {
    const bytes = this.#gather(this.#length)
    if (bytes === undefined) return 'wait'
    const payload = Buffer.allocUnsafe(bytes.length)
    unmask(bytes, this.#key, 0, payload)
    const type = this.#start.opcode as ControlOpcode
    this.#state = type === 'close' ? this.#closed : this.#readStart
    return type === 'close' ? { type, ...readClose(payload) } : { type, payload }
  }

  /** RFC 6455 §5.5.1: what comes after a close frame means nothing. */
  #closed(): Step {
    return 'wait'
  }

  /** RFC 6455 §5.4: the fragments of one message are not mixed with those of another. */
  #checkOrder(continues: boolean): void {
    if (continues === (this.#message !== undefined)) return
    throw new FrameError('WEBSOCKET_FRAGMENT', continues ? 'a continuation continues nothing' : 'a message begins within another')
  }

  /** The next `length` bytes in one piece, undefined until they are here. */
  #gather(length: number): Buffer | undefined {
    const end = this.#at + length - this.#held.length
    const fresh = this.#chunk.subarray(this.#at, end)
    const bytes = this.#held.length === 0 ? fresh : Buffer.concat([this.#held, fresh])
    this.#at += fresh.length
    const whole = bytes.length === length
    this.#held = whole ? NOTHING : Buffer.from(bytes)
    return whole ? bytes : undefined
  }
}

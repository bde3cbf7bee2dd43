import { asBuffer } from './bytes.ts'
import { EventStreamError } from './errors.ts'
import { Frame } from './message.ts'
import { MIN_MESSAGE_LENGTH, type Prelude, PRELUDE_LENGTH, readPrelude } from './prelude.ts'

export interface SplitterOptions {
  /** Longest message taken, in bytes, prelude and CRCs included. Bedrock's longest are about 1.4 MB. @default 4 MiB */
  readonly maxBytes?: number
}

const DEFAULT_MAX_BYTES = 4 * 1024 * 1024
const MIN_CAPACITY = 1024
const NOTHING = Buffer.alloc(0)

/**
 * Cuts a byte stream into messages, whatever pieces it comes in.
 *
 *     prelude ── 12 bytes, lengths in bounds, CRC fits ──▶ rest ── all bytes, CRC fits ──▶ Frame, prelude
 *
 * Memory grows with the bytes that came, never with the length a prelude declares. The first fault is final.
 *
 *     for (const frame of splitter.push(chunk)) …
 *     splitter.end()
 */
export class Splitter {
  readonly #maxBytes: number
  /** The state: undefined while the prelude is awaited. */
  #prelude: Prelude | undefined
  /** The chunk at hand and how far it is read. */
  #chunk: Buffer = NOTHING
  #at = 0
  /** A copy of what earlier chunks held of the message at hand; it has room for more. */
  #held: Buffer = NOTHING
  #heldLength = 0
  #fault: EventStreamError | undefined

  constructor({ maxBytes = DEFAULT_MAX_BYTES }: SplitterOptions = {}) {
    if (!Number.isInteger(maxBytes) || maxBytes < MIN_MESSAGE_LENGTH) throw new TypeError('maxBytes must be an integer of at least 16')
    this.#maxBytes = maxBytes
  }

  /**
   * Takes the stream's next bytes; the messages they complete come from the iterator, then the fault, if any.
   * A frame may be a view of `chunk`: copy what outlives it. An iteration broken off is taken up by the next push.
   *
   * @throws EventStreamError - from the iterator, the same one ever after: EVENTSTREAM_LENGTH, _TOO_LARGE, _PRELUDE_CHECKSUM, _MESSAGE_CHECKSUM.
   */
  push(chunk: Uint8Array): Generator<Frame, void, undefined> {
    const bytes = asBuffer(chunk)
    this.#chunk = this.#at < this.#chunk.length ? Buffer.concat([this.#chunk.subarray(this.#at), bytes]) : bytes
    this.#at = 0
    return this.#frames()
  }

  /**
   * Passes over bytes that are whole messages, by their lengths alone: nothing of them is read or checked.
   *
   * @returns Whether they were. If not nothing has happened, and they are to be pushed.
   */
  skip(chunk: Uint8Array): boolean {
    if (this.#fault !== undefined || this.#heldLength > 0 || this.#at < this.#chunk.length) return false
    const bytes = asBuffer(chunk)
    let [at, length] = [0, MIN_MESSAGE_LENGTH]
    while (length >= MIN_MESSAGE_LENGTH && at + MIN_MESSAGE_LENGTH <= bytes.length) at += length = bytes.readUInt32BE(at)
    return length >= MIN_MESSAGE_LENGTH && at === bytes.length
  }

  /**
   * Says that no more bytes will come.
   *
   * @throws EventStreamError - EVENTSTREAM_TRUNCATED inside a message, or the fault met before.
   */
  end(): void {
    if (this.#heldLength > 0 || this.#at < this.#chunk.length) {
      this.#fault ??= new EventStreamError('EVENTSTREAM_TRUNCATED', 'stream ends inside a message')
    }
    if (this.#fault) throw this.#fault
  }

  *#frames(): Generator<Frame, void, undefined> {
    for (let frame = this.#next(); frame; frame = this.#next()) yield frame
    // All of the chunk is read; an idle stream must not keep it alive.
    this.#chunk = NOTHING
  }

  #next(): Frame | undefined {
    try {
      if (this.#fault) throw this.#fault
      const prelude = (this.#prelude ??= this.#readPrelude())
      return prelude && this.#readFrame(prelude)
    } catch (error) {
      this.#fault = error as EventStreamError
      this.#chunk = this.#held = NOTHING
      throw error
    }
  }

  #readPrelude(): Prelude | undefined {
    const bytes = this.#gather(PRELUDE_LENGTH)
    return bytes && readPrelude(bytes, this.#maxBytes)
  }

  #readFrame(prelude: Prelude): Frame | undefined {
    const bytes = this.#gather(prelude.totalLength)
    if (!bytes) return undefined
    if (this.#heldLength === 0) this.#at += bytes.length
    this.#held = NOTHING
    this.#heldLength = 0
    this.#prelude = undefined
    return new Frame(bytes, prelude)
  }

  /** The first `length` bytes of the message at hand in one piece, undefined until they are here. Only this reads the chunk. */
  #gather(length: number): Buffer | undefined {
    const fresh = this.#chunk.length - this.#at
    if (this.#heldLength === 0 && fresh >= length) return this.#chunk.subarray(this.#at, this.#at + length)
    const taken = Math.min(fresh, length - this.#heldLength)
    this.#makeRoom(this.#heldLength + taken, length)
    this.#chunk.copy(this.#held, this.#heldLength, this.#at, this.#at + taken)
    this.#at += taken
    this.#heldLength += taken
    return this.#heldLength < length ? undefined : this.#held.subarray(0, length)
  }

  // Doubling: a message that comes byte by byte is copied about twice, not once per byte.
  #makeRoom(needed: number, most: number): void {
    if (needed <= this.#held.length) return
    const roomier = Buffer.allocUnsafe(Math.min(most, Math.max(needed, 2 * this.#held.length, MIN_CAPACITY)))
    this.#held.copy(roomier, 0, 0, this.#heldLength)
    this.#held = roomier
  }
}

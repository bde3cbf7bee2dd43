import { MIN_MESSAGE_LENGTH, PRELUDE_LENGTH, preludeChecksumFits } from './prelude.ts'

/**
 * Follows a byte stream that passes by, and knows whether it stands between two messages: only there may a proxy
 * write a message of its own. It keeps the 12 bytes of a prelude, checks their CRC and counts the rest; it never
 * throws on what the bytes are, and needs no limit on their length, as it holds none of them.
 *
 *     prelude ── 12 bytes, CRC fits ──▶ rest ── totalLength − 12 bytes ──▶ prelude
 *        └────── cannot be one ──▶ lost
 */
export class FrameCursor {
  readonly #prelude = Buffer.allocUnsafe(PRELUDE_LENGTH)
  #preludeLength = 0
  /** Bytes of the message at hand that are still to pass. */
  #rest = 0
  #lost = false

  /** No byte of a message has passed without all of them. True before the first byte; false when lost. */
  get atBoundary(): boolean {
    return !this.#lost && this.#rest === 0 && this.#preludeLength === 0
  }

  /** The bytes cannot be an event stream, or were broken on the way; where messages begin is unknown for good. */
  get lost(): boolean {
    return this.#lost
  }

  /** Follows the next bytes that pass, in pieces of any size. */
  advance(chunk: Uint8Array): void {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('chunk must be a Uint8Array')
    let at = 0
    while (at < chunk.length && !this.#lost) {
      if (this.#rest > 0) {
        const passed = Math.min(this.#rest, chunk.length - at)
        this.#rest -= passed
        at += passed
      } else {
        this.#prelude[this.#preludeLength++] = chunk[at++] as number
        if (this.#preludeLength === PRELUDE_LENGTH) this.#begin()
      }
    }
  }

  #begin(): void {
    const totalLength = this.#prelude.readUInt32BE(0)
    const headersLength = this.#prelude.readUInt32BE(4)
    this.#lost = headersLength > totalLength - MIN_MESSAGE_LENGTH || !preludeChecksumFits(this.#prelude)
    this.#rest = totalLength - PRELUDE_LENGTH
    this.#preludeLength = 0
  }
}

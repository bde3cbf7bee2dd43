import { FrameError } from './errors.ts'
import { unmask } from './frame.ts'
import { Utf8Check } from './utf8.ts'

export interface MessageLimits {
  /** Longest message, in bytes of payload. */
  readonly maxBytes: number
  /** Most frames of one message. */
  readonly maxFragments: number
}

const MIN_CAPACITY = 512

/** A message whose fragments are still coming in. */
export class Assembly {
  readonly type: 'text' | 'binary'
  readonly #limits: MessageLimits
  readonly #utf8: Utf8Check | undefined
  #fragments = 0
  #length = 0
  /** How long the message can still become. */
  #mostBytes = 0
  /** One buffer with room for more: fragments and chunks of a byte each cost a byte each. */
  #bytes: Buffer = Buffer.alloc(0)

  constructor(type: 'text' | 'binary', limits: MessageLimits) {
    this.type = type
    this.#limits = limits
    this.#utf8 = type === 'text' ? new Utf8Check() : undefined
  }

  /**
   * Announces a fragment of that many bytes, and whether it is the last. No memory is taken for it before they come.
   *
   * @throws FrameError - WEBSOCKET_MESSAGE_TOO_LARGE, WEBSOCKET_TOO_MANY_FRAGMENTS.
   */
  announce(length: number, last: boolean): void {
    // Empty fragments are no payload, but work all the same.
    if (++this.#fragments > this.#limits.maxFragments) throw new FrameError('WEBSOCKET_TOO_MANY_FRAGMENTS', 'a message has too many fragments')
    const { maxBytes } = this.#limits
    if (this.#length + length > maxBytes) throw new FrameError('WEBSOCKET_MESSAGE_TOO_LARGE', 'a message is over the limit')
    this.#mostBytes = last ? this.#length + length : maxBytes
  }

  /**
   * Takes bytes of the fragment, still masked; `at` is where in the fragment they stand.
   *
   * @throws FrameError - WEBSOCKET_UTF8, at the first byte that is none.
   */
  append(masked: Uint8Array, key: Uint8Array, at: number): void {
    const end = this.#length + masked.length
    this.#makeRoom(end)
    const added = this.#bytes.subarray(this.#length, end)
    unmask(masked, key, at, added)
    this.#length = end
    if (this.#utf8?.push(added) === false) throw new FrameError('WEBSOCKET_UTF8', 'text is not UTF-8')
  }

  /** @throws FrameError - WEBSOCKET_UTF8, where text ends within a character. */
  finish(): Buffer {
    if (this.#utf8?.complete === false) throw new FrameError('WEBSOCKET_UTF8', 'text ends within a character')
    return this.#bytes.subarray(0, this.#length)
  }

  // Doubling: a message that comes byte by byte, or in small fragments, is copied about twice, not once for each.
  #makeRoom(needed: number): void {
    if (needed <= this.#bytes.length) return
    const roomier = Buffer.allocUnsafe(Math.min(Math.max(needed, 2 * this.#bytes.length, MIN_CAPACITY), this.#mostBytes))
    this.#bytes.copy(roomier, 0, 0, this.#length)
    this.#bytes = roomier
  }
}

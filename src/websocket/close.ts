import { FrameError } from './errors.ts'
import { MAX_CONTROL_BYTES, writeFrame } from './frame.ts'
import { Utf8Check } from './utf8.ts'

/** What a close frame says. */
export interface Close {
  /** `undefined` where the frame is empty (RFC 6455 §7.1.5 calls that 1005). */
  readonly code: number | undefined
  readonly reason: string
}

const MAX_REASON_BYTES = MAX_CONTROL_BYTES - 2

/**
 * Reads the payload of a close frame (RFC 6455 §5.5.1).
 *
 * @throws FrameError - WEBSOCKET_CLOSE_CODE, WEBSOCKET_UTF8.
 */
export function readClose(payload: Buffer): Close {
  if (payload.length === 0) return { code: undefined, reason: '' }
  const code = payload.length === 1 ? 0 : payload.readUInt16BE()
  if (!maySend(code)) throw new FrameError('WEBSOCKET_CLOSE_CODE', 'a close code is not one that may be sent')
  const reason = payload.subarray(2)
  const utf8 = new Utf8Check()
  if (!utf8.push(reason) || !utf8.complete) throw new FrameError('WEBSOCKET_UTF8', 'the reason of a close is not UTF-8')
  return { code, reason: reason.toString() }
}

/** @throws TypeError - for a code that nobody may send, a reason without a code, or one longer than 123 bytes. */
export function writeClose({ code, reason }: Close): Buffer {
  const text = Buffer.from(reason)
  if (code === undefined ? text.length > 0 : !maySend(code) || text.length > MAX_REASON_BYTES) throw new TypeError('not a close that may be sent')
  return writeFrame('close', code === undefined ? text : Buffer.concat([Buffer.of(code >> 8, code & 0xff), text]))
}

/** RFC 6455 §7.4, and 1012 to 1014 of the IANA registry. 1004 is reserved; 1005, 1006 and 1015 stand for what never was on the wire. */
function maySend(code: number): boolean {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999)
}

/** What is to be done with the connection: send these bytes, if any, and then… */
export interface ClosingStep {
  readonly send?: Buffer
  /**
   * `await` the client's close frame, for a time; `end` our side, since a server closes first (RFC 6455 §7.1.1), and let go
   * of the connection when the client has ended its own; or nothing.
   */
  readonly next?: 'await' | 'end'
}

/**
 * The closing handshake (RFC 6455 §7), whoever begins it.
 *
 *     open ── begin() ──▶ closing ── received() ──▶ closed
 *       └── received(), fail() ─────────────────────▶ closed
 *
 * Only in `open` messages may be sent. It waits for nothing itself: who gets `await` keeps the time.
 */
export class ClosingHandshake {
  #state: 'open' | 'closing' | 'closed' = 'open'

  get state(): 'open' | 'closing' | 'closed' {
    return this.#state
  }

  /** We want to close. */
  begin(close: Close): ClosingStep {
    if (this.#state !== 'open') return {}
    this.#state = 'closing'
    return { send: writeClose(close), next: 'await' }
  }

  /** The client's close frame has come: it is answered with its own code, or it is the answer. */
  received({ code }: Close): ClosingStep {
    const before = this.#state
    this.#state = 'closed'
    if (before === 'closed') return {}
    return before === 'open' ? { send: writeClose({ code, reason: '' }), next: 'end' } : { next: 'end' }
  }

  /** The client broke the protocol, so its close frame is not waited for (RFC 6455 §7.1.7). */
  fail({ closeCode }: FrameError): ClosingStep {
    const before = this.#state
    this.#state = 'closed'
    if (before === 'closed') return {}
    return before === 'open' ? { send: writeClose({ code: closeCode, reason: '' }), next: 'end' } : { next: 'end' }
  }
}

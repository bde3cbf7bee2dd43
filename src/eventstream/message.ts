import { crc32 } from 'node:zlib'
import { asBuffer } from './bytes.ts'
import { EventStreamError } from './errors.ts'
import { decodeHeaders, encodeHeaders, type MessageHeaders } from './headers.ts'
import { checkLimits, MIN_MESSAGE_LENGTH, type Prelude, PRELUDE_LENGTH, readPrelude } from './prelude.ts'

/** A message of `application/vnd.amazon.eventstream`. */
export interface Message {
  readonly headers: MessageHeaders
  readonly payload: Buffer
}

/**
 * Encodes one message: prelude, headers in the order of the Map, payload, CRC.
 * What `decodeMessage` has read becomes the same bytes again.
 *
 * @throws EventStreamError - EVENTSTREAM_HEADER_NAME, _HEADER_VALUE, or _TOO_LARGE over 128 KiB of headers or 24 MiB of payload.
 */
export function encodeMessage(message: Message): Buffer {
  const headers = encodeHeaders(message.headers)
  const payload = asBuffer(message.payload)
  checkLimits(headers.length, payload.length)
  const bytes = Buffer.allocUnsafe(MIN_MESSAGE_LENGTH + headers.length + payload.length)
  bytes.writeUInt32BE(bytes.length, 0)
  bytes.writeUInt32BE(headers.length, 4)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 8)), 8)
  headers.copy(bytes, PRELUDE_LENGTH)
  payload.copy(bytes, PRELUDE_LENGTH + headers.length)
  const crcAt = bytes.length - 4
  bytes.writeUInt32BE(crc32(bytes.subarray(0, crcAt)), crcAt)
  return bytes
}

/**
 * Decodes bytes that are one message and nothing else. The payload and binary headers are views of `bytes`.
 *
 * @throws EventStreamError - any code; EVENTSTREAM_TRUNCATED for too few bytes, EVENTSTREAM_LENGTH for too many.
 */
export function decodeMessage(bytes: Uint8Array): Message {
  const buffer = asBuffer(bytes)
  if (buffer.length < PRELUDE_LENGTH) throw new EventStreamError('EVENTSTREAM_TRUNCATED', 'bytes end inside the prelude')
  const prelude = readPrelude(buffer, Infinity)
  if (buffer.length < prelude.totalLength) throw new EventStreamError('EVENTSTREAM_TRUNCATED', 'bytes end inside the message')
  if (buffer.length > prelude.totalLength) throw new EventStreamError('EVENTSTREAM_LENGTH', 'bytes go on after the message')
  const { headers, payload } = new Frame(buffer, prelude)
  return { headers, payload }
}

/**
 * A message as it came, whole, with both CRCs checked. Nothing is copied: `bytes` and `payload` are views of memory that may be
 * the caller's chunk. Headers are decoded when first asked for, so a reader that needs few of the messages pays for few.
 */
export class Frame implements Message {
  readonly bytes: Buffer
  readonly #headersEnd: number
  #headers: MessageHeaders | undefined

  /** @throws EventStreamError - EVENTSTREAM_MESSAGE_CHECKSUM. */
  constructor(bytes: Buffer, prelude: Prelude) {
    const crcAt = bytes.length - 4
    if (crc32(bytes.subarray(0, crcAt)) !== bytes.readUInt32BE(crcAt)) {
      throw new EventStreamError('EVENTSTREAM_MESSAGE_CHECKSUM', 'CRC of the message does not fit')
    }
    this.bytes = bytes
    this.#headersEnd = PRELUDE_LENGTH + prelude.headersLength
  }

  /** @throws EventStreamError - any EVENTSTREAM_HEADER_ code; the stream around the frame stays readable. */
  get headers(): MessageHeaders {
    return (this.#headers ??= decodeHeaders(this.bytes.subarray(PRELUDE_LENGTH, this.#headersEnd)))
  }

  get payload(): Buffer {
    return this.bytes.subarray(this.#headersEnd, this.bytes.length - 4)
  }
}

/** Why bytes are not an event stream, or why a message cannot become one. */
export type EventStreamErrorCode =
  /** The lengths of a prelude contradict each other or the bytes at hand. */
  | 'EVENTSTREAM_LENGTH'
  /** The message, its headers or its payload are longer than the limit. */
  | 'EVENTSTREAM_TOO_LARGE'
  /** The CRC of the prelude's two lengths is not the one sent with them. */
  | 'EVENTSTREAM_PRELUDE_CHECKSUM'
  /** The CRC of the whole message is not the one at its end. */
  | 'EVENTSTREAM_MESSAGE_CHECKSUM'
  /** The bytes end inside a message. */
  | 'EVENTSTREAM_TRUNCATED'
  /** The header block ends inside a header. */
  | 'EVENTSTREAM_HEADER_TRUNCATED'
  /** A header name is empty, longer than 255 bytes or not UTF-8. */
  | 'EVENTSTREAM_HEADER_NAME'
  /** A header is of none of the ten types. */
  | 'EVENTSTREAM_HEADER_TYPE'
  /** A header value is out of its type's range, longer than 32,767 bytes or not UTF-8. */
  | 'EVENTSTREAM_HEADER_VALUE'
  /** A header name is given twice. */
  | 'EVENTSTREAM_HEADER_DUPLICATE'

/** Everything a peer's bytes can do wrong. Its message names the field, never what the field held. */
export class EventStreamError extends Error {
  override readonly name = 'EventStreamError'
  readonly code: EventStreamErrorCode

  constructor(code: EventStreamErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

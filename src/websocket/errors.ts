/** Why a request does not open a WebSocket (RFC 6455 §4.2.1). */
export type HandshakeErrorCode =
  /** The method is not GET. */
  | 'WEBSOCKET_METHOD'
  /** HTTP is older than 1.1. */
  | 'WEBSOCKET_HTTP_VERSION'
  /** Host is missing or given twice. */
  | 'WEBSOCKET_HOST'
  /** The upgrade is to something else, or Connection does not name it. */
  | 'WEBSOCKET_UPGRADE'
  /** The request says that a body follows; its bytes could be taken for frames. */
  | 'WEBSOCKET_BODY'
  /** Sec-WebSocket-Key is missing, given twice or not 16 bytes in base64. */
  | 'WEBSOCKET_KEY'
  /** Sec-WebSocket-Version is missing. */
  | 'WEBSOCKET_NO_VERSION'
  /** Sec-WebSocket-Version is not 13, or given twice. */
  | 'WEBSOCKET_VERSION'
  /** Sec-WebSocket-Protocol is not a list of different tokens. */
  | 'WEBSOCKET_PROTOCOL'

/** Why the bytes of a client are not frames and messages that we take (RFC 6455 §5). */
export type FrameErrorCode = keyof typeof CLOSE_CODES
export type WebSocketErrorCode = HandshakeErrorCode | FrameErrorCode

/** The code with which a connection fails (RFC 6455 §7.4.1): protocol error, inconsistent data, message too big. */
const CLOSE_CODES = {
  /** A reserved bit is set, and no extension was agreed on. */
  WEBSOCKET_RESERVED_BITS: 1002,
  WEBSOCKET_OPCODE: 1002,
  /** A client's frame is not masked. */
  WEBSOCKET_NOT_MASKED: 1002,
  /** A control frame is fragmented. */
  WEBSOCKET_CONTROL_FRAGMENTED: 1002,
  /** A control frame is longer than 125 bytes. */
  WEBSOCKET_CONTROL_TOO_LONG: 1002,
  /** A length is not in its shortest form, or has its highest bit set. */
  WEBSOCKET_LENGTH: 1002,
  /** A continuation without a beginning, or a beginning within a message. */
  WEBSOCKET_FRAGMENT: 1002,
  /** A close frame holds one byte, or a code that nobody may send. */
  WEBSOCKET_CLOSE_CODE: 1002,
  /** Text, or the reason of a close, is not UTF-8. */
  WEBSOCKET_UTF8: 1007,
  WEBSOCKET_MESSAGE_TOO_LARGE: 1009,
  WEBSOCKET_TOO_MANY_FRAGMENTS: 1009,
} as const

/** Everything a client can do wrong. Its message names the field, never what the field held. */
export class WebSocketError extends Error {
  override readonly name = 'WebSocketError'
  readonly code: WebSocketErrorCode

  constructor(code: WebSocketErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

/** Breaks the rules of frames. `closeCode` is what the client is told. */
export class FrameError extends WebSocketError {
  readonly closeCode: number

  constructor(code: FrameErrorCode, message: string) {
    super(code, message)
    this.closeCode = CLOSE_CODES[code]
  }
}

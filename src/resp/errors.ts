/** Why bytes are no replies of RESP2. */
export type RespErrorCode =
  /** A reply begins with a byte that stands for no type. Those of RESP3 are among them: it is spoken only where it is asked for. */
  | 'RESP_TYPE'
  /** A line ends in something else than CR LF, or holds a CR. */
  | 'RESP_LINE'
  | 'RESP_LINE_TOO_LONG'
  /** An integer is not written as one, or is one that a number cannot hold exactly. */
  | 'RESP_INTEGER'
  /** The length of a bulk string or an array is not one. */
  | 'RESP_LENGTH'
  | 'RESP_BULK_TOO_LONG'
  /** A bulk string goes on behind its length. */
  | 'RESP_BULK_END'
  | 'RESP_TOO_MANY_ITEMS'
  | 'RESP_TOO_DEEP'

/** Everything a server's bytes can do wrong. Its message names the field, never what the field held. */
export class RespError extends Error {
  override readonly name = 'RespError'
  readonly code: RespErrorCode

  constructor(code: RespErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

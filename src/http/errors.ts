/** Everything the rules about HTTP text can find wrong with a request. */
export type HttpErrorCode =
  | 'HTTP_BAD_VERSION'
  | 'HTTP_BAD_TARGET'
  | 'HTTP_BAD_LABEL'
  | 'HTTP_BAD_QUERY'
  | 'HTTP_BAD_HOST'
  | 'HTTP_BAD_FRAMING'
  | 'HTTP_BODY_ENCODED'
  | 'HTTP_BAD_HEADER'
  | 'HTTP_DUPLICATE_HEADER'
  | 'HTTP_TOO_MANY_HEADERS'
  | 'HTTP_CONNECTION_NAMES'
  | 'HTTP_NO_TOKEN'
  | 'HTTP_MALFORMED_TOKEN'
  | 'HTTP_TWO_TOKENS'
  | 'HTTP_LONE_BEARER'

export class HttpError extends Error {
  override readonly name = 'HttpError'
  readonly code: HttpErrorCode

  constructor(code: HttpErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

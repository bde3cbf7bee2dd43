/** How the road to AWS can fail. */
export type UpstreamErrorCode =
  | 'UPSTREAM_UNREACHABLE'
  | 'UPSTREAM_CONNECT_TIMEOUT'
  /** Where only private addresses are allowed. */
  | 'UPSTREAM_PUBLIC_ADDRESS'
  | 'UPSTREAM_SILENT'
  | 'UPSTREAM_RESET'
  | 'UPSTREAM_BAD_ANSWER'
  | 'UPSTREAM_BROKE'
  | 'UPSTREAM_STALLED'

export class UpstreamError extends Error {
  override readonly name = 'UpstreamError'
  readonly code: UpstreamErrorCode

  constructor(code: UpstreamErrorCode, message: string, cause?: unknown) {
    super(message, { cause })
    this.code = code
  }
}

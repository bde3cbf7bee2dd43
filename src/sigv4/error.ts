/** Why a request could not be signed. */
export type SigningCode =
  | 'SIGV4_TEXT' // not Unicode: half a surrogate pair
  | 'SIGV4_METHOD' // not an upper-case method
  | 'SIGV4_PATH' // not a path as it may stand on the wire
  | 'SIGV4_HEADER' // a name or value that HTTP cannot carry
  | 'SIGV4_HOST' // no host, or two
  | 'SIGV4_RESERVED' // a header or query parameter that only the signer may write
  | 'SIGV4_PAYLOAD_HASH' // neither SHA-256 in hex nor the name of event signing
  | 'SIGV4_DATE' // outside the years 1970–9999, or not YYYYMMDDTHHMMSSZ
  | 'SIGV4_SCOPE' // a region or service that would break the credential scope
  | 'SIGV4_CREDENTIALS' // an access key id that would break the header
  | 'SIGV4_SEED' // a prior signature that is none

/** Why a signature was not accepted. */
export type VerificationCode =
  | 'SIGV4_MISSING' // no Authorization, or no X-Amz-Date
  | 'SIGV4_MALFORMED' // present, but not what the grammar says
  | 'SIGV4_WRONG_SCOPE' // another day, region or service
  | 'SIGV4_SKEW' // signed too long ago, or in the future
  | 'SIGV4_UNKNOWN_KEY' // nobody's access key id
  | 'SIGV4_NOT_SIGNED' // host or an x-amz-* header is outside the signature
  | 'SIGV4_PAYLOAD_MISMATCH' // X-Amz-Content-Sha256 names another body
  | 'SIGV4_MISMATCH' // the signature itself

export type SigV4ErrorCode = SigningCode | VerificationCode

/** The one error of this room. The message is a constant sentence: no header value, key or signature is ever in it. */
export class SigV4Error extends Error {
  override readonly name = 'SigV4Error'
  readonly code: SigV4ErrorCode

  constructor(code: SigV4ErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

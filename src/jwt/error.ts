export type JwtErrorCode =
  // of a token
  | 'JWT_TOO_LARGE'
  | 'JWT_MALFORMED'
  | 'JWT_HEADER_UNSUPPORTED'
  | 'JWT_ALG_REFUSED'
  | 'JWT_KEY_UNKNOWN'
  | 'JWT_KEY_AMBIGUOUS'
  | 'JWT_KEY_MISMATCH'
  | 'JWT_SIGNATURE_INVALID'
  | 'JWT_CLAIM_MISSING'
  | 'JWT_CLAIM_INVALID'
  | 'JWT_EXPIRED'
  | 'JWT_NOT_YET_VALID'
  | 'JWT_LIFETIME_TOO_LONG'
  | 'JWT_ISSUER_MISMATCH'
  | 'JWT_AUDIENCE_MISMATCH'
  // of a key, or of a set of them
  | 'JWT_KEY_MALFORMED'
  | 'JWT_KEY_PRIVATE'
  | 'JWT_KEY_UNUSABLE'
  | 'JWT_KEY_WEAK'
  | 'JWT_KEYS_MALFORMED'
  | 'JWT_KEYS_TOO_LARGE'
  | 'JWT_KEYS_MIXED'
  | 'JWT_KEYS_EMPTY'

/** A token, or a key, is refused. The message is a constant sentence: it never holds a part of either. */
export class JwtError extends Error {
  override readonly name = 'JwtError'
  readonly code: JwtErrorCode

  constructor(code: JwtErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

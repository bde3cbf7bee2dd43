/** What a token that verifies, or the keys to verify it with, can still lack. */
export type IdentityErrorCode =
  | 'IDENTITY_NO_USER'
  | 'IDENTITY_BAD_USER'
  | 'IDENTITY_CLAIM_MISSING'
  | 'IDENTITY_KEYS_UNUSABLE'

export class IdentityError extends Error {
  override readonly name = 'IdentityError'
  readonly code: IdentityErrorCode

  constructor(code: IdentityErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

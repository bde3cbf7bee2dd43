import type { JwtErrorCode } from '../jwt/index.ts'

export type IdentityErrorCode =
  // of a token
  | Extract<JwtErrorCode, 'JWT_ISSUER_MISMATCH' | 'JWT_AUDIENCE_MISMATCH'>
  | 'IDENTITY_NO_USER' | 'IDENTITY_BAD_USER' | 'IDENTITY_CLAIM_MISSING' | 'IDENTITY_KEYS_UNAVAILABLE'
  // of the configuration
  | 'IDENTITY_KEYS_UNUSABLE' | 'IDENTITY_ISSUERS_AMBIGUOUS' | 'IDENTITY_REVOCATIONS_UNUSABLE'
  // of keys that are fetched
  | 'IDENTITY_URL_REFUSED' | 'IDENTITY_DISCOVERY_INCOMPLETE' | 'IDENTITY_DISCOVERY_MISMATCH'
  | 'IDENTITY_FETCH_FAILED' | 'IDENTITY_FETCH_TIMEOUT' | 'IDENTITY_FETCH_STATUS' | 'IDENTITY_FETCH_ENCODED' | 'IDENTITY_FETCH_TOO_LARGE'

/** What a token that verifies, or the keys to verify it with, can still lack. */
export class IdentityError extends Error {
  override readonly name = 'IdentityError'
  readonly code: IdentityErrorCode
  /** What exactly was found, for the log and for nobody else. */
  readonly detail: string | undefined

  constructor(code: IdentityErrorCode, message: string, detail?: string) {
    super(message)
    this.code = code
    this.detail = detail
  }
}

/** What a token says beside what it should: `iss "https://a" not in ["https://b"]`. */
export const notAmong = (claim: string, said: unknown, expected: readonly unknown[]): string => `${claim} ${plain(said)} not in ${plain(expected)}`

const MAX_SHOWN = 200

/** A stranger wrote it: it is cut short, and nothing in it can end a line, colour a terminal or pass for another letter. */
function plain(value: unknown): string {
  const text = JSON.stringify(value) ?? 'absent'
  return text.slice(0, MAX_SHOWN).replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

export type SsoErrorCode =
  // of the issuer, or the way to it
  | 'SSO_UNREACHABLE' | 'SSO_DISCOVERY_MISMATCH' | 'SSO_DISCOVERY_INCOMPLETE' | 'SSO_ANSWER_MALFORMED' | 'SSO_NO_DEVICE_FLOW'
  // of the answer that comes through the browser
  | 'SSO_CALLBACK_MALFORMED' | 'SSO_STATE_MISMATCH' | 'SSO_ISSUER_MISMATCH' | 'SSO_DENIED'
  // of the token endpoint
  | 'SSO_GRANT_REFUSED' | 'SSO_REQUEST_REFUSED' | 'SSO_ID_TOKEN_INVALID'
  | 'SSO_TIMED_OUT'

/** A sign-in that comes to nothing. The message is a constant sentence; `detail` names what the issuer said, and is fit for a log. */
export class SsoError extends Error {
  override readonly name = 'SsoError'
  readonly code: SsoErrorCode
  readonly detail: string | undefined

  constructor(code: SsoErrorCode, message: string, detail?: string) {
    super(message)
    this.code = code
    this.detail = detail
  }
}

/** A word of an issuer, such as `access_denied` (RFC 6749 section 5.2), as far as it is one. */
export const plainWord = (value: unknown): string => (typeof value === 'string' && /^[\w.-]{1,64}$/.test(value) ? value : 'something else')

import type { Secret } from '../secret/index.ts'

/** What AWS knows the proxy by. */
export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: Secret
  readonly sessionToken?: Secret | undefined
  /** Milliseconds since 1970; absent where they do not expire. */
  readonly expiresMs?: number | undefined
}

/** Where credentials come from. A warm source answers at once: no request waits for a refresh. */
export interface CredentialSource {
  /** Names the provider, for logs. */
  readonly name: string
  /** @throws CredentialsError - where there are none. */
  get(): Credentials | Promise<Credentials>
  /**
   * Asked when AWS says that `refused` have expired or are unknown.
   *
   * @returns Others, or `undefined` where there are none to be had.
   */
  renew(refused: Credentials): Promise<Credentials | undefined>
}

export type CredentialsErrorCode =
  /** Not set up here: the next provider is asked. Every other code ends the search, for what follows is another identity. */
  | 'CREDENTIALS_NOT_FOUND'
  /** A profile needs a provider that does not exist here. */
  | 'CREDENTIALS_UNSUPPORTED'
  /** A file, variable or answer is malformed, incomplete or cannot be read. */
  | 'CREDENTIALS_INVALID'
  /** The provider said no. */
  | 'CREDENTIALS_REFUSED'
  | 'CREDENTIALS_TIMEOUT'
  | 'CREDENTIALS_UNREACHABLE'
  | 'CREDENTIALS_EXPIRED'
  /** STS does not give a role to the caller it is for. */
  | 'CREDENTIALS_ROLE_REFUSED'

/** A provider that was asked, and why it had nothing. */
export interface Asked {
  readonly provider: string
  readonly code: CredentialsErrorCode
  readonly why: string
}

/** No credentials. The message names the providers that were asked, never what they hold. */
export class CredentialsError extends Error {
  override readonly name = 'CredentialsError'
  readonly code: CredentialsErrorCode
  readonly asked: readonly Asked[]

  constructor(code: CredentialsErrorCode, message: string, asked: readonly Asked[] = []) {
    super(message)
    this.code = code
    this.asked = asked
  }
}

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

/** No credentials could be found. The message names the providers that were asked, never what they hold. */
export class CredentialsError extends Error {
  override readonly name = 'CredentialsError'
  readonly code = 'CREDENTIALS_NOT_FOUND'
}

import type { CheckedClaims } from '../jwt/index.ts'
import type { Secret } from '../secret/index.ts'
import type { Ask } from './ask.ts'
import { authorizationUrl, codeIn, newTransaction, type Transaction } from './authorization.ts'
import { awaitDevice, type DeviceCode, requestDeviceCode } from './device.ts'
import { discover, type Provider } from './discovery.ts'
import { SsoError } from './error.ts'
import { checkIdToken, type Expected } from './id-token.ts'
import { type Granted, requestTokens } from './token-endpoint.ts'

/** A client as the issuer knows it. */
export interface ClientOptions {
  readonly issuer: string
  readonly clientId: string
  /** None: a public client. */
  readonly clientSecret?: Secret | undefined
  readonly scopes: readonly string[]
  /** Where the issuer may say that its endpoints are, besides its own host; without them anywhere. */
  readonly namedHosts?: readonly string[] | undefined
  /** Further parameters of the address that a browser is sent to. */
  readonly parameters?: Readonly<Record<string, string>> | undefined
  /** For what service the access token is to be: `resource` (RFC 8707), `audience` of some issuers; sent wherever tokens are asked for. */
  readonly target: Readonly<Record<string, string>>
}

/** What the client needs from outside. */
export interface SsoWorld {
  readonly ask: Ask
  readonly nowMs: () => number
  readonly random: (bytes: number) => Buffer
  readonly wait: (ms: number) => Promise<void>
}

/** Tokens of somebody whose ID token is verified. An issuer need not send a new one with a refresh. */
export interface SignedIn extends Granted {
  readonly claims: CheckedClaims | undefined
}

const FRESH_MS = 600_000

/**
 * An OpenID Connect client: the code flow with PKCE for browsers, the device flow, refresh. Each method throws an SsoError where it comes to nothing.
 *
 *     const { url, transaction } = await client.begin(redirectUrl)   // keep the transaction where only this browser has it, send it to url
 *     const { claims, accessToken } = await client.redeem(query, transaction, redirectUrl)
 */
export class SsoClient {
  readonly #options: ClientOptions
  readonly #world: SsoWorld
  #provider: Promise<Provider> | undefined
  #askedMs = 0

  constructor(options: ClientOptions, world: SsoWorld) {
    this.#options = options
    this.#world = world
  }

  /** The first half of a sign-in: where the browser goes, and what has to be kept until it comes back. */
  async begin(redirectUrl: string): Promise<{ readonly url: string; readonly transaction: Transaction }> {
    const transaction = newTransaction(this.#world.random)
    return { url: authorizationUrl(await this.#discovered(), this.#options, redirectUrl, transaction), transaction }
  }

  /** The second half: the tokens for the answer that came back through the browser. */
  async redeem(query: string, transaction: Transaction, redirectUrl: string): Promise<SignedIn> {
    const provider = await this.#discovered()
    const code = codeIn(query, provider, transaction)
    const grant = { grant_type: 'authorization_code', code, redirect_uri: redirectUrl, code_verifier: transaction.verifier }
    return this.#verified(provider, await this.#request(provider, grant), { nonce: transaction.nonce })
  }

  /**
   * New tokens for a refresh token (RFC 6749 section 6). Where the issuer sends no new refresh token, the old one stays good.
   *
   * @param subject - Whose it is.
   */
  async refresh(refreshToken: string, subject: string | undefined): Promise<SignedIn> {
    const provider = await this.#discovered()
    const granted = await this.#request(provider, { grant_type: 'refresh_token', refresh_token: refreshToken })
    const kept = { ...granted, refreshToken: granted.refreshToken ?? refreshToken }
    return granted.idToken === undefined ? { ...kept, claims: undefined } : this.#verified(provider, kept, { subject })
  }

  /** Begins a sign-in on another device (RFC 8628). */
  async beginDevice(): Promise<DeviceCode> {
    return requestDeviceCode(await this.#discovered(), this.#options, this.#world.ask, this.#world.nowMs())
  }

  /** Waits until the person has signed in on the other device. */
  async awaitDevice(code: DeviceCode): Promise<SignedIn> {
    const provider = await this.#discovered()
    return this.#verified(provider, await awaitDevice(code, provider, this.#options, this.#world.ask, this.#world), {})
  }

  #request(provider: Provider, grant: Readonly<Record<string, string>>): Promise<Granted> {
    return requestTokens(provider, this.#options, this.#world.ask, { ...grant, ...this.#options.target })
  }

  async #verified(provider: Provider, granted: Granted, expected: Omit<Expected, 'clientId'>): Promise<SignedIn> {
    if (granted.idToken === undefined) throw new SsoError('SSO_ID_TOKEN_INVALID', 'the issuer gave no ID token', 'is openid among the scopes?')
    const { ask, nowMs } = this.#world
    return { ...granted, claims: await checkIdToken(granted.idToken, provider, { ...expected, clientId: this.#options.clientId }, ask, nowMs() / 1000) }
  }

  /** What the issuer says of itself, asked by one for all, and again after a while. */
  #discovered(): Promise<Provider> {
    const nowMs = this.#world.nowMs()
    if (this.#provider === undefined || Math.abs(nowMs - this.#askedMs) > FRESH_MS) {
      this.#askedMs = nowMs
      this.#provider = discover(this.#options, this.#world.ask).catch((error: unknown) => {
        this.#provider = undefined
        throw error
      })
    }
    return this.#provider
  }
}

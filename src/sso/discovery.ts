import { isAtHostOf } from '../http/index.ts'
import { type Ask, documentAt } from './ask.ts'
import type { ClientOptions } from './client.ts'
import { SsoError } from './error.ts'

/** What an issuer says of itself (OpenID Connect Discovery 1.0 section 3). */
export interface Provider {
  readonly issuer: string
  readonly authorizationEndpoint: string
  readonly tokenEndpoint: string
  readonly keysUrl: string
  /** RFC 8628 section 4. */
  readonly deviceEndpoint: string | undefined
  /** RFC 9207 section 3: its answers through the browser name it, always. */
  readonly namesItself: boolean
  /** Whether a secret goes into the form, for one that does not take it in the `Authorization` header. */
  readonly secretInForm: boolean
}

/**
 * Asks an issuer where its endpoints are.
 *
 * @throws SsoError - `SSO_UNREACHABLE`, `SSO_ANSWER_MALFORMED`, `SSO_DISCOVERY_MISMATCH`, `SSO_DISCOVERY_INCOMPLETE`
 */
export async function discover({ issuer, namedHosts }: Pick<ClientOptions, 'issuer' | 'namedHosts'>, ask: Ask): Promise<Provider> {
  const said = await documentAt(ask, `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
  // Section 4.3: exactly the same, or one issuer could speak for another.
  if (said.issuer !== issuer) throw new SsoError('SSO_DISCOVERY_MISMATCH', 'the issuer describes itself by another name')
  // Browsers go to the authorization endpoint by themselves: it may be anywhere.
  const at = (name: string) => endpoint(said[name], issuer, namedHosts)
  return {
    issuer,
    authorizationEndpoint: endpoint(said.authorization_endpoint, issuer), tokenEndpoint: at('token_endpoint'), keysUrl: at('jwks_uri'),
    deviceEndpoint: said.device_authorization_endpoint === undefined ? undefined : at('device_authorization_endpoint'),
    namesItself: said.authorization_response_iss_parameter_supported === true,
    secretInForm: takesSecretInFormOnly(said.token_endpoint_auth_methods_supported),
  }
}

/** A URL no less safe than that of the issuer, who is asked by https or on this very host. */
function endpoint(url: unknown, issuer: string, namedHosts?: readonly string[]): string {
  const scheme = issuer.startsWith('https:') ? /^https:\/\/[!-~]+$/ : /^https?:\/\/[!-~]+$/
  if (typeof url === 'string' && scheme.test(url) && !/[\\#]/.test(url) && URL.canParse(url)) {
    if (namedHosts === undefined || isAtHostOf(url, issuer, namedHosts)) return url
    throw new SsoError('SSO_DISCOVERY_INCOMPLETE', 'the issuer names a host that jwt.named_hosts does not hold', new URL(url).host)
  }
  throw new SsoError('SSO_DISCOVERY_INCOMPLETE', 'the issuer does not say where one of its endpoints is, or names no safe place')
}

/** Discovery 1.0 section 3: who says nothing takes `client_secret_basic`. */
function takesSecretInFormOnly(methods: unknown): boolean {
  return Array.isArray(methods) && methods.includes('client_secret_post') && !methods.includes('client_secret_basic')
}

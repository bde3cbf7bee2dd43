import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK, type JWTHeaderParameters, type JWTPayload, SignJWT } from 'jose'
import { issuerNames } from '../../kit/watch.ts'

export const AUDIENCE = 'https://proxy.interop.test'
export const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519'] as const
export type Algorithm = (typeof ALGORITHMS)[number]

/** A key that tokens can be signed with. */
export interface SigningKey {
  readonly alg: Algorithm
  readonly kid: string
  /** With its private half. */
  readonly jwk: JWK
  /** A token, good for five minutes where the claims do not say otherwise. */
  readonly sign: (claims: JWTPayload, header?: Partial<JWTHeaderParameters>) => Promise<string>
}

export async function signingKey(alg: Algorithm, kid: string): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  const sign = (claims: JWTPayload, header: Partial<JWTHeaderParameters> = {}) =>
    new SignJWT({ aud: AUDIENCE, sub: 'alice', exp: Math.floor(Date.now() / 1000) + 300, ...claims }).setProtectedHeader({ alg, kid, typ: 'at+jwt', ...header }).sign(privateKey)
  return { alg, kid, jwk: { ...await exportJWK(privateKey), kid, alg, use: 'sig' }, sign }
}

export const publicJwk = ({ jwk: { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...jwk } }: SigningKey): JWK => jwk

const CLIENT = { client_id: 'program', client_secret: 'of-no-use-anywhere-else', token_endpoint_auth_method: 'client_secret_post', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }

/** Tokens that are JWTs are kept nowhere. */
class Nothing {
  async upsert(): Promise<void> {}
  async find(): Promise<undefined> {}
}

/** What a real issuer would never answer. True: it has been answered. */
export type Lie = (request: IncomingMessage, response: ServerResponse, issuer: Issuer) => boolean

/** A certified OpenID provider on loopback. Its keys change while it serves, and it can be made to lie. */
export class Issuer {
  readonly url: string
  /** How often its keys were asked for. */
  fetches = 0
  lie: Lie | undefined
  readonly #server: Server
  #answer: (request: IncomingMessage, response: ServerResponse) => void = () => undefined

  private constructor(server: Server) {
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    server.on('request', (request, response) => {
      if (request.url === '/jwks') this.fetches++
      if (this.lie?.(request, response, this) !== true) this.#answer(request, response)
    })
  }

  static async start(...keys: readonly SigningKey[]): Promise<Issuer> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const issuer = new Issuer(server)
    issuerNames([issuer.url])
    await issuer.publish(...keys)
    return issuer
  }

  /** Its keys from now on. */
  async publish(...keys: readonly SigningKey[]): Promise<void> {
    const { default: Provider } = await import('oidc-provider')
    const resource = (_context: unknown, indicator: string) => {
      const alg = new URL(indicator).searchParams.get('alg')
      return { scope: '', audience: AUDIENCE, accessTokenFormat: 'jwt', accessTokenTTL: 300, jwt: { sign: { alg } } }
    }
    const provider = new Provider(this.url, {
      clients: [{ ...CLIENT, id_token_signed_response_alg: keys[0]!.alg }],
      enabledJWA: { idTokenSigningAlgValues: ALGORITHMS },
      adapter: Nothing,
      ttl: { ClientCredentials: 300 },
      jwks: { keys: keys.map(({ jwk }) => jwk) },
      features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false }, resourceIndicators: { enabled: true, getResourceServerInfo: resource } },
    })
    const answer = provider.callback()
    this.#answer = (request, response) => void answer(request, response)
  }

  /** A token as it issues them to programs (RFC 6749 section 4.4, RFC 8707, RFC 9068). */
  async issue(alg: Algorithm): Promise<string> {
    const { client_id, client_secret } = CLIENT
    const body = new URLSearchParams({ grant_type: 'client_credentials', client_id, client_secret, resource: `${AUDIENCE}/?alg=${alg}` })
    const answer = await fetch(`${this.url}/token`, { method: 'POST', body })
    const { access_token: token } = await answer.json() as { access_token?: string }
    if (token === undefined) throw new Error(`the provider issued no token: ${answer.status}`)
    return token
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

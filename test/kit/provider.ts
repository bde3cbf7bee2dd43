import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createPublicKey } from 'node:crypto'
import { sign, signingKey } from '../../src/jwt/index.ts'
import { secret } from './leaks.ts'
import { issuerNames } from './watch.ts'

const PEM = generateKeyPairSync('ec', { namedCurve: 'P-256', privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } })
const JWK = { ...createPublicKey(PEM.publicKey).export({ format: 'jwk' }), kid: 'k', alg: 'ES256', use: 'sig' }

/** A request as the provider takes it. */
export interface Taken {
  readonly path: string
  readonly query: URLSearchParams
  readonly form: URLSearchParams
  readonly authorization: string | undefined
}

interface Code {
  readonly parameters: URLSearchParams
}

export const CLIENT_ID = 'proxy'

/** A small OpenID provider on loopback that lets everybody in, and can be made to lie: whatever is set on it replaces what is true. */
export class Provider {
  readonly url: string
  readonly taken: Taken[] = []
  claims: Readonly<Record<string, unknown>> = { sub: 'alice', name: 'Alice', groups: ['engineering'] }
  idToken: Readonly<Record<string, unknown>> = {}
  idTokenHeader: Readonly<Record<string, unknown>> = {}
  description: Readonly<Record<string, unknown>> = {}
  answer: Readonly<Record<string, unknown>> = {}
  /** What comes back through the browser: parameters to set, `undefined` to leave out. */
  callback: Readonly<Record<string, string | undefined>> = {}
  /** Answers of the token endpoint that come before the true one: an OAuth error each. */
  errors: string[] = []
  /** Takes a request, or not. */
  instead: (taken: Taken, response: ServerResponse) => boolean = () => false
  lifetimeS = 600
  readonly #server: Server
  readonly #codes = new Map<string, Code>()
  readonly #refreshTokens = new Set<string>()

  private constructor(server: Server) {
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    server.on('request', (request, response) => void this.#take(request, response))
  }

  static async start(): Promise<Provider> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Provider(server)
  }

  /** Its true self again. */
  repent(): void {
    this.claims = { sub: 'alice', name: 'Alice', groups: ['engineering'] }
    this.idToken = this.idTokenHeader = this.description = this.answer = this.callback = {}
    this.errors = []
    this.instead = () => false
    this.lifetimeS = 600
    this.taken.length = 0
  }

  /** A token signed by it. */
  token(claims: Readonly<Record<string, unknown>>): string {
    const nowS = Math.floor(Date.now() / 1000)
    return secret('a token of the provider', sign({ iss: this.url, ...this.claims, iat: nowS, exp: nowS + this.lifetimeS, jti: randomBytes(9).toString('base64url'), ...claims }, signingKey(PEM.privateKey), { alg: 'ES256', kid: 'k' }))
  }

  /** As a browser whose person signs in at once: where it is sent back to. */
  async signIn(url: string): Promise<string> {
    const answer = await fetch(url, { redirect: 'manual' })
    const location = answer.headers.get('location')
    if (location === null) throw new Error(`the provider sent the browser nowhere: ${answer.status} ${await answer.text()}`)
    return location
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { pathname: path, searchParams: query } = new URL(request.url!, this.url)
    const taken = { path, query, form: new URLSearchParams(Buffer.concat(chunks).toString()), authorization: request.headers.authorization }
    this.taken.push(taken)
    if (this.instead(taken, response)) return
    if (path === '/authorize') return this.#authorize(query, response)
    const known = { '/.well-known/openid-configuration': () => this.#describe(), '/jwks': () => ({ keys: [JWK] }), '/device': () => this.#device(), '/token': () => this.#grant(taken) }
    const said = known[path as keyof typeof known]?.() ?? { error: 'not_found' }
    response.writeHead('error' in said ? 400 : 200, { 'Content-Type': 'application/json' }).end(JSON.stringify(said))
  }

  #describe(): object {
    const { url } = this
    const description = {
      issuer: url, authorization_endpoint: `${url}/authorize?tenant=a`, token_endpoint: `${url}/token`, jwks_uri: `${url}/jwks`, device_authorization_endpoint: `${url}/device`,
      authorization_response_iss_parameter_supported: true, ...this.description,
    }
    issuerNames(Object.values(description))
    return description
  }

  #authorize(parameters: URLSearchParams, response: ServerResponse): void {
    const code = secret('a code', randomBytes(24).toString('base64url'))
    this.#codes.set(code, { parameters })
    const back = new URL(parameters.get('redirect_uri')!)
    const told = { code, state: parameters.get('state')!, iss: this.url, ...this.callback }
    for (const [name, value] of Object.entries(told)) if (value !== undefined) back.searchParams.set(name, value)
    response.writeHead(303, { Location: back.href }).end()
  }

  #device(): object {
    return { device_code: secret('a device code', randomBytes(24).toString('base64url')), user_code: 'ABCD-EFGH', verification_uri: `${this.url}/activate`, expires_in: 60, interval: 5, ...this.answer }
  }

  #grant({ form, authorization }: Taken): object {
    const clientId = form.get('client_id') ?? decodeURIComponent(Buffer.from((authorization ?? '').slice(6), 'base64').toString().split(':')[0]!)
    const error = this.errors.shift()
    if (error !== undefined) return { error }
    if (form.get('grant_type') === 'refresh_token') return this.#refreshTokens.delete(form.get('refresh_token')!) ? this.#tokens(clientId) : { error: 'invalid_grant' }
    if (form.get('grant_type')!.endsWith('device_code')) return this.#tokens(clientId)
    const code = this.#codes.get(form.get('code') ?? '')
    this.#codes.delete(form.get('code') ?? '')
    const challenge = createHash('sha256').update(form.get('code_verifier') ?? '').digest('base64url')
    if (code === undefined || challenge !== code.parameters.get('code_challenge') || form.get('redirect_uri') !== code.parameters.get('redirect_uri')) return { error: 'invalid_grant' }
    return this.#tokens(clientId, code.parameters.get('nonce') ?? undefined)
  }

  #tokens(clientId: string, nonce?: string): object {
    const refreshToken = secret('a refresh token', randomBytes(24).toString('base64url'))
    this.#refreshTokens.add(refreshToken)
    const id = this.token({ aud: clientId, nonce, ...this.idToken })
    return { token_type: 'Bearer', access_token: this.token({ aud: 'bedrock' }), id_token: this.#withHeader(id), refresh_token: refreshToken, expires_in: this.lifetimeS, ...this.answer }
  }

  #withHeader(token: string): string {
    const [header, payload] = token.split('.') as [string, string]
    if (Object.keys(this.idTokenHeader).length === 0) return token
    const changed = { ...JSON.parse(Buffer.from(header, 'base64url').toString()) as object, ...this.idTokenHeader }
    return `${Buffer.from(JSON.stringify(changed)).toString('base64url')}.${payload}.${token.split('.')[2]}`
  }
}

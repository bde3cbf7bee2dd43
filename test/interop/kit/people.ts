import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { signingKey } from './issuer.ts'
import { issuerNames } from '../../kit/watch.ts'

export const SECRET = 'of-no-use-anywhere-else'
export const RESOURCE = 'urn:bedrock'

/** Everybody is who they say they are. Names are not to be trusted. */
const account = (_context: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId, name: `<b>${accountId}</b>`, groups: ['engineering', 'everybody'] }) })

/** A certified OpenID provider for people: they sign in on its own pages, in a browser or for a device. */
export class PeopleIssuer {
  readonly url: string
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    issuerNames([this.url])
  }

  /**
   * @param pages - Where the proxy has its pages.
   * @param idTokenS - How long ID tokens last.
   */
  static async start(pages: readonly string[], idTokenS: number): Promise<PeopleIssuer> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const issuer = new PeopleIssuer(server)
    const { default: Provider } = await import('oidc-provider')
    const provider = new Provider(issuer.url, {
      clients: [
        { client_id: 'proxy', client_secret: SECRET, redirect_uris: pages.map((page) => `${page}/sign-in/callback`), grant_types: ['authorization_code'], response_types: ['code'], id_token_signed_response_alg: 'ES256' },
        {
          client_id: 'cli', application_type: 'native', token_endpoint_auth_method: 'none', redirect_uris: ['http://127.0.0.1/callback'], response_types: ['code'], id_token_signed_response_alg: 'ES256',
          grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
        },
      ],
      jwks: { keys: [(await signingKey('ES256', 'people')).jwk] },
      cookies: { keys: ['of these tests'] },
      claims: { openid: ['sub'], profile: ['name'], groups: ['groups'] },
      scopes: ['openid', 'offline_access', 'profile', 'groups'],
      conformIdTokenClaims: false,
      findAccount: account,
      ttl: { IdToken: idTokenS, AccessToken: 600, AuthorizationCode: 60, DeviceCode: 600, Grant: 3600, Interaction: 600, Session: 3600, RefreshToken: 3600 },
      features: {
        deviceFlow: { enabled: true }, devInteractions: { enabled: true },
        resourceIndicators: { enabled: true, getResourceServerInfo: () => ({ scope: '', audience: 'bedrock', accessTokenFormat: 'jwt', accessTokenTTL: 600, jwt: { sign: { alg: 'ES256' } } }), defaultResource: () => [] },
      },
    })
    const answer = provider.callback()
    server.on('request', (request, response) => void answer(request, response))
    return issuer
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

/** Somebody with a browser that keeps cookies, follows redirects and fills in forms, and runs no script. */
export class Person {
  readonly #login: string
  readonly #cookies = new Map<string, string>()

  constructor(login: string) {
    this.#login = login
  }

  /**
   * Goes there, wherever it leads, and fills in what is asked for.
   *
   * @returns The page on which there is nothing more to fill in, with its address.
   */
  async visit(start: string, answers: Readonly<Record<string, string>> = {}): Promise<{ readonly url: string; readonly text: string }> {
    let [url, form]: [string, URLSearchParams | undefined] = [start, undefined]
    for (let step = 0; step < 30; step++) {
      const answer: Response = await fetch(url, { redirect: 'manual', headers: { cookie: this.#cookieLine() }, ...(form && { method: 'POST', body: form }) })
      this.#keep(answer.headers.getSetCookie())
      const location = answer.headers.get('location')
      const text = await answer.text()
      const asked = location === null ? formIn(text) : undefined
      if (location === null && asked === undefined) return { url, text }
      form = asked && new URLSearchParams(asked.fields.map(([name, value]) => [name, { login: this.#login, password: 'x', ...answers }[name] ?? value]))
      url = new URL(location ?? asked!.action, url).href
    }
    throw new Error(`it leads nowhere: ${url}`)
  }

  #cookieLine(): string {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  #keep(lines: readonly string[]): void {
    for (const line of lines) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (/Max-Age=0|expires=Thu, 01 Jan 1970/i.test(line)) this.#cookies.delete(name)
      else this.#cookies.set(name, value)
    }
  }
}

/** The form of a page that is to be filled in; that for signing out is none of these. */
function formIn(page: string): { readonly action: string; readonly fields: readonly (readonly [name: string, value: string])[] } | undefined {
  const [, tag = '', content = ''] = /<form([^>]*)>([^]*?)<\/form>/.exec(page) ?? []
  const attribute = (of: string, name: string) => new RegExp(`\\s${name}="([^"]*)"`).exec(of)?.[1]?.replaceAll('&amp;', '&')
  const action = attribute(tag, 'action')
  if (action === undefined || action.endsWith('/sign-out')) return undefined
  const fields = [...content.matchAll(/<input[^>]*>/g)].map(([input]) => [attribute(input, 'name') ?? '', attribute(input, 'value') ?? ''] as const)
  return { action, fields: fields.filter(([name]) => name !== '') }
}

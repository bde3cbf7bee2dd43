import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair } from 'jose'
import Provider, { interactionPolicy } from 'oidc-provider'
import { codeConfirmed, codeForm, codeTaken, failed, loginForm } from './kit/provider-pages.ts'

/*
 * The OpenID provider of `demo --sso`: a certified one, on loopback, for which everybody is who they say they are.
 * Its first line says where it is; it ends with its standard input.
 */

const CLIENT_ID = 'demo'
const GROUP = 'engineering'
const MAX_FORM_BYTES = 2000
const NAME = /^[\w.@-]{1,40}$/

const { privateKey } = await generateKeyPair('ES256', { extractable: true })
const groups = new Map<string, readonly string[]>()
const server = createServer().listen(0, '127.0.0.1')
await once(server, 'listening')
const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

// Whoever has signed out of the proxy can be somebody else at once: nobody stays signed in here.
const policy = interactionPolicy.base()
policy.get('login')!.checks.add(new interactionPolicy.Check('demo', 'a name is needed', ({ oidc }) => oidc.result?.login === undefined))

const provider = new Provider(issuer, {
  clients: [{
    client_id: CLIENT_ID, client_name: 'bedrock-sso-proxy', application_type: 'native', token_endpoint_auth_method: 'none', id_token_signed_response_alg: 'ES256', response_types: ['code'],
    // RFC 8252 section 7.3: on loopback any port will do, that of the pages and that of `login`.
    redirect_uris: ['http://127.0.0.1/sign-in/callback', 'http://127.0.0.1/callback'],
    grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  }],
  jwks: { keys: [{ ...await exportJWK(privateKey), kid: CLIENT_ID, alg: 'ES256', use: 'sig' }] },
  cookies: { keys: [crypto.randomUUID()] },
  claims: { openid: ['sub'], profile: ['name'], groups: ['groups'] },
  scopes: ['openid', 'offline_access', 'profile', 'groups'],
  conformIdTokenClaims: false,
  findAccount: (_context: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId, name: accountId, groups: groups.get(accountId) ?? [] }) }),
  interactions: { policy, url: (_context: unknown, { uid }: { readonly uid: string }) => `/who/${uid}` },
  ttl: { IdToken: 3600, AccessToken: 600, AuthorizationCode: 60, DeviceCode: 600, Grant: 86_400, Interaction: 600, Session: 600, RefreshToken: 86_400 },
  features: {
    devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: false },
    deviceFlow: { enabled: true, userCodeInputSource: codeForm, userCodeConfirmSource: codeConfirmed, successSource: codeTaken },
  },
  renderError: failed,
})

const answer = provider.callback()
server.on('request', (request, response) => {
  const answered = request.url!.startsWith('/who/') ? who(request, response) : answer(request, response)
  void Promise.resolve(answered).catch(() => response.destroy())
})
process.stdout.write(`${JSON.stringify({ issuer, client_id: CLIENT_ID })}\n`)
process.stdin.resume().once('end', () => process.exit())

/** Asks who somebody is, and takes their word for it. */
async function who(request: IncomingMessage, response: ServerResponse): Promise<void> {
  // Without the cookie of the sign-in that it belongs to a form is nobody's.
  const details = await provider.interactionDetails(request, response).catch(() => undefined)
  if (details === undefined) return void response.writeHead(400, { 'Content-Type': 'text/plain' }).end('This sign-in is over.\n')
  const form = request.method === 'POST' ? await formOf(request) : undefined
  const name = form?.get('name') ?? ''
  if (!NAME.test(name)) return void response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(loginForm(`/who/${details.uid}`, GROUP, form !== undefined))
  groups.set(name, form!.get('group') === GROUP ? [GROUP] : [])
  const grant = new provider.Grant({ accountId: name, clientId: CLIENT_ID })
  grant.addOIDCScope(String(details.params.scope))
  // RFC 6749 section 10.2 has people asked; here the only client is the proxy that they come from.
  await provider.interactionFinished(request, response, { login: { accountId: name, remember: false }, consent: { grantId: await grant.save() } })
}

async function formOf(request: IncomingMessage): Promise<URLSearchParams> {
  let text = ''
  for await (const chunk of request) {
    text += String(chunk)
    if (text.length > MAX_FORM_BYTES) throw new Error('the form is too large')
  }
  return new URLSearchParams(text)
}

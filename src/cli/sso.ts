import { randomBytes } from 'node:crypto'
import type { Config } from '../config/index.ts'
import { httpClient } from '../identity/index.ts'
import { type LoginFacts, SignIn, type SignInSources } from '../server/index.ts'
import { type ClientOptions, SsoClient } from '../sso/index.ts'
import type { Setup } from './setup.ts'

/** A client of an issuer, out in the world. */
export function ssoClient(options: ClientOptions, ca: string | undefined): SsoClient {
  return new SsoClient(options, {
    ask: httpClient(ca), nowMs: Date.now, random: randomBytes, wait: (ms) => new Promise((resolve) => { setTimeout(resolve, ms) }),
  })
}

/** For what service tokens are asked for. */
export function targetOf({ resource, audience }: { readonly resource?: string | undefined; readonly audience?: string | undefined }): Readonly<Record<string, string>> {
  return { ...(resource !== undefined && { resource }), ...(audience !== undefined && { audience }) }
}

/** The pages on which people sign in, where the configuration has them. */
export function openSignIn({ config: { sso }, issuers }: Setup, sources: Omit<SignInSources, 'client'>): SignIn | undefined {
  const { issuer, client_id: clientId, client_secret: clientSecret, redirect_url: redirectUrl } = sso
  if (issuer === undefined || clientId === undefined || redirectUrl === undefined) return undefined
  // The issuer is reached with the authorities that its keys are fetched with.
  const ca = issuers.find(({ options }) => options.issuer === undefined || options.issuer === issuer)?.options.ca
  // Nothing here outlives the token.
  const scopes = sso.scopes.filter((scope) => scope !== 'offline_access')
  const client = ssoClient({ issuer, clientId, clientSecret, scopes, target: targetOf(sso) }, ca)
  return new SignIn({ redirectUrl, token: sso.token, groupsAllowed: sso.groups_allowed, cookieSecret: sso.cookie_secret }, { ...sources, client })
}

/** What `login` needs to know, where the configuration lets people log in. */
export function loginFacts({ sso }: Config): LoginFacts | undefined {
  const { issuer, scopes, token, resource, audience } = sso
  const clientId = sso.login_client_id ?? (sso.client_secret === undefined ? sso.client_id : undefined)
  return issuer === undefined || clientId === undefined ? undefined : { issuer, client_id: clientId, scopes, token, resource, audience }
}

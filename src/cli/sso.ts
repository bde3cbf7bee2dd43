import { randomBytes } from 'node:crypto'
import type { Config } from '../config/index.ts'
import { httpClient, type Reach } from '../identity/index.ts'
import { type LoginFacts, SignIn, type SignInSources } from '../server/index.ts'
import { type ClientOptions, SsoClient } from '../sso/index.ts'
import { reachOf } from './issuers.ts'
import type { Setup } from './setup.ts'

/** A client of an issuer, out in the world. */
export function ssoClient(options: ClientOptions, reach: Reach): SsoClient {
  return new SsoClient(options, {
    ask: httpClient(reach), nowMs: Date.now, random: randomBytes, wait: (ms) => new Promise((resolve) => { setTimeout(resolve, ms) }),
  })
}

/** For what service tokens are asked for. */
export function targetOf({ resource, audience }: { readonly resource?: string | undefined; readonly audience?: string | undefined }): Readonly<Record<string, string>> {
  return { ...(resource !== undefined && { resource }), ...(audience !== undefined && { audience }) }
}

/** The client of the pages on which people sign in, where the configuration has them, and where browsers come back to. */
export function clientOfPages({ config: { sso }, issuers }: Setup): { readonly client: SsoClient; readonly redirectUrl: string } | undefined {
  const { issuer, client_id: clientId, client_secret: clientSecret, redirect_url: redirectUrl } = sso
  if (issuer === undefined || clientId === undefined || redirectUrl === undefined) return undefined
  // The issuer is reached as where its keys are fetched.
  const { options: known } = issuers.find(({ options }) => options.issuer === undefined || options.issuer === issuer)!
  // Nothing here outlives the token.
  const scopes = sso.scopes.filter((scope) => scope !== 'offline_access')
  return { client: ssoClient({ issuer, clientId, clientSecret, scopes, namedHosts: known.namedHosts, target: targetOf(sso) }, reachOf(known)), redirectUrl }
}

/** These pages. */
export function openSignIn(setup: Setup, sources: Omit<SignInSources, 'client'>): SignIn | undefined {
  const { sso: { token, groups_allowed: groupsAllowed, cookie_secret: cookieSecret }, server: { example_model: exampleModel } } = setup.config
  const pages = clientOfPages(setup)
  return pages && new SignIn({ redirectUrl: pages.redirectUrl, token, groupsAllowed, cookieSecret, exampleModel }, { ...sources, client: pages.client })
}

/** What `login` needs to know, where the configuration lets people log in. */
export function loginFacts({ sso }: Config): LoginFacts | undefined {
  const { issuer, scopes, token, resource, audience } = sso
  const clientId = sso.login_client_id ?? (sso.client_secret === undefined ? sso.client_id : undefined)
  return issuer === undefined || clientId === undefined ? undefined : {
    issuer, client_id: clientId, scopes, token, resource, audience, client_secret: sso.login_client_secret,
    parameters: sso.login_parameters.size === 0 ? undefined : Object.fromEntries(sso.login_parameters),
  }
}

import type { Config } from '../config/index.ts'
import { CREDENTIAL_PURPOSES, credentialPlaces, CredentialsError, rolePlace, type Sight } from '../credentials/index.ts'
import { redisAddress } from '../limits/index.ts'
import type { Secret } from '../secret/index.ts'
import { egressProxy, isNear, type Place, placeOf } from '../upstream/index.ts'
import type { Terminal } from './command.ts'
import { type ConfiguredIssuer, issuersOf } from './issuers.ts'
import { credentialSight, mayAskSts, type UpstreamPlan, upstreamPlans } from './upstreams.ts'

/** What the proxy connects to others for: all there is. */
export const PURPOSES = [
  'egress proxy', 'Bedrock runtime', 'Bedrock control', 'Bedrock mantle', ...CREDENTIAL_PURPOSES, 'AWS identity, asked by doctor alone',
  'issuer: its description', 'keys of the issuer', 'sign-in: tokens', 'limits (Redis)',
] as const
export type Purpose = (typeof PURPOSES)[number]

/** A host the proxy can ever connect to, and what for. */
export interface Egress {
  /** With its port; `ANY` where only an issuer can say which. */
  readonly host: string
  readonly purposes: readonly Purpose[]
  /** The same for people. */
  readonly text: string
}

/**
 * Every host and port that configuration and environment let `serve` and `doctor` connect to: the list for a firewall. Commands that check
 * tokens (`explain`, `token inspect`) ask issuers, and nobody else; `health` asks the admin listener of its own host.
 */
export function egress(config: Config, env: Terminal['env']): readonly Egress[] {
  const plans = upstreamPlans(config, env)
  const bedrock = plans.flatMap(({ endpoints: { runtime, control, mantle } }) => [placed(runtime, 'Bedrock runtime'), placed(control, 'Bedrock control'), placed(mantle, 'Bedrock mantle')])
  const credentials = plans.flatMap(credentialHosts)
  return merge([
    ...behind(config.aws.proxy_url, [...bedrock, ...credentials, ...identityHosts(config, env, plans)]),
    ...issuersOf(config.jwt).flatMap(([, issuer]) => behind(issuer.proxy_url, issuerHosts(issuer, config.sso))),
    ...limitsHosts(config),
  ])
}

/** In place of a host that only an issuer can say. */
export const ANY = '*'

interface Row {
  readonly host: string
  readonly purpose: Purpose
  /** Reached without a proxy, whatever is configured. */
  readonly near?: boolean
  readonly note?: string
}

function placed({ hostname, port, path }: Place, purpose: Purpose): Row {
  if (path !== undefined) return { host: `unix:${path}`, purpose, near: true }
  return { host: `${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`, purpose, near: isNear(hostname) }
}

/** The same hosts, and the proxy before them. */
function behind(proxyUrl: Secret | undefined, rows: readonly Row[]): readonly Row[] {
  if (proxyUrl === undefined || rows.every(({ near }) => near === true)) return rows
  return [placed(egressProxy(proxyUrl), 'egress proxy'), ...rows.map((row) => (row.near === true ? row : { ...row, note: `${row.note ?? ''} (through the egress proxy)` }))]
}

function credentialHosts({ sight, roles }: UpstreamPlan): readonly Row[] {
  if (sight === undefined) return []
  return [...credentialPlaces(sight), ...(roles.length > 0 ? role(sight) : [])].map(({ purpose, url }) => placed(placeOf(url), purpose))
}

function limitsHosts({ limits: { url } }: Config): readonly Row[] {
  if (url === undefined) return []
  const { host: hostname, port, tls: secure } = redisAddress(url)
  return [placed({ hostname, port, secure }, 'limits (Redis)')]
}

/** Nobody, where the region or the endpoint is one that is refused. */
function role(sight: Sight) {
  try {
    return [rolePlace(sight)]
  } catch (error) {
    if (!(error instanceof CredentialsError)) throw error
    return []
  }
}

function identityHosts(config: Config, env: Terminal['env'], [first]: readonly UpstreamPlan[]): readonly Row[] {
  if (first!.apiKey !== undefined || !mayAskSts(config, env)) return []
  return role(credentialSight(config, env)).map(({ url }) => placed(placeOf(url), 'AWS identity, asked by doctor alone'))
}

/** An issuer that is asked for its keys by their URL, or for its description; that names hosts, which only it knows: any, unless the configuration says which may be. */
function issuerHosts(jwt: ConfiguredIssuer, { issuer: provider, redirect_url: pages }: Config['sso']): readonly Row[] {
  const isAsked = jwt.secret === undefined && jwt.public_key === undefined && jwt.jwks_file === undefined
  const isSignIn = provider !== undefined && pages !== undefined && (jwt.issuer ?? provider) === provider
  const byUrl = isAsked && jwt.jwks_url !== undefined ? [placed(placeOf(new URL(jwt.jwks_url)), 'keys of the issuer')] : []
  if (!isSignIn && !(isAsked && jwt.jwks_url === undefined)) return byUrl
  const issuer = isSignIn ? provider : jwt.issuer!
  const purposes = ['keys of the issuer', ...(isSignIn ? ['sign-in: tokens' as const] : [])] as const
  const own = (['issuer: its description', ...purposes] as const).map((purpose) => placed(placeOf(new URL(issuer)), purpose))
  return [...byUrl, ...own, ...purposes.flatMap((purpose) => namedHosts(issuer, jwt.named_hosts, purpose))]
}

function namedHosts(issuer: string, named: readonly string[] | undefined, purpose: Purpose): readonly Row[] {
  const how = issuer.startsWith('https:') ? ' over https' : ''
  if (named === undefined) return [{ host: ANY, purpose, note: ` (any host that ${issuer} names${how}; jwt.named_hosts says which it may)` }]
  return named.map((host) => ({ ...placed(placeOf(new URL(`https://${host}`)), purpose), note: ` (where ${issuer} says so)` }))
}

function merge(rows: readonly Row[]): readonly Egress[] {
  const byHost = new Map<string, Row[]>()
  for (const row of rows) byHost.set(row.host, [...(byHost.get(row.host) ?? []), row])
  return [...byHost].map(([host, found]) => ({
    host, purposes: [...new Set(found.map(({ purpose }) => purpose))], text: [...new Set(found.map(({ purpose, note = '' }) => purpose + note))].join(', '),
  }))
}

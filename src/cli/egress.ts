import type { Config } from '../config/index.ts'
import { credentialPlaces, rolePlace } from '../credentials/index.ts'
import { redisAddress } from '../limits/index.ts'
import { egressProxy, isNear, type Place, placeOf } from '../upstream/index.ts'
import type { Terminal } from './command.ts'
import { type ConfiguredIssuer, issuersOf } from './issuers.ts'
import { upstreamPlans } from './upstreams.ts'

/** A host the proxy can ever connect to, and what for. */
export interface Egress {
  readonly host: string
  readonly purpose: string
}

/** Every host and port that configuration and environment let the proxy connect to: the list for a firewall. */
export function egress(config: Config, env: Terminal['env']): readonly Egress[] {
  const proxy = config.aws.proxy_url && placed(egressProxy(config.aws.proxy_url), 'egress proxy')
  const plans = upstreamPlans(config, env)
  const bedrock = plans.flatMap(({ endpoints }) => Object.entries(endpoints).map(([service, endpoint]) => placed(endpoint, `Bedrock ${service}`)))
  const places = plans.flatMap(({ sight, roles }) => (sight === undefined ? [] : [...credentialPlaces(sight), ...(roles.length > 0 ? [rolePlace(sight)] : [])]))
  const credentials = places.map(({ purpose, url }) => placed(placeOf(url), purpose))
  const through = ({ host, purpose, near }: Placed): Egress => ({ host, purpose: proxy === undefined || near ? purpose : `${purpose} (through the egress proxy)` })
  return merge([...(proxy === undefined ? [] : [proxy]), ...[...bedrock, ...credentials].map(through), ...issuersOf(config.jwt).flatMap(([, issuer]) => issuerHosts(issuer)), ...signInHosts(config), ...limitsHosts(config)])
}

interface Placed extends Egress {
  readonly near: boolean
}

function placed({ hostname, port, path }: Place, purpose: string): Placed {
  if (path !== undefined) return { host: `unix:${path}`, purpose, near: true }
  return { host: `${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`, purpose, near: isNear(hostname) }
}

/** An issuer that is asked for its keys may name yet another host for them: only it can say which. */
function issuerHosts(jwt: ConfiguredIssuer): readonly Egress[] {
  const asked = jwt.secret === undefined && jwt.public_key === undefined && jwt.jwks_file === undefined
  const url = asked ? (jwt.jwks_url ?? jwt.issuer) : undefined
  return url === undefined ? [] : [placed(placeOf(new URL(url)), jwt.jwks_url === undefined ? 'issuer, and the host it names for its keys' : 'keys of the issuer')]
}

/** Browsers go there by themselves; the proxy takes their codes to it. */
function signInHosts({ sso: { issuer, redirect_url: pages } }: Config): readonly Egress[] {
  return issuer === undefined || pages === undefined ? [] : [placed(placeOf(new URL(issuer)), 'sign-in, and the hosts it names for tokens and keys')]
}

function limitsHosts({ limits: { url } }: Config): readonly Egress[] {
  if (url === undefined) return []
  const { host: hostname, port, tls: secure } = redisAddress(url)
  return [placed({ hostname, port, secure }, 'limits (Redis)')]
}

function merge(hosts: readonly Egress[]): readonly Egress[] {
  const purposes = new Map<string, string[]>()
  for (const { host, purpose } of hosts) purposes.set(host, [...new Set([...(purposes.get(host) ?? []), purpose])])
  return [...purposes].map(([host, listed]) => ({ host, purpose: listed.join(', ') }))
}

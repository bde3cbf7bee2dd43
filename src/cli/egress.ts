import type { Config } from '../config/index.ts'
import { egressProxy, endpointOf, type EndpointOptions, isNear, type Place, placeOf } from '../upstream/index.ts'
import type { Terminal } from './command.ts'
import { type ConfiguredIssuer, issuersOf } from './setup.ts'

/** Where the endpoints of AWS are, as the configuration says. */
export function endpointOptions({ aws }: Config): EndpointOptions {
  return {
    region: aws.region ?? 'us-east-1',
    fips: aws.fips,
    dualStack: aws.dual_stack,
    // An endpoint of one's own is a wall: nothing goes to a public host beside it unless that is named too.
    overrides: { runtime: aws.endpoint, control: aws.control_endpoint ?? aws.endpoint, mantle: aws.mantle_endpoint ?? aws.endpoint },
  }
}

/** A host the proxy can ever connect to, and what for. */
export interface Egress {
  readonly host: string
  readonly purpose: string
}

/** Every host and port that configuration and environment let the proxy connect to: the list for a firewall. */
export function egress(config: Config, env: Terminal['env']): readonly Egress[] {
  const proxy = config.aws.proxy_url && placed(egressProxy(config.aws.proxy_url), 'egress proxy')
  const aws = [...bedrockHosts(config), ...credentialHosts(config, env)].map(({ host, purpose, near }) => {
    return { host, purpose: proxy === undefined || near ? purpose : `${purpose} (through the egress proxy)` }
  })
  return merge([...(proxy === undefined ? [] : [proxy]), ...aws, ...issuersOf(config.jwt).flatMap(([, issuer]) => issuerHosts(issuer))])
}

interface Placed extends Egress {
  readonly near: boolean
}

function placed({ hostname, port }: Place, purpose: string): Placed {
  return { host: `${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`, purpose, near: isNear(hostname) }
}

function bedrockHosts(config: Config): readonly Placed[] {
  const options = endpointOptions(config)
  return (['runtime', 'control', 'mantle'] as const).map((service) => placed(endpointOf(service, options), `Bedrock ${service}`))
}

/** An issuer that is asked for its keys may name yet another host for them: only it can say which. */
function issuerHosts(jwt: ConfiguredIssuer): readonly Egress[] {
  const asked = jwt.secret === undefined && jwt.public_key === undefined && jwt.jwks_file === undefined
  const url = asked ? (jwt.jwks_url ?? jwt.issuer) : undefined
  return url === undefined ? [] : [placed(placeOf(new URL(url)), jwt.jwks_url === undefined ? 'issuer, and the host it names for its keys' : 'keys of the issuer')]
}

/** Where credentials are looked for when neither configuration nor environment hold keys. */
function credentialHosts({ aws }: Config, env: Terminal['env']): readonly Placed[] {
  if (env.AWS_ACCESS_KEY_ID || aws.access_key_id !== undefined) return []
  const sts = env.AWS_ENDPOINT_URL_STS ?? `https://sts.${aws.region ?? 'us-east-1'}.amazonaws.com`
  const container = env.AWS_CONTAINER_CREDENTIALS_FULL_URI ?? 'http://169.254.170.2'
  const instance = env.AWS_EC2_METADATA_SERVICE_ENDPOINT ?? 'http://169.254.169.254'
  return [
    placed(placeOf(new URL(sts)), 'AWS credentials by web identity'),
    placed(placeOf(new URL(container)), 'AWS credentials of a container'),
    ...(env.AWS_EC2_METADATA_DISABLED === 'true' ? [] : [placed(placeOf(new URL(instance)), 'AWS credentials of an instance')]),
  ]
}

function merge(hosts: readonly Egress[]): readonly Egress[] {
  const purposes = new Map<string, string[]>()
  for (const { host, purpose } of hosts) purposes.set(host, [...(purposes.get(host) ?? []), purpose])
  return [...purposes].map(([host, listed]) => ({ host, purpose: listed.join(', ') }))
}

import type { Config } from '../config/index.ts'
import { endpointOf, type EndpointOptions } from '../upstream/index.ts'
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
  return merge([...bedrockHosts(config), ...issuersOf(config.jwt).flatMap(([, issuer]) => issuerHosts(issuer)), ...credentialHosts(config, env)])
}

function bedrockHosts(config: Config): readonly Egress[] {
  const options = endpointOptions(config)
  return (['runtime', 'control', 'mantle'] as const).map((service) => {
    const { hostname, port } = endpointOf(service, options)
    return { host: `${hostname}:${port}`, purpose: `Bedrock ${service}` }
  })
}

/** An issuer that is asked for its keys may name yet another host for them: only it can say which. */
function issuerHosts(jwt: ConfiguredIssuer): readonly Egress[] {
  const asked = jwt.secret === undefined && jwt.public_key === undefined && jwt.jwks_file === undefined
  const url = asked ? (jwt.jwks_url ?? jwt.issuer) : undefined
  return url === undefined ? [] : [{ host: hostOf(url), purpose: jwt.jwks_url === undefined ? 'issuer, and the host it names for its keys' : 'keys of the issuer' }]
}

/** Where credentials are looked for when neither configuration nor environment hold keys. */
function credentialHosts({ aws }: Config, env: Terminal['env']): readonly Egress[] {
  if (env.AWS_ACCESS_KEY_ID || aws.access_key_id !== undefined) return []
  const sts = env.AWS_ENDPOINT_URL_STS ?? `https://sts.${aws.region ?? 'us-east-1'}.amazonaws.com`
  const container = env.AWS_CONTAINER_CREDENTIALS_FULL_URI ?? 'http://169.254.170.2'
  const instance = env.AWS_EC2_METADATA_SERVICE_ENDPOINT ?? 'http://169.254.169.254'
  return [
    { host: hostOf(sts), purpose: 'AWS credentials by web identity' },
    { host: hostOf(container), purpose: 'AWS credentials of a container' },
    ...(env.AWS_EC2_METADATA_DISABLED === 'true' ? [] : [{ host: hostOf(instance), purpose: 'AWS credentials of an instance' }]),
  ]
}

function hostOf(url: string): string {
  const { hostname, port, protocol } = new URL(url)
  return `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`
}

function merge(hosts: readonly Egress[]): readonly Egress[] {
  const purposes = new Map<string, string[]>()
  for (const { host, purpose } of hosts) purposes.set(host, [...(purposes.get(host) ?? []), purpose])
  return [...purposes].map(([host, listed]) => ({ host, purpose: listed.join(', ') }))
}

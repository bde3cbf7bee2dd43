import { endpointOf, type EndpointOptions } from '../upstream/index.ts'
import type { Config } from '../config/index.ts'

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

/** Every host and port that the configuration lets the proxy connect to: the list for a firewall. */
export function egress(config: Config): readonly Egress[] {
  const options = endpointOptions(config)
  const services = (['runtime', 'control', 'mantle'] as const).map((service) => {
    const { hostname, port } = endpointOf(service, options)
    return { host: `${hostname}:${port}`, purpose: `Bedrock ${service}` }
  })
  return merge(services)
}

function merge(hosts: readonly Egress[]): readonly Egress[] {
  const purposes = new Map<string, string[]>()
  for (const { host, purpose } of hosts) purposes.set(host, [...(purposes.get(host) ?? []), purpose])
  return [...purposes].map(([host, listed]) => ({ host, purpose: listed.join(', ') }))
}

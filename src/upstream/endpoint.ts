import { partitionOf } from '../partition/index.ts'
import { type Place, placeOf } from './tunnel.ts'

/** The AWS services a request can go to. Control is read only. */
export type Service = 'runtime' | 'control' | 'mantle'

/** One place to connect to, and the name and region its requests are signed for. */
export interface Endpoint extends Place {
  /** Value of the Host header: the port is named only when it is not the scheme's own. */
  readonly host: string
  readonly signingName: 'bedrock' | 'bedrock-mantle'
  readonly region: string
}

export interface EndpointOptions {
  readonly region: string
  readonly fips: boolean
  readonly dualStack: boolean
  /** Base URLs that replace AWS's own, by service. They hold no path. */
  readonly overrides: Readonly<Partial<Record<Service, string | undefined>>>
}

const HOST_PREFIXES = { runtime: 'bedrock-runtime', control: 'bedrock', mantle: 'bedrock-mantle' } as const

/** The endpoint of a service, as the SDKs resolve it: an override, else region, FIPS and dual-stack decide. */
export function endpointOf(service: Service, options: EndpointOptions): Endpoint {
  const override = options.overrides[service]
  const url = new URL(override ?? `https://${awsHost(service, options)}`)
  return {
    ...placeOf(url),
    host: url.host,
    signingName: service === 'mantle' ? 'bedrock-mantle' : 'bedrock',
    region: options.region,
  }
}

function awsHost(service: Service, { region, fips, dualStack }: EndpointOptions): string {
  const { suffix, dualStackSuffix } = partitionOf(region)
  // Mantle lives under the dual-stack name only.
  return `${HOST_PREFIXES[service]}${fips && service !== 'mantle' ? '-fips' : ''}.${region}.${dualStack || service === 'mantle' ? dualStackSuffix : suffix}`
}

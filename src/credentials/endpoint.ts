import { partitionOf } from '../partition/index.ts'
import { configuredEndpoint } from './shared.ts'
import { CredentialsError } from './source.ts'
import { type Sight, webUrl } from './world.ts'

export interface AwsService {
  /** As variables and profiles write it: `sso_oidc`. */
  readonly service: string
  /** As host names begin. */
  readonly prefix: string
  readonly region: string
  /** Goes before what environment and profile say. */
  readonly endpoint?: string | undefined
}

/**
 * Where a service that gives credentials is: the endpoint that somebody chose, else AWS's own.
 *
 * @throws CredentialsError - `CREDENTIALS_INVALID` for a malformed region or endpoint, and, as with the SDKs, for one beside FIPS or dual stack.
 */
export function awsUrl(sight: Sight, { service, prefix, region, endpoint }: AwsService): URL {
  const chosen = endpoint ?? configuredEndpoint(sight, service)?.value
  if (chosen !== undefined) {
    if (sight.fips || sight.dualStack) throw new CredentialsError('CREDENTIALS_INVALID', `an endpoint of ${service} is set beside FIPS or dual stack: its host is taken as it is`)
    return webUrl(chosen.replace(/\/*$/, '/'), `the endpoint of ${service}`)
  }
  // It becomes a host name: a region of a file must not make it another company's.
  if (!/^[a-z0-9-]{1,63}$/.test(region)) throw new CredentialsError('CREDENTIALS_INVALID', 'the region is malformed')
  const { suffix, dualStackSuffix } = partitionOf(region)
  // GovCloud's ordinary endpoints are the FIPS ones, but for those with IPv6.
  const variant = sight.fips && (sight.dualStack || !region.startsWith('us-gov-')) ? '-fips' : ''
  return new URL(`https://${prefix}${variant}.${region}.${sight.dualStack ? dualStackSuffix : suffix}/`)
}

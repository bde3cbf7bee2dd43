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
}

/**
 * Where a service that gives credentials is: the endpoint that somebody chose, else AWS's own.
 *
 * @throws CredentialsError - `CREDENTIALS_INVALID` for a malformed region or endpoint.
 */
export function awsUrl(sight: Sight, { service, prefix, region }: AwsService): URL {
  const chosen = configuredEndpoint(sight, service)
  if (chosen !== undefined) return webUrl(chosen.replace(/\/*$/, '/'), `the endpoint of ${service}`)
  // It becomes a host name: a region of a file must not make it another company's.
  if (!/^[a-z0-9-]{1,63}$/.test(region)) throw new CredentialsError('CREDENTIALS_INVALID', 'the region is malformed')
  const { suffix, dualStackSuffix } = partitionOf(region)
  // GovCloud's ordinary endpoints are the FIPS ones.
  const variant = sight.fips && !region.startsWith('us-gov-') ? '-fips' : ''
  return new URL(`https://${prefix}${variant}.${region}.${sight.dualStack ? dualStackSuffix : suffix}/`)
}

import { isOwn, type OptionName } from '../config/index.ts'
import { configuredEndpoint, type SdkSetting, sdkSetting, type Shared } from '../credentials/index.ts'

/** What the SDKs call the services whose endpoints they look for. */
const SERVICES: ReadonlyMap<OptionName, string> = new Map([['aws.endpoint', 'bedrock_runtime'], ['aws.control_endpoint', 'bedrock'], ['aws.mantle_endpoint', 'bedrock_mantle']])
const SETTINGS: ReadonlyMap<OptionName, string> = new Map([['aws.region', 'region'], ['aws.fips', 'use_fips_endpoint'], ['aws.dual_stack', 'use_dualstack_endpoint']])

/**
 * What the AWS SDKs would take for an option. Endpoints that are this proxy are passed over: on a host that has one they are set for its clients.
 *
 * @param said - The options as environment and file give them.
 * @throws CredentialsError - `CREDENTIALS_INVALID` where the shared files are malformed.
 */
export function sdkValue(option: OptionName, said: (option: OptionName) => unknown, { env, files }: Pick<Shared, 'env' | 'files'>): SdkSetting | undefined {
  const server = { host: String(said('server.host')), port: Number(said('server.port')) }
  const shared: Shared = { env, files, profile: said('aws.profile') as string | undefined, isOwn: (url) => isOwn(url, server) }
  const [service, name] = [SERVICES.get(option), SETTINGS.get(option)]
  // An endpoint of our own is a wall: what a host sets for its other programs makes no hole in it.
  if (service !== undefined) return said('aws.endpoint') === undefined ? configuredEndpoint(shared, service) : undefined
  const setting = name === undefined ? undefined : sdkSetting(shared, name)
  // Botocore takes "True" for true.
  return setting && { ...setting, value: name === 'region' ? setting.value : setting.value.toLowerCase() }
}

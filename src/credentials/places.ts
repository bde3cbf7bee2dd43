import { containerUrl } from './container.ts'
import { metadataUrl } from './imds.ts'
import { CredentialsError } from './source.ts'
import { fromConfiguration, fromEnvironment } from './static.ts'
import { stsEndpoint } from './sts.ts'
import type { Sight } from './world.ts'

/** Who can be asked for credentials over the network. */
export interface CredentialPlace {
  readonly purpose: string
  readonly url: URL
}

const PLACES: readonly (readonly [purpose: string, urlOf: (sight: Sight) => URL])[] = [
  ['AWS credentials by web identity', stsEndpoint],
  ['AWS credentials of a container', ({ env }) => containerUrl(env)],
  ['AWS credentials of an instance', metadataUrl],
]

/** Everybody the providers can ask, by the rules by which they do: nobody where keys are given; who is not set up, or wrongly, is not asked. */
export function credentialPlaces(sight: Sight): readonly CredentialPlace[] {
  const given = [fromEnvironment, fromConfiguration].map((load) => attempt(() => load(sight)))
  if (!given.every((one) => one instanceof CredentialsError && one.code === 'CREDENTIALS_NOT_FOUND')) return []
  return PLACES.map(([purpose, urlOf]) => ({ purpose, url: attempt(() => urlOf(sight)) })).filter((place): place is CredentialPlace => place.url instanceof URL)
}

function attempt<T>(run: () => T): T | CredentialsError {
  try {
    return run()
  } catch (error) {
    if (error instanceof CredentialsError) return error
    throw error
  }
}

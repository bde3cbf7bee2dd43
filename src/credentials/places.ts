import { containerUrl } from './container.ts'
import { metadataUrl } from './imds.ts'
import { type KindName, kindOf, type Selected, selected, sourceProfile } from './profile.ts'
import { CredentialsError } from './source.ts'
import { oidcUrl, portalUrl, ssoProfile } from './sso.ts'
import { fromConfiguration, fromEnvironment } from './static.ts'
import { stsUrl, webIdentityOf } from './sts.ts'
import type { ProviderName, Sight } from './world.ts'

/** What for. */
export const CREDENTIAL_PURPOSES = ['AWS credentials of a role', 'AWS credentials of a container', 'AWS credentials of an instance', 'tokens of IAM Identity Center', 'AWS credentials of IAM Identity Center'] as const

/** Who can be asked for credentials over the network. */
export interface CredentialPlace {
  readonly purpose: (typeof CREDENTIAL_PURPOSES)[number]
  readonly url: URL
}

/** Everybody the providers ask, by the rules by which they do, as environment and shared files are now: nobody where keys are given; who is set up wrongly is not asked. */
export function credentialPlaces(sight: Sight): readonly CredentialPlace[] {
  for (const [name, placesOfProvider] of PROVIDERS) {
    if (sight.only !== undefined && name !== sight.only) continue
    try {
      return placesOfProvider(sight)
    } catch (error) {
      if (!(error instanceof CredentialsError)) throw error
      if (error.code !== 'CREDENTIALS_NOT_FOUND') return []
    }
  }
  return []
}

type Places = readonly CredentialPlace[]

/** In the order of the chain. */
const PROVIDERS: readonly (readonly [ProviderName, (sight: Sight) => Places])[] = [
  ['environment', (sight) => (fromEnvironment(sight), [])],
  ['configuration', (sight) => (fromConfiguration(sight), [])],
  ['profile', (sight) => placesOf(selected(sight), sight)],
  ['web identity', (sight) => (webIdentityOf(sight.env), [rolePlace(sight)])],
  ['container', (sight) => [container(sight)]],
  ['instance metadata', (sight) => [instance(sight)]],
]

/** Where roles of callers come from. */
export const rolePlace = (sight: Sight): CredentialPlace => ({ purpose: 'AWS credentials of a role', url: stsUrl(sight) })
const container = ({ env }: Sight): CredentialPlace => ({ purpose: 'AWS credentials of a container', url: containerUrl(env) })
const instance = (sight: Sight): CredentialPlace => ({ purpose: 'AWS credentials of an instance', url: metadataUrl(sight) })

function placesOf(one: Selected, sight: Sight): Places {
  const kind = kindOf(one)?.name
  if (kind === undefined) throw new CredentialsError('CREDENTIALS_NOT_FOUND', 'the profile holds no credentials')
  return PLACES[kind](one, sight)
}

const nowhere = (): Places => []

const PLACES: Readonly<Record<KindName, (one: Selected, sight: Sight) => Places>> = {
  static: nowhere, process: nowhere, login: nowhere,
  'web identity': (_, sight) => [rolePlace(sight)],
  role(one, sight) {
    const source = sourceProfile(one)
    if (source !== undefined) return [...placesOf(source, sight), rolePlace(sight)]
    const named = one.profile.get('credential_source')
    return [...(named === 'EcsContainer' ? [container(sight)] : named === 'Ec2InstanceMetadata' ? [instance(sight)] : []), rolePlace(sight)]
  },
  sso(one, sight) {
    const { region } = ssoProfile(one)
    return [{ purpose: 'tokens of IAM Identity Center', url: oidcUrl(sight, region) }, { purpose: 'AWS credentials of IAM Identity Center', url: portalUrl(sight, region) }]
  },
}

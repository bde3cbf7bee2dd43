import type { Log } from '../log/index.ts'
import { fromContainer } from './container.ts'
import { fromInstance } from './imds.ts'
import { fromProfile } from './profile.ts'
import { type Found, RefreshingCredentials } from './refresh.ts'
import { type Asked, CredentialsError, type CredentialSource } from './source.ts'
import { fromConfiguration, fromEnvironment } from './static.ts'
import { fromWebIdentityEnvironment } from './sts.ts'
import { type Provider, unrefSleep, type World } from './world.ts'

/** Who is asked, in the SDKs' order; the configuration comes after the environment, which goes before it everywhere. */
const PROVIDERS: readonly Provider[] = [
  { name: 'environment', load: fromEnvironment },
  { name: 'configuration', load: fromConfiguration },
  { name: 'profile', load: fromProfile },
  { name: 'web identity', load: fromWebIdentityEnvironment },
  { name: 'container', load: fromContainer },
  { name: 'instance metadata', load: fromInstance, stable: true },
]

export interface ChainOptions extends Omit<World, 'closing' | 'sleep'> {
  readonly nowMs: () => number
  readonly log: Log
  /** In place of a timer that does not keep the process alive. */
  readonly sleep?: World['sleep']
}

/** Credentials of this host, kept fresh until `close()`. */
export interface HostCredentials extends CredentialSource {
  /** When those held expire; absent where they do not, or where none are held. */
  readonly expiresMs: number | undefined
  close(): void
}

/**
 * The credentials of this host, from the first provider that has some; that one is kept to, for another would be
 * another identity.
 *
 *     const source = credentialChain({ env: process.env, configured: {}, files: hostFiles, http: httpClient(), … })
 *     await source.get()  // throws a CredentialsError that names each provider asked, and why it had none
 */
export function credentialChain({ nowMs, log, ...given }: ChainOptions): HostCredentials {
  const world = { sleep: unrefSleep, ...given }
  let providers = PROVIDERS.filter(({ name }) => name === (world.only ?? name))
  const find = async (closing: AbortSignal): Promise<Found> => {
    const asked: Asked[] = []
    for (const provider of providers) {
      try {
        const credentials = await provider.load({ ...world, closing })
        providers = [provider]
        return { ...credentials, provider: provider.name, stable: provider.stable ?? false }
      } catch (error) {
        if (!(error instanceof CredentialsError)) throw error
        asked.push({ provider: provider.name, code: error.code, why: error.message })
        if (error.code !== 'CREDENTIALS_NOT_FOUND') break
      }
    }
    throw new CredentialsError(asked.at(-1)!.code, `no AWS credentials (${asked.map(({ provider, why }) => `${provider}: ${why}`).join('; ')})`, asked)
  }
  return new RefreshingCredentials({ find, nowMs, log, sleep: world.sleep, random: world.random })
}

import { Secret } from '../secret/index.ts'
import { type Credentials, CredentialsError, type CredentialSource } from './source.ts'

/** Keys as the configuration gives them. */
export interface ConfiguredKeys {
  readonly accessKeyId?: string | undefined
  readonly secretAccessKey?: Secret | undefined
  readonly sessionToken?: Secret | undefined
}

/**
 * Keys of the environment (`AWS_ACCESS_KEY_ID`…), else of the configuration.
 *
 * Key, secret and session token come from one source, never mixed: a stale token of one beside a key of the other is
 * a signature that AWS refuses.
 */
export function staticCredentials(env: Readonly<Record<string, string | undefined>>, configured: ConfiguredKeys): CredentialSource {
  const found = fromEnvironment(env) ?? fromConfiguration(configured)
  return {
    name: found?.name ?? 'none',
    get() {
      if (found === undefined) throw new CredentialsError('no AWS credentials in the environment (AWS_ACCESS_KEY_ID) or the configuration (aws.access_key_id)')
      return found.credentials
    },
    renew: async () => undefined,
  }
}

interface Found {
  readonly name: string
  readonly credentials: Credentials
}

function fromEnvironment(env: Readonly<Record<string, string | undefined>>): Found | undefined {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token } = env
  if (!accessKeyId || !secret) return undefined
  return { name: 'environment', credentials: { accessKeyId, secretAccessKey: new Secret(secret), ...(token && { sessionToken: new Secret(token) }) } }
}

function fromConfiguration({ accessKeyId, secretAccessKey, sessionToken }: ConfiguredKeys): Found | undefined {
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined
  return { name: 'configuration', credentials: { accessKeyId, secretAccessKey, sessionToken } }
}

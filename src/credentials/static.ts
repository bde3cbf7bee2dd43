import type { Secret } from '../secret/index.ts'
import { credentialsFrom } from './answer.ts'
import { type Credentials, CredentialsError } from './source.ts'
import type { World } from './world.ts'

/** Keys as the configuration gives them. */
export interface ConfiguredKeys {
  readonly accessKeyId?: string | undefined
  readonly secretAccessKey?: Secret | undefined
  readonly sessionToken?: Secret | undefined
}

// Key, secret and session token come from one source, never mixed: a stale token of one beside a key of the other is
// a signature that AWS refuses.

/** Keys of the environment. A blank variable is none. */
export function fromEnvironment({ env }: Pick<World, 'env'>): Credentials {
  const [accessKeyId, secretAccessKey, sessionToken, expiration] = ['ACCESS_KEY_ID', 'SECRET_ACCESS_KEY', 'SESSION_TOKEN', 'CREDENTIAL_EXPIRATION']
    .map((name) => (env[`AWS_${name}`]?.trim() ? env[`AWS_${name}`] : undefined))
  if (accessKeyId === undefined || secretAccessKey === undefined) throw none('AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set')
  return credentialsFrom({ accessKeyId, secretAccessKey, sessionToken, expiration })
}

/** Keys of the configuration. */
export function fromConfiguration({ configured: { accessKeyId, secretAccessKey, sessionToken } }: Pick<World, 'configured'>): Credentials {
  if (accessKeyId === undefined || secretAccessKey === undefined) throw none('aws.access_key_id and aws.secret_access_key are not both set')
  return credentialsFrom({ accessKeyId, secretAccessKey: secretAccessKey.reveal(), sessionToken: sessionToken?.reveal() })
}

const none = (message: string): CredentialsError => new CredentialsError('CREDENTIALS_NOT_FOUND', message)

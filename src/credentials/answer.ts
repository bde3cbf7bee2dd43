import { parseJson } from '../json/index.ts'
import { Secret } from '../secret/index.ts'
import { type Credentials, CredentialsError } from './source.ts'

/** Fields as a variable, a file or an answer holds them. */
export interface Fields {
  readonly accessKeyId: unknown
  readonly secretAccessKey: unknown
  readonly sessionToken?: unknown
  /** RFC 3339. */
  readonly expiration?: unknown
}

/** @throws CredentialsError - `CREDENTIALS_INVALID` for what could not go into a signed request. */
export function credentialsFrom({ accessKeyId, secretAccessKey, sessionToken, expiration }: Fields): Credentials {
  return {
    accessKeyId: visible(accessKeyId, 'the access key id'),
    secretAccessKey: new Secret(visible(secretAccessKey, 'the secret access key')),
    ...(sessionToken !== undefined && { sessionToken: new Secret(visible(sessionToken, 'the session token')) }),
    ...(expiration !== undefined && { expiresMs: timeOf(expiration) }),
  }
}

/** @throws CredentialsError - unless all four are there: what a service hands out is temporary. */
export function temporaryCredentials(fields: Fields): Credentials {
  const { sessionToken = null, expiration = null } = fields
  return credentialsFrom({ ...fields, sessionToken, expiration })
}

/** @throws CredentialsError - where the answer is no JSON. */
export function jsonAnswer(body: string): Readonly<Record<string, unknown>> {
  try {
    return Object(parseJson(body)) as Record<string, unknown>
  } catch {
    throw invalid('the answer is not JSON')
  }
}

/** What can stand in a header: a line end in a key, as files and shells leave them, would break each request. */
export function visible(value: unknown, what: string): string {
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) throw invalid(`${what} is missing or malformed`)
  return value
}

/** A time of RFC 3339, in milliseconds since 1970. */
export function timeOf(expiration: unknown): number {
  const ms = typeof expiration === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(expiration) ? Date.parse(expiration) : NaN
  if (Number.isNaN(ms)) throw invalid('the expiration is missing or malformed')
  return ms
}

const invalid = (message: string): CredentialsError => new CredentialsError('CREDENTIALS_INVALID', message)

import { ALGORITHMS, type AlgorithmName, isAlgorithm, JwtError, type KeySet, keySetFromPem, keySetFromSecret, parseJwkSet, secretWeakness } from '../jwt/index.ts'
import type { Secret } from '../secret/index.ts'
import type { ClaimNames } from './caller.ts'
import { descriptionOf } from './discovery.ts'
import { IdentityError } from './errors.ts'
import { checkedUrl } from './fetch.ts'

/** An issuer as the configuration gives it. Its keys are the first there is of four; without any, the issuer is asked where they are. */
export interface IssuerOptions {
  /** What `iss` must be. Without it `iss` is not looked at, and there can be no other issuer. */
  readonly issuer?: string | undefined
  readonly secret?: Secret | undefined
  readonly publicKey?: string | undefined // PEM
  readonly jwks?: string | undefined // text of a JWK set
  readonly jwksUrl?: string | undefined
  readonly ca?: string | undefined // PEM of the only authorities to trust on the way to remote keys
  readonly proxyUrl?: Secret | undefined // of the HTTP proxy on that way
  readonly namedHosts?: readonly string[] | undefined // where the issuer may say that its keys are, besides its own host; without them anywhere
  readonly maxStaleMs: number // how long remote keys are good while no newer ones can be had
  readonly algorithms?: readonly string[] | undefined // without them all that fit the keys
  readonly audiences?: readonly string[] | undefined // without them "aud" is not looked at
  readonly leewayS: number
  readonly maxLifetimeS?: number | undefined
  readonly names: ClaimNames
}

/** An issuer that has been checked. */
export interface TrustedIssuer {
  readonly options: IssuerOptions
  readonly keys: KeySet | undefined // where they are not elsewhere
  readonly algorithms: readonly AlgorithmName[]
}

/**
 * Checks the issuers of a configuration. It asks nobody: remote keys come later.
 *
 * @throws IdentityError - `IDENTITY_KEYS_UNUSABLE`, `IDENTITY_URL_REFUSED`, `IDENTITY_ISSUERS_AMBIGUOUS`
 */
export function trustedIssuers(issuers: readonly IssuerOptions[]): readonly TrustedIssuer[] {
  const names = new Set(issuers.map(({ issuer }) => issuer))
  const distinct = issuers.length < 2 || (names.size === issuers.length && !names.has(undefined))
  if (!distinct) throw new IdentityError('IDENTITY_ISSUERS_AMBIGUOUS', 'of several issuers each needs a name of its own: jwt.issuer')
  return issuers.map((options) => {
    const keys = readKeys(options)
    if (keys === undefined) checkedUrl(sourceOf(options))
    return { options, keys, algorithms: allowedAlgorithms(options.algorithms, keys) }
  })
}

/** The URL that stands at the beginning of all remote keys of an issuer. */
export const sourceOf = ({ jwksUrl, issuer }: IssuerOptions): string => jwksUrl ?? descriptionOf(issuer ?? '')

function readKeys({ issuer, secret, publicKey, jwks, jwksUrl, algorithms = [] }: IssuerOptions): KeySet | undefined {
  try {
    if (secret !== undefined) return keySetFromSecret(strong(Buffer.from(secret.reveal()), algorithms))
    if (publicKey !== undefined) return keySetFromPem(publicKey)
    if (jwks !== undefined) return withStrongSecrets(parseJwkSet(jwks), algorithms)
  } catch (error) {
    throw error instanceof JwtError ? unusable(error.message) : error
  }
  if ((jwksUrl ?? issuer) === undefined) throw unusable('no key: give jwt.secret, jwt.public_key, jwt.jwks_file, jwt.jwks_url or jwt.issuer')
  return undefined
}

function withStrongSecrets(set: KeySet, algorithms: readonly string[]): KeySet {
  for (const { key } of set.symmetric ? set.keys : []) strong(key.export(), algorithms)
  return set
}

/** RFC 7518 section 3.2: an HMAC key is at least as long as the hash. */
const SECRET_BYTES: ReadonlyMap<string, number> = new Map([['HS256', 32], ['HS384', 48], ['HS512', 64]])

function strong(secret: Buffer, algorithms: readonly string[]): Buffer {
  const needed = Math.max(32, ...algorithms.map((name) => SECRET_BYTES.get(name) ?? 0))
  const weakness = secret.length < needed ? `has ${secret.length} bytes, ${needed} are needed` : secretWeakness(secret)
  if (weakness !== undefined) throw unusable(`the secret ${weakness}; make one with: openssl rand -base64 48`)
  return secret
}

/** Those listed, as far as the keys can serve them; keys that are yet to come will be public ones. */
function allowedAlgorithms(listed: readonly string[] | undefined, keys: KeySet | undefined): readonly AlgorithmName[] {
  // Whoever lists both expects a key that can be both: a public key that serves as a secret is an old attack.
  if (new Set(listed?.map((name) => SECRET_BYTES.has(name))).size > 1) throw unusable('jwt.algorithms lists some for secrets and some for public keys')
  const allowed = (listed ?? ALGORITHMS).filter(isAlgorithm).filter((name) => keys?.algorithms.has(name) ?? !SECRET_BYTES.has(name))
  if (allowed.length === 0) throw unusable('none of jwt.algorithms fits the key')
  return allowed
}

export const unusable = (message: string): IdentityError => new IdentityError('IDENTITY_KEYS_UNUSABLE', message)

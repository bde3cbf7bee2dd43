import { ALGORITHMS, type AlgorithmName, isAlgorithm, JwtError, type KeySet, keySetFromPem, keySetFromSecret, parseJwkSet } from '../jwt/index.ts'
import type { Secret } from '../secret/index.ts'
import { IdentityError } from './errors.ts'

/** The keys of one issuer as the configuration gives them: one of the three. */
export interface KeyMaterial {
  readonly secret?: Secret | undefined
  readonly publicKey?: string | undefined
  /** Text of a JWK set. */
  readonly jwks?: string | undefined
  /** The only algorithms to accept; without it all that fit the keys. */
  readonly algorithms?: readonly string[] | undefined
}

export interface TrustedKeys {
  readonly keys: KeySet
  readonly algorithms: readonly AlgorithmName[]
}

/** A command that makes a secret nobody can guess, for the message that refuses one. */
export const SECRET_COMMAND = 'openssl rand -base64 48'

/**
 * The keys to verify tokens with.
 *
 * @throws IdentityError - `IDENTITY_KEYS_UNUSABLE`: no key, or one that is too short, publicly known or malformed.
 */
export function trustedKeys(material: KeyMaterial): TrustedKeys {
  const keys = readKeys(material)
  const listed = material.algorithms ?? ALGORITHMS
  const algorithms = listed.filter(isAlgorithm).filter((name) => keys.algorithms.has(name))
  if (algorithms.length === 0) throw unusable('none of jwt.algorithms fits the key')
  return { keys, algorithms }
}

function readKeys({ secret, publicKey, jwks }: KeyMaterial): KeySet {
  try {
    if (secret !== undefined) return fromSecret(secret)
    if (publicKey !== undefined) return keySetFromPem(publicKey)
    if (jwks !== undefined) return parseJwkSet(jwks)
  } catch (error) {
    if (error instanceof JwtError) throw unusable(error.message)
    throw error
  }
  throw unusable('no key: give jwt.secret, jwt.public_key or jwt.jwks_file')
}

function fromSecret(secret: Secret): KeySet {
  const bytes = Buffer.from(secret.reveal())
  const weakness = bytes.length < 32 ? `it has ${bytes.length} bytes, 32 are needed` : weak(bytes)
  if (weakness !== undefined) throw unusable(`jwt.secret is too weak: ${weakness}; make one with: ${SECRET_COMMAND}`)
  return keySetFromSecret(bytes)
}

function unusable(message: string): IdentityError {
  return new IdentityError('IDENTITY_KEYS_UNUSABLE', message)
}
const weak = (_: Buffer): string | undefined => undefined // TEMP

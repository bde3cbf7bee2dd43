import { createPublicKey, createSecretKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { JsonError, parseJson } from '../json/index.ts'
import { algorithmsFor } from './algorithms.ts'
import type { AlgorithmName } from './algorithms.ts'
import type { JoseHeader } from './compact.ts'
import { JwtError } from './error.ts'
import type { JwtErrorCode } from './error.ts'
import { importJwk, refuseWeak } from './jwk.ts'
import type { Jwk, VerificationKey } from './jwk.ts'

/** The keys of one issuer: at least one, and either secrets or public keys, never both. */
export interface KeySet {
  readonly keys: readonly VerificationKey[]
  readonly symmetric: boolean
  /** What the keys can verify between them. */
  readonly algorithms: ReadonlySet<AlgorithmName>
  /** The keys of a JWK set that were left out, and why. */
  readonly skipped: readonly { readonly kid: string | undefined; readonly code: JwtErrorCode }[]
  readonly byKid: ReadonlyMap<string, readonly VerificationKey[]>
}

export interface JwkSetLimits {
  /** 262,144 by default. */
  readonly maxBytes?: number
  /** 100 by default. */
  readonly maxKeys?: number
}

/**
 * Reads a JWK set (RFC 7517 section 5), as text or UTF-8 bytes. A key that is unknown, malformed, weak or not for
 * signatures is left out. A private key in it, or secrets beside public keys, condemn the whole set.
 *
 * @throws JwtError - for such a set, and for one with no usable key: then with the code of the first key left out.
 */
export function parseJwkSet(source: string | Uint8Array, { maxBytes = 262_144, maxKeys = 100 }: JwkSetLimits = {}): KeySet {
  if (source.length > maxBytes) throw new JwtError('JWT_KEYS_TOO_LARGE', 'the JWK set is too large')
  const jwks = readKeys(source)
  if (jwks.length > maxKeys) throw new JwtError('JWT_KEYS_TOO_LARGE', 'the JWK set holds too many keys')
  const secrets = jwks.filter(({ kty }) => kty === 'oct').length
  if (secrets !== 0 && secrets !== jwks.length) throw new JwtError('JWT_KEYS_MIXED', 'the JWK set holds both secrets and public keys')
  const keys: VerificationKey[] = []
  const refusals: { readonly kid: string | undefined; readonly error: JwtError }[] = []
  for (const jwk of jwks) {
    try {
      keys.push(importJwk(jwk))
    } catch (error) {
      // Whoever can read the set could sign tokens.
      if (!(error instanceof JwtError) || error.code === 'JWT_KEY_PRIVATE') throw error
      refusals.push({ kid: typeof jwk.kid === 'string' ? jwk.kid : undefined, error })
    }
  }
  if (keys.length === 0) throw refusals[0]?.error ?? new JwtError('JWT_KEYS_EMPTY', 'the JWK set holds no key')
  return keySet(keys, refusals.map(({ kid, error }) => ({ kid, code: error.code })))
}

/**
 * One HMAC secret. It serves the algorithms whose hash is not longer than it is (RFC 7518 section 3.2).
 *
 * @throws JwtError - JWT_KEY_WEAK when that is none of them: below 32 bytes.
 */
export function keySetFromSecret(secret: Uint8Array): KeySet {
  const key = createSecretKey(secret)
  const algorithms = algorithmsFor(key)
  if (algorithms.length === 0) throw new JwtError('JWT_KEY_WEAK', 'the secret is shorter than 32 bytes')
  return keySet([{ kid: undefined, algorithms, key }])
}

/**
 * One public key, as a PEM public key or certificate (of which only the key counts: no name, no expiry).
 *
 * @throws JwtError - JWT_KEY_MALFORMED, JWT_KEY_PRIVATE, JWT_KEY_WEAK, JWT_KEY_UNUSABLE
 */
export function keySetFromPem(pem: string): KeySet {
  // Node would take the public half of a private key without a word.
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) throw new JwtError('JWT_KEY_PRIVATE', 'the PEM holds a private key')
  if (pem.split('-----BEGIN ').length !== 2) throw new JwtError('JWT_KEY_MALFORMED', 'the PEM does not hold exactly one key or certificate')
  const key = publicKey(pem)
  refuseWeak(key)
  const algorithms = algorithmsFor(key)
  if (algorithms.length === 0) throw new JwtError('JWT_KEY_UNUSABLE', 'no algorithm fits the key')
  return keySet([{ kid: undefined, algorithms, key }])
}

/**
 * The one key of the set that is for this header: by its `kid`, where the keys have one, and by its `alg`.
 *
 * @throws JwtError - JWT_KEY_UNKNOWN, JWT_KEY_MISMATCH, JWT_KEY_AMBIGUOUS: no key is tried on the chance that it fits.
 */
export function chooseKey(set: KeySet, { alg, kid }: JoseHeader): VerificationKey {
  const candidates = kid === undefined || set.byKid.size === 0 ? set.keys : set.byKid.get(kid)
  if (candidates === undefined) throw new JwtError('JWT_KEY_UNKNOWN', 'no key has the "kid" of the token')
  const [key, ...others] = candidates.filter(({ algorithms }) => (algorithms as readonly string[]).includes(alg))
  if (key === undefined) throw new JwtError('JWT_KEY_MISMATCH', '"alg" does not fit the key')
  if (others.length > 0) throw new JwtError('JWT_KEY_AMBIGUOUS', 'several keys fit the token, and its "kid" does not say which')
  return key
}

function readKeys(source: string | Uint8Array): readonly Jwk[] {
  const { keys } = readObject(source)
  if (!Array.isArray(keys)) throw new JwtError('JWT_KEYS_MALFORMED', '"keys" of the JWK set is not a list')
  // RFC 7517 section 5: what is not understood is passed over; here an item that is no object has no members.
  return keys.map((jwk: unknown) => (typeof jwk === 'object' && jwk !== null ? (jwk as Jwk) : {}))
}

function readObject(source: string | Uint8Array): Jwk {
  try {
    return Object(parseJson(source)) as Jwk
  } catch (error) {
    if (error instanceof JsonError) throw new JwtError('JWT_KEYS_MALFORMED', 'the JWK set is not strict JSON')
    throw error
  }
}

function publicKey(pem: string): KeyObject {
  try {
    return createPublicKey(pem)
  } catch {
    throw new JwtError('JWT_KEY_MALFORMED', 'the PEM is not a public key or certificate')
  }
}

function keySet(keys: readonly VerificationKey[], skipped: KeySet['skipped'] = []): KeySet {
  const byKid = new Map<string, VerificationKey[]>()
  for (const key of keys) {
    if (key.kid !== undefined) byKid.set(key.kid, [...(byKid.get(key.kid) ?? []), key])
  }
  const symmetric = keys.some(({ key }) => key.type === 'secret')
  return { keys, symmetric, algorithms: new Set(keys.flatMap(({ algorithms }) => algorithms)), skipped, byKid }
}

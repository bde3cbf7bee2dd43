import { createHash, createPublicKey, createSecretKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { algorithmsFor } from './algorithms.ts'
import type { AlgorithmName } from './algorithms.ts'
import { decodeBase64url } from './base64url.ts'
import { JwtError } from './error.ts'

/** A key that may verify tokens, with the algorithms that its type, length and JWK all allow. */
export interface VerificationKey {
  readonly kid: string | undefined
  readonly algorithms: readonly AlgorithmName[]
  readonly key: KeyObject
}

export type Jwk = Readonly<Record<string, unknown>>

/** What makes up the public key, and the thumbprint, in the order of their names (RFC 7638 section 3.2). */
const MEMBERS: ReadonlyMap<unknown, readonly string[]> = new Map([
  ['EC', ['crv', 'kty', 'x', 'y']],
  ['OKP', ['crv', 'kty', 'x']],
  ['RSA', ['e', 'kty', 'n']],
  ['oct', ['k', 'kty']],
])
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'priv']

/**
 * The key that a JWK (RFC 7517) holds, if it may verify signatures.
 *
 * @throws JwtError - JWT_KEY_PRIVATE, JWT_KEY_MALFORMED, JWT_KEY_WEAK, or JWT_KEY_UNUSABLE when it is for something else.
 */
export function importJwk(jwk: Jwk): VerificationKey {
  if (PRIVATE.some((name) => Object.hasOwn(jwk, name))) throw new JwtError('JWT_KEY_PRIVATE', 'a JWK holds a private key')
  if (jwk.kid !== undefined && typeof jwk.kid !== 'string') throw new JwtError('JWT_KEY_MALFORMED', '"kid" of a JWK is not a string')
  const { use = 'sig', key_ops: operations = ['verify'] } = jwk
  if (use !== 'sig' || !Array.isArray(operations) || !operations.includes('verify')) {
    throw new JwtError('JWT_KEY_UNUSABLE', '"use" or "key_ops" of a JWK does not allow it to verify')
  }
  const key = keyObject(members(jwk))
  refuseWeak(key)
  const algorithms = algorithmsFor(key).filter((name) => jwk.alg === undefined || jwk.alg === name)
  if (algorithms.length === 0) throw new JwtError('JWT_KEY_UNUSABLE', 'no algorithm fits the type, length and "alg" of a JWK')
  return { kid: jwk.kid, algorithms, key }
}

/** The name a key has by its content (RFC 7638), SHA-256 in base64url. */
export const thumbprint = (jwk: Jwk): string => createHash('sha256').update(JSON.stringify(members(jwk))).digest('base64url')

function members(jwk: Jwk): Record<string, string> {
  const names = MEMBERS.get(jwk.kty)
  if (names === undefined) throw new JwtError('JWT_KEY_UNUSABLE', '"kty" of a JWK is not supported')
  const found: Record<string, string> = {}
  for (const name of names) {
    const value = jwk[name]
    const plain = name === 'kty' || name === 'crv'
    if (typeof value !== 'string' || (!plain && decodeBase64url(value) === undefined)) {
      throw new JwtError('JWT_KEY_MALFORMED', 'a member of a JWK is missing or is not base64url')
    }
    found[name] = value
  }
  return found
}

function keyObject(jwk: Record<string, string>): KeyObject {
  try {
    return jwk.kty === 'oct' ? createSecretKey(jwk.k as string, 'base64url') : createPublicKey({ key: jwk, format: 'jwk' })
  } catch {
    throw new JwtError('JWT_KEY_MALFORMED', 'a JWK does not hold a key of its type')
  }
}

/** @throws JwtError - JWT_KEY_WEAK for an RSA key that RFC 7518 section 3.3 or mere arithmetic forbids. */
export function refuseWeak(key: KeyObject): void {
  if (key.asymmetricKeyType !== 'rsa') return
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  if (modulusLength < 2048) throw new JwtError('JWT_KEY_WEAK', 'an RSA key is shorter than 2048 bits')
  // With e = 1 a signature is its own message; an even e has no inverse.
  if (publicExponent < 3n || publicExponent % 2n === 0n) throw new JwtError('JWT_KEY_WEAK', 'the exponent of an RSA key is even or below 3')
  const modulus = decodeBase64url(key.export({ format: 'jwk' }).n as string) as Buffer
  if (hasRocaFingerprint(BigInt(`0x${modulus.toString('hex')}`))) {
    throw new JwtError('JWT_KEY_WEAK', 'an RSA key was made by a library whose keys can be factored (CVE-2017-15361)')
  }
}

const ROCA_PRIMES = [
  3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149,
  151, 157, 163, 167,
]

/** Nemec and others, "The Return of Coppersmith's Attack": such a modulus is a power of 65537 modulo each small prime. */
function hasRocaFingerprint(modulus: bigint): boolean {
  return ROCA_PRIMES.every((prime) => {
    const rest = Number(modulus % BigInt(prime))
    let power = 1
    for (let n = 0; n < prime; n++) {
      if (power === rest) return true
      power = (power * 65537) % prime
    }
    return false
  })
}

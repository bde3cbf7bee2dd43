import { constants, createHmac, sign, timingSafeEqual, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { JwtError } from './error.ts'

interface Algorithm {
  /** What node calls this kind of key; `secret` is an HMAC key. */
  readonly keyType: 'secret' | 'rsa' | 'ec' | 'ed25519'
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null
  /** RFC 7518 section 3.2: an HMAC key is at least as long as the hash. */
  readonly minSecretBytes?: number
  /** RFC 7518 section 3.4: each of the three has its own curve. */
  readonly curve?: string
  readonly options?: { readonly padding: number; readonly saltLength?: number } | { readonly dsaEncoding: 'ieee-p1363' }
}

type Bits = 256 | 384 | 512

const hs = (bits: Bits): Algorithm => ({ keyType: 'secret', hash: `sha${bits}`, minSecretBytes: bits / 8 })
const rs = (bits: Bits): Algorithm => ({ keyType: 'rsa', hash: `sha${bits}`, options: { padding: constants.RSA_PKCS1_PADDING } })
// RFC 7518 section 3.5: the salt is as long as the hash, and MGF1 uses the same hash (node's default).
const ps = (bits: Bits): Algorithm => ({
  keyType: 'rsa',
  hash: `sha${bits}`,
  options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: bits / 8 },
})
// RFC 7518 section 3.4: the signature is R and S side by side, never DER.
const es = (bits: Bits, curve: string): Algorithm => ({ keyType: 'ec', hash: `sha${bits}`, curve, options: { dsaEncoding: 'ieee-p1363' } })
const ed25519: Algorithm = { keyType: 'ed25519', hash: null }

const TABLE = {
  HS256: hs(256), HS384: hs(384), HS512: hs(512),
  RS256: rs(256), RS384: rs(384), RS512: rs(512),
  PS256: ps(256), PS384: ps(384), PS512: ps(512),
  ES256: es(256, 'prime256v1'), ES384: es(384, 'secp384r1'), ES512: es(512, 'secp521r1'),
  EdDSA: ed25519, // RFC 8037, of its curves this one only
  Ed25519: ed25519, // RFC 9864 section 2.2: the same signature by its full name
} satisfies Record<string, Algorithm>

/** The "alg" values there are; `none` is not one of them. */
export type AlgorithmName = keyof typeof TABLE
export const ALGORITHMS = Object.keys(TABLE) as readonly AlgorithmName[]

const BY_NAME: ReadonlyMap<string, Algorithm> = new Map(Object.entries(TABLE))

export const isAlgorithm = (name: unknown): name is AlgorithmName => BY_NAME.has(name as string)

/** The algorithms that a key can serve by its type, curve and length. */
export const algorithmsFor = (key: KeyObject): readonly AlgorithmName[] => ALGORITHMS.filter((name) => fits(TABLE[name], key))

/**
 * Whether these bytes are the key's signature of the data.
 *
 * @throws JwtError - JWT_KEY_MISMATCH when the algorithm is not one for this key, so a public key never serves as a secret.
 */
export function verifySignature(name: AlgorithmName, key: KeyObject, data: Uint8Array, signature: Uint8Array): boolean {
  const algorithm = fitting(name, key)
  if (algorithm.keyType !== 'secret') return verify(algorithm.hash, data, { key, ...algorithm.options }, signature)
  const mac = hmac(algorithm, key, data)
  return mac.length === signature.length && timingSafeEqual(mac, signature)
}

/** The signature of the data by a secret or a private key; throws as `verifySignature` does. */
export function createSignature(name: AlgorithmName, key: KeyObject, data: Uint8Array): Buffer {
  const algorithm = fitting(name, key)
  return algorithm.keyType === 'secret' ? hmac(algorithm, key, data) : sign(algorithm.hash, data, { key, ...algorithm.options })
}

const hmac = (algorithm: Algorithm, key: KeyObject, data: Uint8Array): Buffer =>
  createHmac(algorithm.hash as string, key).update(data).digest()

function fitting(name: AlgorithmName, key: KeyObject): Algorithm {
  const algorithm = BY_NAME.get(name)
  if (algorithm === undefined || !fits(algorithm, key)) throw new JwtError('JWT_KEY_MISMATCH', '"alg" does not fit the key')
  return algorithm
}

function fits({ keyType, minSecretBytes = 0, curve }: Algorithm, key: KeyObject): boolean {
  if (keyType === 'secret') return key.type === 'secret' && (key.symmetricKeySize ?? 0) >= minSecretBytes
  return key.asymmetricKeyType === keyType && key.asymmetricKeyDetails?.namedCurve === curve
}

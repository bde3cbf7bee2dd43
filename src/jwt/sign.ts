import { createPrivateKey, createSecretKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { createSignature } from './algorithms.ts'
import type { AlgorithmName } from './algorithms.ts'
import { decodeBase64url } from './base64url.ts'
import type { Claims } from './compact.ts'
import { JwtError } from './error.ts'
import { refuseWeak } from './jwk.ts'
import type { Jwk } from './jwk.ts'

export interface SignOptions {
  readonly alg: AlgorithmName
  readonly kid?: string | undefined
}

/**
 * Makes a JWT of claims, which are taken as they are.
 *
 * @throws JwtError - JWT_KEY_MISMATCH when the algorithm is not one for this key.
 */
export function sign(claims: Claims, key: KeyObject, { alg, kid }: SignOptions): string {
  const header = { alg, typ: 'JWT', ...(kid === undefined ? {} : { kid }) }
  const signingInput = `${encode(header)}.${encode(claims)}`
  return `${signingInput}.${createSignature(alg, key, Buffer.from(signingInput)).toString('base64url')}`
}

/**
 * A key to sign with: a private key as PEM or JWK, or the bytes of a secret.
 *
 * @throws JwtError - JWT_KEY_MALFORMED, JWT_KEY_WEAK
 */
export function signingKey(material: string | Jwk | Uint8Array): KeyObject {
  const key = readKey(material)
  refuseWeak(key)
  return key
}

function readKey(material: string | Jwk | Uint8Array): KeyObject {
  try {
    if (material instanceof Uint8Array) return createSecretKey(material)
    if (typeof material === 'string') return createPrivateKey(material)
    if (material.kty !== 'oct') return createPrivateKey({ key: material, format: 'jwk' })
    return createSecretKey(decodeBase64url(material.k as string) as Buffer)
  } catch {
    throw new JwtError('JWT_KEY_MALFORMED', 'the key to sign with is neither a private key nor a secret')
  }
}

const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')

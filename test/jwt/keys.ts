import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

export interface Pair { readonly publicKey: KeyObject; readonly privateKey: KeyObject }

/**
 * A new key pair, through PEM. A key object straight from `generateKeyPairSync` shares a lock with the job that made it:
 * on Node 20, when the collector frees that job during `export({ format: 'jwk' })`, the process waits for itself for ever.
 */
export function generatePair(type: 'rsa' | 'rsa-pss' | 'ec' | 'ed25519' | 'x25519', size: string | number = 2048): Pair {
  const { publicKey, privateKey } = generateKeyPairSync(type as 'rsa', {
    modulusLength: Number(size) || 2048,
    namedCurve: size,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  return { publicKey: createPublicKey(publicKey), privateKey: createPrivateKey(privateKey) }
}

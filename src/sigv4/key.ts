import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import { SigV4Error } from './error.ts'

/** Where a signature is good: `{ region: 'us-east-1', service: 'bedrock' }`. */
export interface Scope {
  readonly region: string
  readonly service: string
}

/** `20260314/us-east-1/bedrock/aws4_request` */
export function credentialScope(day: string, scope: Scope): string {
  return `${day}/${scope.region}/${scope.service}/aws4_request`
}

/**
 * Derives the key that signs for one day, region and service (AWS General Reference, "Calculate the signature").
 *
 * @throws SigV4Error SIGV4_SCOPE where region or service hold what would make another scope of it.
 */
export function signingKey(secretAccessKey: string, day: string, scope: Scope): KeyObject {
  const { region, service } = scope
  if ([secretAccessKey, region, service].some((part) => typeof part !== 'string')) throw new TypeError('secret, region and service must be strings')
  if (!SCOPE_PART.test(region) || !SCOPE_PART.test(service)) {
    throw new SigV4Error('SIGV4_SCOPE', 'region and service must be letters, digits, "-", "_" and "."')
  }
  let key = createSecretKey(Buffer.from(`AWS4${secretAccessKey}`))
  for (const step of [day, region, service, 'aws4_request']) {
    key = createSecretKey(createHmac('sha256', key).update(step).digest())
  }
  return key
}

/** Signing keys already derived, at most `maxKeys` of them; the oldest leaves first. */
export class SigningKeys {
  readonly #keys = new Map<string, KeyObject>()
  readonly #maxKeys: number

  constructor(maxKeys = 1000) {
    if (!Number.isSafeInteger(maxKeys) || maxKeys < 1) throw new TypeError('maxKeys must be a positive integer')
    this.#maxKeys = maxKeys
  }

  get size(): number {
    return this.#keys.size
  }

  /** The key of this secret, day and scope; derived when it is new. Throws as `signingKey` does. */
  get(secretAccessKey: string, day: string, scope: Scope): KeyObject {
    const name = `${day}/${scope.region}/${scope.service}/${secretAccessKey}` // only the secret may hold a slash, and it is last
    const known = this.#keys.get(name)
    if (known !== undefined) return known
    const key = signingKey(secretAccessKey, day, scope)
    if (this.#keys.size >= this.#maxKeys) {
      const [oldest = ''] = this.#keys.keys()
      this.#keys.delete(oldest)
    }
    this.#keys.set(name, key)
    return key
  }
}

const SCOPE_PART = /^[\w.-]{1,64}$/

import { createHash, createHmac } from 'node:crypto'
import { amzDate, dayOf } from './date.ts'
import { SigV4Error } from './error.ts'
import { credentialScope, type Scope, type SigningKeys } from './key.ts'

/**
 * Signs the events of one stream (AWS4-HMAC-SHA256-PAYLOAD): each signature covers the one before, the first covers that
 * of the request. Key and scope follow each event's own date, so a stream may run past midnight.
 *
 * @example
 * const signer = new EventSigner(signatureOf(signed), credentials.secretAccessKey, scope, keys)
 * const chunkSignature = signer.sign(dateMs, innerMessage) // beside the header :date of the same dateMs
 */
export class EventSigner {
  #prior: string
  readonly #secretAccessKey: string
  readonly #scope: Scope
  readonly #keys: SigningKeys

  /**
   * @param seed - The signature of the request in hex; empty where the request has none.
   * @throws SigV4Error SIGV4_SEED
   */
  constructor(seed: string, secretAccessKey: string, scope: Scope, keys: SigningKeys) {
    if (!SEED.test(seed)) throw new SigV4Error('SIGV4_SEED', 'the prior signature must be 64 hex digits, or empty')
    this.#prior = seed
    this.#secretAccessKey = secretAccessKey
    this.#scope = scope
    this.#keys = keys
  }

  /**
   * The 32 bytes of `:chunk-signature` for the next event. The last event of a stream has an empty payload.
   *
   * @param dateMs - Whole milliseconds since 1970, those of the event's `:date`.
   * @param payload - The event's payload: the encoded inner message.
   * @throws SigV4Error SIGV4_DATE, SIGV4_SCOPE; the chain then stands where it stood.
   */
  sign(dateMs: number, payload: Uint8Array): Buffer {
    const at = amzDate(dateMs)
    const key = this.#keys.get(this.#secretAccessKey, dayOf(at), this.#scope)
    const toSign = eventStringToSign(at, this.#scope, this.#prior, dateHeader(dateMs), payload)
    const signed = createHmac('sha256', key).update(toSign).digest()
    this.#prior = signed.toString('hex')
    return signed
  }
}

/** The string to sign of one event. `headers` is its encoded header block less the signature: `:date` alone. */
export function eventStringToSign(date: string, scope: Scope, priorSignature: string, headers: Uint8Array, payload: Uint8Array): string {
  return `AWS4-HMAC-SHA256-PAYLOAD\n${date}\n${credentialScope(dayOf(date), scope)}\n${priorSignature}\n${sha256(headers)}\n${sha256(payload)}`
}

/**
 * The header `:date` as an event stream encodes it: length of the name, name, type 8 (timestamp), milliseconds in 64 bits.
 * The string to sign has the same moment to the second only.
 *
 * @throws SigV4Error SIGV4_DATE where the milliseconds are not whole.
 */
export function dateHeader(dateMs: number): Buffer {
  if (!Number.isSafeInteger(dateMs)) throw new SigV4Error('SIGV4_DATE', 'the milliseconds of an event must be whole')
  const header = Buffer.from('\x05:date\x08\0\0\0\0\0\0\0\0', 'latin1')
  header.writeBigInt64BE(BigInt(dateMs), 7)
  return header
}

const SEED = /^(?:[0-9a-f]{64})?$/

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

import { encodeMessage, type HeaderValue } from '../eventstream/index.ts'
import type { EventSigner } from '../sigv4/index.ts'

/**
 * The outer message around an event on its way to AWS: `:date`, the chained `:chunk-signature`, and the event as its payload.
 *
 * @param dateMs - Whole milliseconds since 1970.
 * @param event - An encoded message, or nothing: that is the last frame of a stream, and signed as the others are.
 */
export function seal(signer: EventSigner, dateMs: number, event: Buffer): Buffer {
  const headers = new Map<string, HeaderValue>([
    [':date', { type: 'timestamp', value: BigInt(dateMs) }],
    [':chunk-signature', { type: 'binary', value: signer.sign(dateMs, event) }],
  ])
  return encodeMessage({ headers, payload: event })
}

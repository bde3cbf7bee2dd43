import type { Network } from '../http/index.ts'

/** What a door holds each of its requests to. */
export interface Terms {
  /** Who is believed about where a request comes from. */
  readonly trustedProxies: readonly Network[]
  /** How long the client has for the rest of an answer that is complete. */
  readonly takeMs: number
  /** How often a client on a WebSocket is asked whether it is still there. */
  readonly pingMs: number
  /** Whether a connection is to close after the answer that begins now. */
  readonly lastAnswer: () => boolean
  /** Whether every connection is about to be cut: no answer can wait then for the rest of its request. */
  readonly cutting: () => boolean
}

import type { Readable } from 'node:stream'
import type { ClientSide, Talk } from './conversation.ts'

/** Where the body of an answer is written. Both protocols' streams are such a thing. */
export interface Sink {
  write(chunk: Buffer | string): boolean
  end(chunk?: Buffer | string): unknown
  once(event: 'drain', listener: () => void): unknown
}

/**
 * One request and its answer, whichever protocol carries them. The proxy knows nothing else of servers.
 */
export interface Exchange {
  readonly id: string
  readonly protocol: '1.0' | '1.1' | '2'
  readonly method: string
  /** Request target as it was spelt. */
  readonly target: string
  /** Header lines as flat name, value pairs, in their order. Over HTTP/2 `:authority` is given as `host`. */
  readonly fields: readonly string[]
  /** Address of the client, as far as those between it and us can be believed. */
  readonly source: string
  /** Whether a body may follow the head. */
  readonly hasBody: boolean
  readonly body: Readable
  /** How much of a body can come, and lie in memory, before anybody reads it. */
  readonly aheadBytes: number
  /** The client left before its answer was complete. */
  readonly gone: boolean
  /** Called once, at the moment the client leaves. */
  onGone: (() => void) | undefined
  /** Tells a client that waits for it (`Expect: 100-continue`) to send its body. */
  continue(): void
  /** Tells a client that waits that work goes on: an informational answer where the protocol's clients need one. */
  processing(): void
  /** Sends status and header lines, `atOnce` or together with the first bytes, and gives the way to write the body. */
  begin(status: number, fields: readonly string[], atOnce: boolean): Sink
  /** Makes the client's side of a conversation, where the way in has one of its own. Else request body and answer are event streams. */
  readonly join?: (talk: Talk) => ClientSide
  /** Sends a whole answer. Where the request's body has not all come, sees to it that the client can still read this. */
  answer(status: number, fields: readonly string[], body: Buffer): void
  /** Ends an answer so that nobody can take what was sent for all of it. */
  break(): void
}

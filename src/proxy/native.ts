import { decodeMessage, encodeMessage, EventStreamError, exceptionMessage, type Frame, Splitter } from '../eventstream/index.ts'
import { type ClientSide, MAX_EVENT_BYTES, type Talk } from './conversation.ts'
import type { Exchange, Sink } from './exchange.ts'

/**
 * The client's side of a conversation that is an HTTP request: its body and its answer are event streams, open at once.
 *
 * The AWS SDKs wrap each event in a message signed with their own keys, which are nobody's: the event is taken out, and
 * its signature is not looked at. Events that come without are taken as they are.
 */
export class NativeSide implements ClientSide {
  readonly #exchange: Exchange
  readonly #talk: Talk
  readonly #splitter = new Splitter({ maxBytes: MAX_EVENT_BYTES })
  #sink: Sink | undefined
  #ended = false
  #full = false

  constructor(exchange: Exchange, talk: Talk) {
    this.#exchange = exchange
    this.#talk = talk
    exchange.body.on('data', this.#onData).on('end', this.#onEnd).on('error', () => undefined)
    exchange.continue()
  }

  accepted(fields: readonly string[]): void {
    this.#sink = this.#exchange.begin(200, fields, true)
  }

  event(frame: Frame): boolean {
    const sink = this.#sink!
    if (sink.write(frame.bytes)) return true
    // Those that were read together are still told, however full it is.
    if (!this.#full) sink.once('drain', this.#onDrain)
    this.#full = true
    return false
  }

  pause(): void {
    this.#exchange.body.pause()
  }

  resume(): void {
    this.#exchange.body.resume()
  }

  end(): void {
    this.#finish()
  }

  fail(exceptionType: string, message: string): void {
    this.#finish(encodeMessage(exceptionMessage(exceptionType, Buffer.from(JSON.stringify({ message })))))
  }

  #finish(last?: Buffer): void {
    this.#exchange.body.off('data', this.#onData).off('end', this.#onEnd)
    this.#sink!.end(last)
  }

  readonly #onDrain = (): void => {
    this.#full = false
    this.#talk.drained()
  }

  readonly #onData = (chunk: Buffer): void => {
    try {
      for (const frame of this.#splitter.push(chunk)) this.#take(frame)
    } catch (error) {
      if (!(error instanceof EventStreamError)) throw error
      this.#talk.broken('BAD_EVENT')
    }
  }

  #take(frame: Frame): void {
    if (this.#ended) return this.#talk.broken('BAD_EVENT')
    const event = unwrap(frame)
    this.#ended = event === undefined
    if (event === undefined) this.#talk.end()
    else this.#talk.event(event)
  }

  readonly #onEnd = (): void => {
    try {
      this.#splitter.end()
      this.#talk.end()
    } catch {
      this.#talk.broken('BODY_INCOMPLETE')
    }
  }
}

/**
 * The event in a client's message, encoded: within the signed message that the AWS SDKs put around it, or on its own.
 *
 * @returns `undefined` for the last message of a signed stream, which holds nothing.
 * @throws EventStreamError - where the signed message holds something else.
 */
export function unwrap({ headers, payload, bytes }: Frame): Buffer | undefined {
  if (!headers.has(':chunk-signature')) return bytes
  if (payload.length === 0) return undefined
  // Its own CRCs too: AWS is not sent what it cannot read.
  decodeMessage(payload)
  return payload
}

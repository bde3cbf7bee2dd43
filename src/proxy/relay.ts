import type { IncomingMessage } from 'node:http'
import { type RequestFields, responseFields } from '../http/index.ts'
import type { Caller } from '../identity/index.ts'
import { UpstreamError } from '../upstream/index.ts'
import type { UsageTap } from '../usage/index.ts'
import { arrived } from './arrived.ts'
import { acceptsEventStream, type Answer } from './call.ts'
import type { Exchange, Sink } from './exchange.ts'
import type { EndCode, Live, LiveAnswers } from './live.ts'
import { exceptionType } from './operations.ts'
import { PROBLEMS, type ProblemCode, Refusal } from './problem.ts'
import type { Route } from './route.ts'
import { PlainView, SseView, type StreamView } from './sse.ts'

/** What there is to say of an answer that was passed on. */
export interface Passage {
  readonly status: number
  readonly bytes: number
  /** AWS's own id of the request. */
  readonly awsRequestId: string | undefined
  /** Why it did not reach its end, where it did not. */
  readonly failure: ProblemCode | undefined
}

const EVENT_STREAM = 'application/vnd.amazon.eventstream'

/** What an answer is passed on with. */
export interface RelayParts {
  readonly exchange: Exchange
  readonly route: Route
  /** Of the request. */
  readonly fields: RequestFields
  readonly caller: Caller
  /** Header lines of ours. */
  readonly ours: readonly string[]
  /** How long a client may take no byte. */
  readonly idleMs: number
  readonly live: LiveAnswers
  /** Sees the bytes of AWS, after the client. */
  readonly tap: UsageTap | undefined
}

/**
 * Passes AWS's answer on: status, headers and bytes as they came, each chunk the moment it comes.
 * A client that reads slowly pauses AWS; one that stops reading for `idleMs` is let go.
 *
 * @throws UpstreamError - only while nothing has reached the client. Later a break is told within the stream, or by breaking off.
 */
export function relay(answer: Answer, parts: RelayParts): Promise<Passage> {
  return new Promise((resolve, reject) => new Relay(answer, parts, resolve, reject).start())
}

class Relay {
  readonly #message: IncomingMessage
  readonly #answer: Answer
  readonly #parts: RelayParts
  readonly #exchange: Exchange
  readonly #resolve: (passage: Passage) => void
  readonly #reject: (error: Error) => void
  /** Present where the answer is an event stream: then we know where its messages end. */
  readonly #view: StreamView | undefined
  readonly #head: string[]
  readonly #length: number | undefined
  readonly #awsRequestId: string | undefined
  #sink: Sink | undefined
  #bytes = 0
  #settled = false
  #stall: NodeJS.Timeout | undefined
  #live: Live | undefined

  constructor(answer: Answer, parts: RelayParts, resolve: (passage: Passage) => void, reject: (error: Error) => void) {
    const contentLength = fieldOf(answer.fields, 'content-length')
    const isEventStream = answer.status === 200 && parts.route.operation.exceptions !== undefined && fieldOf(answer.fields, 'content-type') === EVENT_STREAM
    const asSse = isEventStream && acceptsEventStream(parts.fields.get('accept'))
    this.#message = answer.message
    this.#answer = answer
    this.#parts = parts
    this.#exchange = parts.exchange
    this.#resolve = resolve
    this.#reject = reject
    this.#view = isEventStream ? (asSse ? new SseView() : new PlainView()) : undefined
    this.#length = asSse || contentLength === undefined ? undefined : Number(contentLength)
    this.#awsRequestId = fieldOf(answer.fields, 'x-amzn-requestid')
    this.#head = headFields(answer, asSse)
    this.#head.push(...parts.ours)
  }

  start(): void {
    const whole = this.#answer.held ?? (this.#view === undefined ? arrived(this.#message, this.#length ?? 0) : undefined)
    if (whole !== undefined) return this.#passWhole(whole)
    this.#live = this.#parts.live.add(this.#end, this.#parts.caller)
    this.#exchange.onGone = this.#clientGone
    this.#message.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onClose)
    // It may have broken off between its head and now: then no event will tell.
    if (this.#message.destroyed) return this.#onClose()
    // Of a stream the head is news by itself. Otherwise it goes out in one write with the first bytes.
    if (this.#parts.route.operation.answer !== 'whole') this.#begin(true)
  }

  #passWhole(whole: Buffer): void {
    const sink = this.#begin()
    this.#bytes = whole.length
    // AWS is done with it, and its connection is another's soon.
    this.#exchange.onGone = undefined
    // First the heads of all that ends in this turn, then one write after the other: each leaves the caches to the kernel.
    void Promise.resolve().then(() => {
      sink.end(whole)
      this.#parts.tap?.push(whole)
      this.#settle(undefined)
    }).catch(this.#reject)
  }

  #begin(atOnce = false): Sink {
    return (this.#sink ??= this.#exchange.begin(this.#answer.status, this.#head, atOnce))
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#pass(chunk)
    this.#parts.tap?.push(chunk)
  }

  #pass(chunk: Buffer): void {
    this.#bytes += chunk.length
    let out: Buffer | string
    try {
      out = this.#view === undefined ? chunk : this.#view.push(chunk)
    } catch (error) {
      return this.#broken(new UpstreamError('UPSTREAM_BAD_ANSWER', 'the event stream is broken', error))
    }
    if (this.#settled || out.length === 0) return
    const sink = this.#begin()
    if (this.#bytes === this.#length && this.#view === undefined) {
      // One write less: head, body and end leave together.
      sink.end(out)
      return this.#settle(undefined)
    }
    if (!sink.write(out)) this.#pause(sink)
  }

  #pause(sink: Sink): void {
    if (this.#stall !== undefined) return
    this.#message.pause()
    this.#stall = setTimeout(() => {
      this.#exchange.break()
      this.#clientGone()
    }, this.#parts.idleMs)
    sink.once('drain', () => {
      clearTimeout(this.#stall)
      this.#stall = undefined
      this.#message.resume()
    })
  }

  readonly #onEnd = (): void => {
    // A stream that stops inside a message would pass for a complete answer with most clients.
    if (this.#view?.whole === false) return this.#broken(new UpstreamError('UPSTREAM_BROKE', 'the event stream ended inside a message'))
    if (this.#settled) return
    this.#begin().end()
    this.#settle(undefined)
  }

  readonly #onError = (error: Error): void => {
    this.#broken(error instanceof UpstreamError ? error : new UpstreamError('UPSTREAM_BROKE', 'the answer broke off', error))
  }

  // Every answer closes. An error for each of them would cost more than its signature.
  readonly #onClose = (): void => {
    if (!this.#settled) this.#broken(new UpstreamError('UPSTREAM_BROKE', 'the answer broke off'))
  }

  #broken(error: UpstreamError): void {
    if (this.#settled) return
    if (this.#sink !== undefined) return this.#fail(error.code)
    this.#refuse(error)
  }

  #refuse(error: Error): void {
    this.#letGo()
    this.#message.destroy()
    this.#reject(error)
  }

  /** Ends it for a reason of ours: by a status, where nothing of it has reached the client. */
  readonly #end = (code: EndCode): void => {
    if (this.#sink !== undefined) this.#fail(code)
    else if (!this.#settled) this.#refuse(new Refusal(code))
  }

  /** Ends an answer that has begun: with an exception that the operation's clients know, else so that none takes it for complete. */
  readonly #fail = (code: ProblemCode): void => {
    if (this.#settled) return
    // Where a length was promised nothing can be added: it would be read as the next answer.
    const last = this.#length === undefined ? this.#view?.exception(exceptionType(this.#parts.route.operation, code), PROBLEMS[code].message) : undefined
    if (last === undefined) this.#exchange.break()
    else this.#begin().end(last)
    this.#settle(code)
    this.#message.destroy()
  }

  readonly #clientGone = (): void => {
    this.#settle('CLIENT_GONE')
    this.#message.destroy()
  }

  #settle(failure: ProblemCode | undefined): void {
    if (this.#settled) return
    this.#letGo()
    this.#resolve({ status: this.#answer.status, bytes: this.#bytes, awsRequestId: this.#awsRequestId, failure })
  }

  #letGo(): void {
    this.#settled = true
    clearTimeout(this.#stall)
    this.#parts.live.delete(this.#live)
  }
}

function headFields(answer: Answer, asSse: boolean): string[] {
  const fields = answerFields(answer.fields)
  if (!asSse) return fields
  const others = fields.filter((_, i) => !/^content-(?:type|length)$/i.test(fields[i & ~1]!))
  return [...others, 'Content-Type', 'text/event-stream', 'Cache-Control', 'no-cache']
}

/** AWS's header lines as the client gets them. */
export function answerFields(aws: readonly string[]): string[] {
  const fields = responseFields(aws)
  const requestId = fieldOf(fields, 'x-amzn-requestid')
  // The Anthropic SDKs look for the id under this name.
  if (requestId !== undefined && fieldOf(fields, 'request-id') === undefined) fields.push('request-id', requestId)
  return fields
}

/** First value of a field, from the lines themselves: node:http would make an object of all of them, at a cost. */
export function fieldOf(fields: readonly string[], name: string): string | undefined {
  for (let i = 0; i < fields.length; i += 2) if (fields[i]!.length === name.length && fields[i]!.toLowerCase() === name) return fields[i + 1]
  return undefined
}

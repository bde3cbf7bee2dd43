import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { sourceOf } from '../http/index.ts'
import type { Exchange, Sink } from '../proxy/index.ts'
import { drainAway } from './drainage.ts'
import type { Terms } from './terms.ts'

/** What a client may send of a body before any of it is read. */
export const STREAM_WINDOW_BYTES = 256 * 1024

/**
 * The Node client takes no head of an answer while more than 10 MB of its uploads are queued: it ends the stream with ENHANCE_YOUR_CALM. So the
 * upload is read first, and a network that stands still is waited for. An answer at once, followed by the RST_STREAM(NO_ERROR) of RFC 9113 §8.1,
 * is no way out: the AWS SDK for JavaScript hangs, and curl reports a broken stream.
 */
const QUEUED_BYTES = 10_000_000
const PATIENCE_MS = 10_000

/** A request over HTTP/2 as the proxy sees it. */
export class Http2Exchange implements Exchange, Sink {
  readonly id: string
  readonly protocol = '2'
  readonly method: string
  readonly target: string
  readonly fields: readonly string[]
  readonly source: string
  readonly hasBody: boolean
  readonly body: ServerHttp2Stream
  readonly aheadBytes = STREAM_WINDOW_BYTES
  readonly #terms: Terms
  readonly #patienceMs: number | undefined
  readonly #isConversation: boolean
  onGone: (() => void) | undefined
  #gone = false
  #awaitsContinue: boolean

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, rawHeaders: readonly string[], id: string, terms: Terms) {
    this.id = id
    this.method = headers[':method'] ?? ''
    this.target = headers[':path'] ?? ''
    this.fields = fieldLines(rawHeaders)
    this.source = sourceOf(stream.session?.socket.remoteAddress ?? '', this.fields, terms.trustedProxies)
    this.hasBody = (flags & constants.NGHTTP2_FLAG_END_STREAM) === 0
    this.body = stream
    this.#terms = terms
    this.#patienceMs = Number(headers['content-length']) > QUEUED_BYTES ? PATIENCE_MS : undefined
    this.#isConversation = headers['content-type'] === 'application/vnd.amazon.eventstream'
    this.#awaitsContinue = headers.expect?.toLowerCase() === '100-continue'
    // The stream is told of a tick after its head came: its client can have reset it meanwhile.
    this.#gone = stream.destroyed || stream.aborted
    stream.on('error', () => undefined)
    // Not 'close': a stream that is torn down counts as finished by then, whatever was written.
    stream.on('aborted', () => {
      this.#gone = true
      this.onGone?.()
    })
  }

  get gone(): boolean {
    return this.#gone
  }

  continue(): void {
    if (this.#awaitsContinue) this.#inform(constants.HTTP_STATUS_CONTINUE)
    this.#awaitsContinue = false
  }

  processing(): void {
    this.#inform(constants.HTTP_STATUS_PROCESSING)
  }

  begin(status: number, fields: readonly string[], _atOnce: boolean): Sink {
    if (this.body.destroyed) return this
    try {
      this.body.respond(responseHeaders(status, fields))
    } catch (error) {
      // Node throws for what HTTP/2 has no words for, such as two content types. AWS says no such thing.
      this.body.destroy(error as Error)
    }
    return this
  }

  write(chunk: Buffer | string): boolean {
    return this.body.write(chunk)
  }

  // A client can give its windows no bytes at all, and ask for more answers meanwhile.
  end(chunk?: Buffer | string): void {
    this.body.end(chunk)
    if (this.body.destroyed) return
    const timer = setTimeout(() => this.body.destroy(), this.#terms.takeMs)
    this.body.once('close', () => clearTimeout(timer))
    // RFC 9113 §8.1: an answer that ends before its request does, and a client that need not go on.
    if (this.hasBody && !this.body.readableEnded) drainAway(this.body, (ended) => { if (!ended) this.body.close(constants.NGHTTP2_NO_ERROR) })
  }

  once(event: 'drain', listener: () => void): void {
    this.body.once(event, listener)
  }

  // A conversation may go on for as long as there is no answer.
  answer(status: number, fields: readonly string[], body: Buffer): void {
    if (this.#isConversation || this.#awaitsContinue || this.#terms.cutting()) this.#finish(status, fields, body)
    else drainAway(this.body, () => this.#finish(status, fields, body), this.#patienceMs)
  }

  // close(code) would look like a clean end to the AWS JS SDK; an error does not.
  break(): void {
    this.body.destroy(new Error('the answer broke off'))
  }

  #finish(status: number, fields: readonly string[], body: Buffer): void {
    if (!this.body.destroyed) this.begin(status, fields, true).end(this.method === 'HEAD' ? undefined : body)
  }

  #inform(status: number): void {
    if (!this.body.destroyed && !this.body.headersSent) this.body.additionalHeaders({ ':status': status })
  }
}

/** Header lines without the pseudo-headers; the authority stands for Host, which HTTP/2 clients may leave out (RFC 9113 §8.3.1). */
function fieldLines(raw: readonly string[]): string[] {
  const fields: string[] = []
  const at = raw.indexOf(':authority')
  const authority = at < 0 ? undefined : raw[at + 1]
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!
    if (name === ':authority') fields.push('host', raw[i + 1]!)
    else if (name === 'host' && raw[i + 1] === authority) continue
    else if (!name.startsWith(':')) fields.push(name, raw[i + 1]!)
  }
  return fields
}

function responseHeaders(status: number, fields: readonly string[]): OutgoingHttpHeaders {
  const headers: Record<string, string | string[]> = Object.create(null)
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!.toLowerCase()
    const before = headers[name]
    headers[name] = before === undefined ? fields[i + 1]! : [before, fields[i + 1]!].flat()
  }
  return { ...headers, ':status': status }
}

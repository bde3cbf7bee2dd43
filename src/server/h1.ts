import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { sourceOf } from '../http/index.ts'
import type { Exchange, Sink } from '../proxy/index.ts'
import { drainAway } from './drainage.ts'
import type { Terms } from './terms.ts'

/** What a stream of Node reads ahead here, once in the request and once in the socket. */
const AHEAD_BYTES = 2 * 65_536

/** A request over HTTP/1.1 as the proxy sees it. */
export class Http1Exchange implements Exchange, Sink {
  readonly id: string
  readonly protocol: '1.0' | '1.1'
  readonly method: string
  readonly target: string
  readonly fields: readonly string[]
  readonly source: string
  readonly hasBody: boolean
  readonly body: Readable
  readonly aheadBytes = AHEAD_BYTES
  onGone: (() => void) | undefined
  #gone = false
  readonly #response: ServerResponse
  readonly #request: IncomingMessage
  readonly #terms: Terms
  #awaitsContinue: boolean

  /** @param awaitsContinue - The client sends its body only when it is told to. */
  constructor(request: IncomingMessage, response: ServerResponse, id: string, awaitsContinue: boolean, terms: Terms) {
    const { headers } = request
    this.id = id
    this.protocol = request.httpVersion as '1.0' | '1.1'
    this.method = request.method!
    this.target = request.url!
    this.fields = request.rawHeaders
    this.source = sourceOf(request.socket.remoteAddress ?? '', request.rawHeaders, terms.trustedProxies)
    this.hasBody = headers['transfer-encoding'] !== undefined || (headers['content-length'] !== undefined && headers['content-length'] !== '0')
    this.body = request
    this.#request = request
    this.#response = response
    this.#awaitsContinue = awaitsContinue
    this.#terms = terms
    // A half-closed connection counts as a client that left, as everywhere in node:http.
    response.on('close', () => {
      if (response.writableFinished) return
      this.#gone = true
      this.onGone?.()
    })
  }

  get gone(): boolean {
    return this.#gone
  }

  continue(): void {
    if (!this.#awaitsContinue) return
    this.#awaitsContinue = false
    this.#response.writeContinue()
  }

  // Clients of HTTP/1.1 wait for ten minutes by themselves.
  processing(): void {}

  begin(status: number, fields: readonly string[], atOnce: boolean): Sink {
    this.#response.writeHead(status, this.#withConnection(fields, false) as string[])
    if (atOnce) this.#response.flushHeaders()
    return this
  }

  write(chunk: Buffer | string): boolean {
    return this.#response.write(chunk)
  }

  // While an answer is on its way who sends it watches the client. What is left of it after its end nobody else does.
  end(chunk?: Buffer | string): void {
    const response = this.#response
    response.end(chunk)
    if (response.writableLength > 0 && !this.#gone) this.#cutLater()
    // An answer can end before its request does; Node would read on for ever.
    if (this.hasBody && !this.#request.complete) drainAway(this.body, (ended) => { if (!ended) this.#request.socket.destroySoon() })
  }

  once(event: 'drain', listener: () => void): void {
    this.#response.once(event, listener)
  }

  answer(status: number, fields: readonly string[], body: Buffer): void {
    const response = this.#response
    const unread = this.hasBody && !this.#request.complete
    // RFC 9110 §9.3.2: of a HEAD the head alone is answered; node:http throws where more is written.
    const text = this.method === 'HEAD' ? undefined : body
    response.writeHead(status, this.#withConnection(fields, unread) as string[])
    if (!unread || this.#awaitsContinue) return this.end(text)
    // The client has its whole answer now. To end it would close the connection under its upload: that comes after the rest is read.
    if (text === undefined) response.flushHeaders()
    else response.write(text)
    drainAway(this.body, () => this.end())
  }

  // What was written still goes out, but not the last chunk: every client notices.
  break(): void {
    // Without chunks the end of the connection is the end of the answer: only a reset tells them apart.
    if (this.protocol === '1.0') return void this.#response.socket?.resetAndDestroy()
    if (this.#gone) return
    this.#response.socket?.destroySoon()
    this.#cutLater()
  }

  #cutLater(): void {
    const response = this.#response
    const timer = setTimeout(() => response.socket?.destroy(), this.#terms.takeMs)
    response.once('close', () => clearTimeout(timer))
  }

  #withConnection(fields: readonly string[], unread: boolean): readonly string[] {
    return unread || this.#awaitsContinue || this.#terms.lastAnswer() ? [...fields, 'Connection', 'close'] : fields
  }
}

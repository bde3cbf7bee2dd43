import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants, type OutgoingHttpHeaders } from 'node:http2'
import type { Socket } from 'node:net'
import { EventStreamError, type Frame, Splitter } from '../eventstream/index.ts'
import type { EventSigner } from '../sigv4/index.ts'
import type { Endpoint } from './endpoint.ts'
import { UpstreamError } from './errors.ts'
import { seal } from './seal.ts'

/** A request whose events are signed one by one while it goes on. */
export interface SessionRequest {
  /** Request target, exactly as signed. */
  readonly target: string
  /** Flat name, value pairs in lower case; not Host, which goes as `:authority`. */
  readonly fields: readonly string[]
  /** Its chain begins with the signature of the request. */
  readonly signer: EventSigner
  /** What `:date` says, in milliseconds since 1970. */
  readonly nowMs: () => number
}

/** What AWS answered instead of a stream. */
export interface SessionRefusal {
  readonly status: number
  readonly fields: readonly string[]
  readonly body: Buffer
}

/** Who is told what AWS says. After `end`, `refused` or `failed` nothing more is told. */
export interface SessionListener {
  /** 200: events follow. */
  accepted(fields: readonly string[]): void
  refused(refusal: SessionRefusal): void
  /** A message as it came, its CRCs checked; a view of memory that nobody writes to again. */
  event(frame: Frame): void
  /** AWS takes events again, after a `send` that said no. */
  drained(): void
  /** AWS ended its answer, between two messages. */
  end(): void
  failed(error: UpstreamError): void
}

export interface SessionTimeouts {
  /** From the connection, or the first event, to the head of the answer. */
  readonly firstByteMs: number
  /** Longest silence after that; also how long AWS may take no byte. */
  readonly idleMs: number
}

const NOTHING = Buffer.alloc(0)
const MAX_REFUSAL_BYTES = 65_536

/**
 * A bidirectional stream to AWS, over an HTTP/2 connection of its own: what befalls one conversation (GOAWAY, a reset, a
 * client that reads slowly and fills the connection's window) befalls no other, and to end it is to close a socket.
 *
 *     waiting ── 200 ──▶ answering ── END_STREAM ──▶ over
 *        └── another status, an error, silence ───────┘
 */
export class Session {
  readonly #request: SessionRequest
  readonly #timeouts: SessionTimeouts
  readonly #listener: SessionListener
  readonly #socket: Socket
  readonly #h2: ClientHttp2Session
  readonly #stream: ClientHttp2Stream
  readonly #splitter = new Splitter()
  #phase: 'waiting' | 'answering' | 'over' = 'waiting'
  #timer: NodeJS.Timeout | undefined
  #sent = 0

  /** @param socket - Connected; it belongs to the session from now on. */
  constructor(endpoint: Endpoint, socket: Socket, request: SessionRequest, timeouts: SessionTimeouts, listener: SessionListener) {
    this.#request = request
    this.#timeouts = timeouts
    this.#listener = listener
    this.#socket = socket
    this.#h2 = connect(`${endpoint.secure ? 'https' : 'http'}://${endpoint.host}`, { createConnection: () => socket, settings: { enablePush: false } })
    this.#h2.on('error', this.#onError).on('close', this.#onClose).on('connect', this.#onConnect)
    this.#stream = this.#h2.request(headersOf(endpoint, request))
    this.#stream.on('response', this.#onResponse).on('drain', this.#onDrain).on('error', this.#onError).on('close', this.#onClose)
    this.#arm(timeouts.firstByteMs, new UpstreamError('UPSTREAM_SILENT', 'no answer within the first-byte timeout'))
  }

  /**
   * Signs an event and sends it.
   *
   * @returns Whether AWS takes more at once; if not, the listener will be told when it does.
   */
  send(event: Buffer): boolean {
    if (this.#phase === 'over') return true
    if (this.#sent++ === 0 && this.#phase === 'waiting') this.#timer?.refresh()
    const { signer, nowMs } = this.#request
    return this.#stream.write(seal(signer, nowMs(), event))
  }

  /** No event will follow: says so in the chain, and ends our half. */
  end(): void {
    if (this.#phase === 'over') return
    this.send(NOTHING)
    this.#stream.end()
  }

  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#timer?.refresh()
    this.#stream.resume()
  }

  /** Ends it at once, wherever it is: tokens cost money. */
  destroy(): void {
    if (this.#phase === 'over') return
    this.#phase = 'over'
    clearTimeout(this.#timer)
    this.#stream.close(constants.NGHTTP2_CANCEL)
    this.#h2.destroy()
    // Left to itself it would wait for the other side to close, too.
    this.#socket.destroySoon()
  }

  readonly #onConnect = (_session: ClientHttp2Session, socket: Socket): void => {
    const { alpnProtocol } = socket as { alpnProtocol?: string | false | null }
    if (alpnProtocol !== undefined && alpnProtocol !== null && alpnProtocol !== 'h2') this.#fail(new UpstreamError('UPSTREAM_BAD_ANSWER', 'the endpoint does not speak HTTP/2'))
  }

  readonly #onResponse = (headers: { ':status'?: number }, _flags: number, raw: readonly string[] = []): void => {
    if (this.#phase !== 'waiting') return
    const status = headers[':status'] ?? 0
    const fields = raw.filter((_, i) => !raw[i & ~1]!.startsWith(':'))
    this.#arm(this.#timeouts.idleMs, new UpstreamError('UPSTREAM_STALLED', 'nothing moved within the idle timeout'))
    if (status !== 200) return this.#readRefusal(status, fields)
    this.#phase = 'answering'
    this.#stream.on('data', this.#onData).on('end', this.#onEnd)
    this.#listener.accepted(fields)
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#phase === 'over') return
    this.#timer?.refresh()
    try {
      for (const frame of this.#splitter.push(chunk)) this.#listener.event(frame)
    } catch (error) {
      if (!(error instanceof EventStreamError)) throw error
      this.#fail(new UpstreamError('UPSTREAM_BAD_ANSWER', 'the event stream is broken', error))
    }
  }

  // A reset and a lost connection end the readable side too; only the code tells them from END_STREAM.
  readonly #onEnd = (): void => {
    if (this.#stream.rstCode !== constants.NGHTTP2_NO_ERROR) return this.#onClose()
    try {
      this.#splitter.end()
    } catch (error) {
      return this.#fail(new UpstreamError('UPSTREAM_BROKE', 'the event stream ended inside a message', error))
    }
    this.#finish(() => this.#listener.end())
  }

  readonly #onDrain = (): void => {
    if (this.#phase === 'over') return
    if (this.#phase === 'answering') this.#timer?.refresh()
    this.#listener.drained()
  }

  readonly #onError = (error: Error & { readonly code?: string }): void => {
    if (error.code === 'ERR_HTTP2_ERROR' && this.#phase === 'waiting') return this.#fail(new UpstreamError('UPSTREAM_BAD_ANSWER', 'the answer is not HTTP/2', error))
    this.#lost(error)
  }

  readonly #onClose = (): void => this.#lost()

  #lost(cause?: Error): void {
    if (this.#phase === 'waiting') this.#fail(new UpstreamError('UPSTREAM_RESET', 'the connection ended before an answer', cause))
    else this.#fail(new UpstreamError('UPSTREAM_BROKE', 'the answer broke off', cause))
  }

  #readRefusal(status: number, fields: readonly string[]): void {
    if (status < 200 || status > 599) return this.#fail(new UpstreamError('UPSTREAM_BAD_ANSWER', 'a status that HTTP does not know'))
    const chunks: Buffer[] = []
    let bytes = 0
    this.#stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > MAX_REFUSAL_BYTES) return this.#fail(new UpstreamError('UPSTREAM_BAD_ANSWER', 'an error answer is too large'))
      chunks.push(chunk)
    })
    this.#stream.on('end', () => {
      if (this.#stream.rstCode !== constants.NGHTTP2_NO_ERROR) return this.#onClose()
      this.#finish(() => this.#listener.refused({ status, fields, body: Buffer.concat(chunks) }))
    })
  }

  #arm(ms: number, error: UpstreamError): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      // Who pauses it, because a client is slow, watches that client.
      if (this.#stream.isPaused()) this.#timer?.refresh()
      else this.#fail(error)
    }, ms)
  }

  #fail(error: UpstreamError): void {
    this.#finish(() => this.#listener.failed(error))
  }

  #finish(tell: () => void): void {
    if (this.#phase === 'over') return
    this.destroy()
    tell()
  }
}

function headersOf(endpoint: Endpoint, { target, fields }: SessionRequest): OutgoingHttpHeaders {
  const headers: Record<string, string> = Object.create(null)
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!
    const before = headers[name]
    headers[name] = before === undefined ? fields[i + 1]! : `${before}, ${fields[i + 1]}`
  }
  return { ...headers, ':method': 'POST', ':scheme': endpoint.secure ? 'https' : 'http', ':authority': endpoint.host, ':path': target }
}

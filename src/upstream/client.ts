import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http'
import type { Socket } from 'node:net'
import { createSecureContext, rootCertificates } from 'node:tls'
import { connectTo } from './connection.ts'
import type { Endpoint } from './endpoint.ts'
import { UpstreamError } from './errors.ts'
import { Lane, wasConnected } from './lane.ts'
import { Session, type SessionListener, type SessionRequest } from './session.ts'

export interface ClientOptions {
  readonly connectMs: number
  readonly firstByteMs: number
  readonly idleMs: number
  /** PEM of the only authorities to trust, instead of the public ones that Node carries. */
  readonly ca?: string | undefined
}

/** A request as it goes on the wire: nothing is added but framing. */
export interface WireRequest {
  readonly method: string
  /** Request target, exactly as signed. */
  readonly target: string
  /** Flat name, value pairs, Host and Content-Length among them. */
  readonly fields: readonly string[]
  readonly chunks: readonly Buffer[]
}

/** A request under way. */
export interface Call {
  /** Head of the answer, its body unread. Rejects with an {@link UpstreamError}. */
  readonly answer: Promise<IncomingMessage>
  /** Whether it went over a connection that had been used before, and no byte of an answer came. */
  repeatable(): boolean
  /** Ends it at once, wherever it is: tokens cost money. */
  destroy(): void
}

/** The way to AWS: one lane of pooled connections for each endpoint. Redirects are never followed. */
export class UpstreamClient {
  readonly #options: ClientOptions
  readonly #trust: ReturnType<typeof createSecureContext>
  readonly #lanes = new Map<Endpoint, Lane>()

  constructor(options: ClientOptions) {
    this.#options = options
    this.#trust = createSecureContext({ ca: options.ca ?? [...rootCertificates], minVersion: 'TLSv1.2' })
  }

  /** @param fresh - Insist on a new connection, for the one retry after a reused one was reset. */
  send(endpoint: Endpoint, wire: WireRequest, fresh = false): Call {
    const request = httpRequest({
      agent: this.#lane(endpoint), host: endpoint.hostname, method: wire.method, path: wire.target,
      headers: wire.fields as string[], setHost: false, insecureHTTPParser: false, maxHeaderSize: 65_536,
      ...(fresh && { fresh }),
    })
    const answer = awaitAnswer(request, this.#options)
    writeBody(request, wire.chunks)
    let bytesBefore = 0
    request.once('socket', (socket) => { bytesBefore = socket.bytesRead })
    return { answer, repeatable: () => request.reusedSocket && request.socket?.bytesRead === bytesBefore, destroy: () => request.destroy() }
  }

  /** Opens a bidirectional stream. Nothing is told before this has returned. */
  open(endpoint: Endpoint, request: SessionRequest, listener: SessionListener): Session {
    return new Session(endpoint, connectTo(endpoint, this.#trust, 'h2'), request, this.#options, listener)
  }

  close(): void {
    for (const lane of this.#lanes.values()) lane.destroy()
  }

  #lane(endpoint: Endpoint): Lane {
    let lane = this.#lanes.get(endpoint)
    if (lane === undefined) {
      lane = new Lane(endpoint, { connectMs: this.#options.connectMs, trust: this.#trust })
      this.#lanes.set(endpoint, lane)
    }
    return lane
  }
}

function awaitAnswer(request: ClientRequest, { firstByteMs, idleMs }: ClientOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => request.destroy(new UpstreamError('UPSTREAM_SILENT', 'no answer within the first-byte timeout')), firstByteMs)
    // It counts from what was last taken of the request: a slow upload is not the model's silence.
    request.on('drain', () => timer.refresh()).on('finish', () => timer.refresh())
    request.on('response', (answer) => {
      clearTimeout(timer)
      const status = answer.statusCode!
      if (status < 200 || status > 599) return void request.destroy(new UpstreamError('UPSTREAM_BAD_ANSWER', 'a status that HTTP does not know'))
      watchIdle(answer, idleMs)
      resolve(answer)
    })
    // Not asked for, so not followed.
    request.on('upgrade', (_answer, socket: Socket) => {
      socket.destroy()
      clearTimeout(timer)
      reject(new UpstreamError('UPSTREAM_BAD_ANSWER', 'switching protocols was not asked for'))
    })
    // After the answer has begun, its own 'error' tells the story; this one is then without effect.
    request.on('error', (error) => {
      clearTimeout(timer)
      reject(named(error, request))
    })
  })
}

/** Destroys an answer that falls silent. A reader that pauses it, because its client is slow, is not silence. */
function watchIdle(answer: IncomingMessage, idleMs: number): void {
  const { socket } = answer
  const silent = () => {
    // A timeout of a socket comes once.
    if (answer.isPaused()) return void socket.setTimeout(idleMs)
    answer.destroy(new UpstreamError('UPSTREAM_STALLED', 'no byte within the idle timeout'))
  }
  socket.setTimeout(idleMs, silent)
  answer.once('end', () => {
    socket.setTimeout(0)
    socket.removeListener('timeout', silent)
  })
}

// One chunk at a time: written all at once, a large body would lie in memory a second time, encrypted.
function writeBody(request: ClientRequest, chunks: readonly Buffer[], next = 0): void {
  for (let i = next; i < chunks.length - 1; i++) {
    if (!request.write(chunks[i])) return void request.once('drain', () => writeBody(request, chunks, i + 1))
  }
  request.end(chunks[chunks.length - 1])
}

function named(error: Error & { code?: string }, request: ClientRequest): UpstreamError {
  if (error instanceof UpstreamError) return error
  if (error.code?.startsWith('HPE_')) return new UpstreamError('UPSTREAM_BAD_ANSWER', 'the answer is not HTTP', error)
  return wasConnected(request.socket)
    ? new UpstreamError('UPSTREAM_RESET', 'the connection ended before an answer', error)
    : new UpstreamError('UPSTREAM_UNREACHABLE', 'no connection could be made', error)
}

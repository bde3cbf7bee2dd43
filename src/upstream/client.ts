import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http'
import type { Socket } from 'node:net'
import { createSecureContext, rootCertificates } from 'node:tls'
import { Turn } from '../turn/index.ts'
import { privateLookup, type Resolve } from './addresses.ts'
import { connect, type Protocol, type Road } from './connect.ts'
import type { Endpoint } from './endpoint.ts'
import { UpstreamError } from './errors.ts'
import { Lane } from './lane.ts'
import { Session, type SessionListener, type SessionRequest } from './session.ts'
import type { EgressProxy, Place } from './tunnel.ts'

export interface ClientOptions {
  readonly connectMs: number
  readonly firstByteMs: number
  readonly idleMs: number
  /** PEM of the only authorities to trust, instead of the public ones that Node carries. */
  readonly ca?: string | undefined
  /** What all connections but those to hosts nearby go through. */
  readonly proxy?: EgressProxy | undefined
  /** Whether only private addresses are dialled; with a proxy, its own. */
  readonly privateOnly?: boolean
  /** In place of the resolver of this host, where only private addresses are dialled. */
  readonly resolve?: Resolve
}

/** A request as it goes on the wire: nothing is added but framing. */
export interface WireRequest {
  readonly method: string
  /** Request target, exactly as signed. */
  readonly target: string
  /** Flat name, value pairs, Host and Content-Length among them. */
  readonly fields: readonly string[]
  readonly chunks: readonly Buffer[]
  /** In place of chunks: a body that comes while it is sent. */
  readonly source?: BodySource | undefined
}

/** Gives a body piece by piece, no faster than it is taken. */
export interface BodySource {
  pour(sink: BodySink): void
}

export interface BodySink {
  /** @returns Whether more is taken at once; if not, `drained` is called when it is. */
  write(chunk: Buffer): boolean
  end(): void
  /** Gives the whole request up. */
  destroy(): void
  onDrained: (drained: () => void) => void
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
  readonly #road: Road
  readonly #lanes = new Map<Endpoint, Lane>()
  readonly #answered = new Turn<() => void>(setImmediate, (all) => { for (const pass of all) pass() })

  constructor(options: ClientOptions) {
    this.#options = options
    const trust = createSecureContext({ ca: options.ca ?? [...rootCertificates], minVersion: 'TLSv1.2' })
    this.#road = { connectMs: options.connectMs, trust, proxy: options.proxy, privateLookup: options.privateOnly === true ? privateLookup(options.resolve) : undefined }
  }

  /**
   * A connection of one's own, with TLS done where the place speaks it.
   *
   * @throws UpstreamError - `UPSTREAM_UNREACHABLE`, `UPSTREAM_CONNECT_TIMEOUT`, `UPSTREAM_PUBLIC_ADDRESS`
   */
  connect(place: Place, protocol?: Protocol): Promise<Socket> {
    return connect(place, this.#road, protocol)
  }

  /** @param fresh - Insist on a new connection, for the one retry after a reused one was reset. */
  send(endpoint: Endpoint, wire: WireRequest, fresh = false): Call {
    const request = httpRequest({
      agent: this.#lane(endpoint), host: endpoint.hostname, method: wire.method, path: wire.target,
      headers: wire.fields as string[], setHost: false, insecureHTTPParser: false, maxHeaderSize: 65_536,
      ...(fresh && { fresh }),
    })
    const { answer, giveUp, refresh } = awaitAnswer(request, this.#options, (pass) => this.#answered.add(pass))
    if (wire.source === undefined) writeBody(request, wire.chunks)
    else wire.source.pour(sinkOf(request, giveUp, refresh))
    let bytesBefore = 0
    request.once('socket', (socket) => { bytesBefore = socket.bytesRead })
    return { answer, repeatable: () => request.reusedSocket && request.socket?.bytesRead === bytesBefore, destroy: giveUp }
  }

  /** Opens a bidirectional stream over a connection of its own, which it ends. Nothing is told before this has returned. */
  open(socket: Socket, endpoint: Endpoint, request: SessionRequest, listener: SessionListener): Session {
    return new Session(endpoint, socket, request, this.#options, listener)
  }

  close(): void {
    for (const lane of this.#lanes.values()) lane.destroy()
  }

  #lane(endpoint: Endpoint): Lane {
    let lane = this.#lanes.get(endpoint)
    if (lane === undefined) {
      lane = new Lane(endpoint, this.#road)
      this.#lanes.set(endpoint, lane)
    }
    return lane
  }
}

interface Awaited {
  readonly answer: Promise<IncomingMessage>
  readonly giveUp: () => void
  /** Something was done: silence counts from now. */
  readonly refresh: () => void
}

function awaitAnswer(request: ClientRequest, { firstByteMs, idleMs }: ClientOptions, inTurn: (pass: () => void) => void): Awaited {
  const { promise: answer, resolve, reject } = deferred<IncomingMessage>()
  // As long as it is being connected, a request does not tell that it was destroyed. Once the answer has begun, its own
  // 'error' tells the story, and this is without effect.
  let isAnswered = false
  const fail = (error: UpstreamError) => {
    isAnswered = true
    clearTimeout(timer)
    request.destroy()
    reject(error)
  }
  const refresh = () => { if (!isAnswered) timer.refresh() }
  const timer = setTimeout(() => fail(new UpstreamError('UPSTREAM_SILENT', 'no answer within the first-byte timeout')), firstByteMs)
  // It counts from what was last taken of the request: a slow upload is not the model's silence.
  request.on('drain', refresh).on('finish', refresh)
  request.on('response', (message) => {
    isAnswered = true
    clearTimeout(timer)
    const status = message.statusCode!
    if (status < 200 || status > 599) return fail(new UpstreamError('UPSTREAM_BAD_ANSWER', 'a status that HTTP does not know'))
    watchIdle(message, idleMs)
    inTurn(() => resolve(message))
  })
  // Not asked for, so not followed.
  request.on('upgrade', (_message, socket: Socket) => {
    socket.destroy()
    fail(new UpstreamError('UPSTREAM_BAD_ANSWER', 'switching protocols was not asked for'))
  })
  request.on('error', (error) => { if (!isAnswered) fail(named(error)) })
  return {
    answer,
    giveUp: () => fail(new UpstreamError('UPSTREAM_RESET', 'the request was given up')),
    refresh,
  }
}

function deferred<T>() {
  let [resolve, reject]: [(value: T) => void, (error: Error) => void] = [() => undefined, () => undefined]
  const promise = new Promise<T>((fulfil, refuse) => { [resolve, reject] = [fulfil, refuse] })
  return { promise, resolve, reject }
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

function sinkOf(request: ClientRequest, destroy: () => void, refresh: () => void): BodySink {
  return {
    destroy,
    write(chunk) {
      refresh()
      return request.write(chunk)
    },
    end: () => void request.end(),
    onDrained: (drained) => void request.on('drain', drained),
  }
}

function named(error: Error & { code?: string }): UpstreamError {
  if (error instanceof UpstreamError) return error
  if (error.code?.startsWith('HPE_')) return new UpstreamError('UPSTREAM_BAD_ANSWER', 'the answer is not HTTP', error)
  return new UpstreamError('UPSTREAM_RESET', 'the connection ended before an answer', error)
}

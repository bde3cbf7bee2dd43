import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http'
import { createServer as createH2Server, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { type Network, sourceOf } from '../http/index.ts'
import type { Exchange, Reporter } from '../proxy/index.ts'
import { type Certificate, contextOf } from './certificate.ts'
import { Http1Exchange } from './h1.ts'
import { Http2Exchange, STREAM_WINDOW_BYTES } from './h2.ts'
import { addressOf, refuse, refuseBroken, refuseConnection, reportBroken } from './refusal.ts'
import { keepSession } from './session.ts'
import { sniff } from './sniff.ts'
import type { Terms } from './terms.ts'
import { shouldUpgrade, upgrade } from './upgrade.ts'

export interface DoorOptions {
  readonly host: string
  readonly port: number
  /** Descriptor of a socket that listens already, in place of host and port. */
  readonly fd?: number | undefined
  readonly tls?: Certificate | undefined
  readonly trustedProxies: readonly Network[]
  readonly maxHeaderBytes: number
  readonly maxConnections: number
  /** From a connection, or the end of the request before, to the last byte of a request's head. */
  readonly headerMs: number
  readonly keepAliveMs: number
  /** How long a client may leave untaken what is left of an answer. */
  readonly idleMs: number
  /** How often a client on a WebSocket is asked whether it is still there. */
  readonly pingMs: number
}

/** What happens to each request, whichever protocol brought it. */
export type Handler = (exchange: Exchange) => void

// Requests that were on their way when the drain began are served; after this there are none.
const GRACE_MS = 300
const SWEEP_MS = 300
/** Time for the last words of a forced end to reach their clients. */
const LAST_WORDS_MS = 500

/**
 * One port for HTTP/1.1 and HTTP/2, with TLS or without.
 *
 * The http(s) server listens itself, so that its header timeouts, connection counts, noDelay and half-open rules hold;
 * only its first listener is put behind a look at the first bytes (or at what ALPN agreed on).
 */
export class Door {
  readonly #options: DoorOptions
  readonly #terms: Terms
  readonly #reporter: Reporter
  readonly #h1: Server
  readonly #h2: Http2Server
  /** The listener by which the http(s) server takes connections. */
  readonly #serveH1: (socket: Socket) => void
  /** Every connection, from its first moment: the http server itself does not know one before its first request. */
  readonly #sockets = new Set<Socket>()
  /** Sessions of HTTP/2 by their sockets, which outlive them while the client does not close its side. */
  readonly #sessions = new Map<Socket, ServerHttp2Session>()
  #draining = false
  #closing = false
  #cutting = false

  constructor(options: DoorOptions, reporter: Reporter, handler: Handler) {
    this.#options = options
    this.#reporter = reporter
    this.#terms = { trustedProxies: options.trustedProxies, takeMs: options.idleMs, pingMs: options.pingMs, lastAnswer: () => this.#draining, cutting: () => this.#cutting }
    this.#h1 = this.#createH1(handler)
    this.#h2 = this.#createH2(handler)
    this.#serveH1 = this.#takeOver()
  }

  /** Starts to listen; the port that was given by the system where 0 was asked for. */
  async listen(): Promise<AddressInfo> {
    const { host, port, fd } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#h1.once('error', reject).listen(fd === undefined ? { host, port } : { fd }, () => resolve())
    })
    return this.#h1.address() as AddressInfo
  }

  /** Whether requests that still come are turned away: those that were on their way when the drain began are not. */
  get closing(): boolean {
    return this.#closing
  }

  /**
   * Stops accepting, lets every request finish, and resolves when the last connection is closed.
   *
   * `server.close()` would cut idle connections into which a client may just be writing its next request. Instead every
   * answer announces the end, and what is idle after a moment is closed.
   *
   * @param onClosing - Told when requests begin to be turned away.
   */
  async drain(onClosing: () => void): Promise<void> {
    this.#draining = true
    const grace = setTimeout(() => {
      this.#closing = true
      onClosing()
    }, GRACE_MS)
    const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(this.#h1, () => resolve()))
    for (const session of this.#sessions.values()) session.close()
    const sweep = setInterval(() => this.#h1.closeIdleConnections(), SWEEP_MS)
    await closed
    // For the server a connection is closed before it says so itself: then what ran on it ends, and is told of.
    await Promise.all([...this.#sockets].map((socket) => new Promise((resolve) => socket.once('close', () => setImmediate(resolve)))))
    clearTimeout(grace)
    clearInterval(sweep)
  }

  /**
   * Shows another certificate to those who connect from now on, and holds theirs to other authorities. The two must belong together.
   * Whether clients show one at all stays as it was. What a client kept to resume its session with is of no use to it any more.
   */
  renewCertificate(tls: Certificate): void {
    ;(this.#h1 as TlsServer).setSecureContext(contextOf(tls))
  }

  /**
   * Ends every connection, whatever it is doing.
   *
   * @param endAll - Has those who are served told why; what they are told has half a second to go out.
   */
  cut(endAll: () => void): void {
    this.#cutting = true
    endAll()
    setTimeout(() => { for (const socket of this.#sockets) socket.destroy() }, LAST_WORDS_MS).unref()
  }

  #createH1(handler: Handler): Server {
    const { headerMs, keepAliveMs, maxHeaderBytes, maxConnections, tls } = this.#options
    const options: ServerOptions = {
      headersTimeout: headerMs, requestTimeout: 0, connectionsCheckingInterval: Math.min(1000, headerMs), keepAliveTimeout: keepAliveMs,
      maxHeaderSize: maxHeaderBytes, requireHostHeader: false, insecureHTTPParser: false, joinDuplicateHeaders: false,
      rejectNonStandardBodyWrites: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000, highWaterMark: 65_536,
      shouldUpgradeCallback: shouldUpgrade,
    }
    const reporter = this.#reporter
    const server = tls === undefined
      ? createServer(options)
      : createTlsServer({
        ...options, ...contextOf(tls), ALPNProtocols: ['h2', 'http/1.1'], handshakeTimeout: headerMs,
        requestCert: tls.clientCa !== undefined, rejectUnauthorized: true,
      })
    // 0: all lines are kept and counted by us. With a limit Node 20 drops what is beyond it without a word.
    server.maxHeadersCount = 0
    server.maxConnections = maxConnections
    const exchange = (request: IncomingMessage, response: ServerResponse, awaitsContinue = false) =>
      new Http1Exchange(request, response, randomUUID(), awaitsContinue, this.#terms)
    server.on('request', (request, response) => inTurn(response, reporter, () => handler(exchange(request, response))))
    server.on('checkContinue', (request, response) => inTurn(response, reporter, () => handler(exchange(request, response, true))))
    server.on('checkExpectation', (request, response) => refuse(exchange(request, response), 'EXPECTATION_UNKNOWN', reporter))
    server.on('clientError', (error, socket) => refuseBroken(error, socket as Socket, reporter))
    server.on('upgrade', (request, _socket, head) => upgrade(request, head, this.#terms, reporter, handler, this.#serveH1))
    server.on('connect', ({ method, rawHeaders }, socket: Socket) => {
      refuseConnection(socket, 'UNKNOWN_METHOD', reporter, { method: method!, source: sourceOf(socket.remoteAddress ?? '', rawHeaders, this.#terms.trustedProxies) })
    })
    return server
  }

  #createH2(handler: Handler): Http2Server {
    const { maxHeaderBytes } = this.#options
    const server = createH2Server({
      settings: { maxConcurrentStreams: 250, maxHeaderListSize: maxHeaderBytes, initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false },
      maxHeaderListPairs: 400,
    })
    server.on('stream', (stream, headers, flags, rawHeaders) => {
      const exchange = new Http2Exchange(stream as ServerHttp2Stream, headers, flags, rawHeaders, randomUUID(), this.#terms)
      // The setting is advice, and what comes before its acknowledgement is not measured by it.
      if (listBytes(rawHeaders) > maxHeaderBytes) refuse(exchange, 'HTTP_TOO_MANY_HEADERS', this.#reporter)
      else handler(exchange)
    })
    return server
  }

  #serveH2(socket: Socket): void {
    const { headerMs, keepAliveMs } = this.#options
    // The http server keeps half-closed connections for its own reasons; a session would never learn that its client left.
    socket.allowHalfOpen = false
    const source = addressOf(socket)
    this.#h2.once('session', (session) => {
      session.on('error', ({ code, message }: Error & { code?: string }) => {
        if (code === 'ERR_HTTP2_ERROR') reportBroken(source, message, this.#reporter)
      })
      this.#sessions.set(socket, session)
      socket.once('close', () => this.#sessions.delete(socket))
      keepSession(session, socket, headerMs, keepAliveMs)
      if (this.#draining) session.close()
    })
    this.#h2.emit('connection', socket)
  }

  /** Puts ourselves before the listener by which the http(s) server takes connections, and gives that. */
  #takeOver(): (socket: Socket) => void {
    const event = this.#options.tls === undefined ? 'connection' : 'secureConnection'
    const serveH1 = (this.#h1.listeners(event)[0] as (socket: Socket) => void).bind(this.#h1)
    this.#h1.removeAllListeners(event)
    const hand = (socket: Socket, isH2: boolean) => {
      if (isH2) this.#serveH2(socket)
      else serveH1(socket)
    }
    this.#h1.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      // Asked for now, it is still known when a handshake has failed.
      void socket.remoteAddress
      socket.once('close', () => this.#sockets.delete(socket))
    })
    this.#h1.on(event, (socket: Socket) => {
      if (event === 'secureConnection') hand(socket, (socket as TLSSocket).alpnProtocol === 'h2')
      else sniff(socket, this.#options.headerMs, hand)
    })
    return serveH1
  }
}

/** Size of a header list, in bytes as RFC 9113 §6.5.2 counts them. */
function listBytes(rawHeaders: readonly string[]): number {
  let bytes = 0
  for (let i = 0; i < rawHeaders.length; i += 2) bytes += rawHeaders[i]!.length + rawHeaders[i + 1]!.length + 32
  return bytes
}

/**
 * Of the requests that come in one go on a connection only the first is at work: the others wait until it is answered.
 * A connection costs no more than one call that way, and what its client leaves behind has not begun.
 */
function inTurn(response: ServerResponse, reporter: Reporter, serve: () => void): void {
  if (response.socket !== null) return serve()
  const { socket } = response.req
  const waiting = (WAITING.get(socket) ?? 0) + 1
  // A few bytes each of the client's, some thousand of ours.
  if (waiting > MAX_WAITING) {
    // Those that came in the same go with it are still handed out.
    if (!socket.destroyed) reportBroken(addressOf(socket), 'too many requests wait on one connection', reporter)
    return void socket.destroy()
  }
  WAITING.set(socket, waiting)
  response.once('socket', () => {
    WAITING.set(socket, WAITING.get(socket)! - 1)
    process.nextTick(serve)
  })
}

const MAX_WAITING = 100
const WAITING = new WeakMap<Socket, number>()

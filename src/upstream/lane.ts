import { Agent, type AgentOptions, type ClientRequest } from 'node:http'
import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import { connectTo } from './connection.ts'
import type { Endpoint } from './endpoint.ts'
import { UpstreamError } from './errors.ts'

export interface LaneOptions {
  readonly connectMs: number
  /** What is trusted over TLS. Always given, so that no environment variable decides it. */
  readonly trust: SecureContext
}

/** An idle connection: how many bytes it had read and when it was put back. */
interface Idle {
  readonly socket: Socket
  readonly bytesRead: number
  readonly sinceMs: number
}

/** Connections that came to be: an error on any other one is a failure to connect. */
const connected = new WeakSet<Socket>()

export const wasConnected = (socket: Socket | null | undefined): boolean => socket !== null && socket !== undefined && connected.has(socket)

// Load balancers close idle connections after about a minute; a request sent into the closing of one is lost.
const MAX_IDLE_MS = 30_000

/**
 * The connections to one endpoint.
 *
 * An `http.Agent` only because `http.request` wants one: with a single endpoint there is no name to compute and no
 * queue to keep, which is a third of the cost of a request. The most recently used connection is taken first.
 */
export class Lane extends Agent {
  readonly #endpoint: Endpoint
  readonly #options: LaneOptions
  #idle: Idle[] = []
  #sweep: NodeJS.Timeout | undefined

  constructor(endpoint: Endpoint, options: LaneOptions) {
    super({ keepAlive: true })
    this.#endpoint = endpoint
    this.#options = options
  }

  /** Called by `http.request`: gives the request its connection. `fresh` asks for one that was never used. */
  addRequest(request: ClientRequest, options: AgentOptions & { fresh?: boolean }): void {
    const idle = options.fresh === true ? undefined : this.#takeIdle()
    if (idle !== undefined) request.reusedSocket = true
    request.onSocket(idle ?? this.#connect(request))
  }

  override destroy(): void {
    clearInterval(this.#sweep)
    for (const { socket } of this.#idle.splice(0)) socket.destroy()
  }

  #takeIdle(): Socket | undefined {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      // Bytes that came between two answers belong to nobody; the next caller must not get them (CVE-2026-48931).
      const clean = !idle.socket.destroyed && idle.socket.bytesRead === idle.bytesRead && idle.socket.readableLength === 0
      if (clean && Date.now() - idle.sinceMs < MAX_IDLE_MS) return idle.socket
      idle.socket.destroy()
    }
    return undefined
  }

  #connect(request: ClientRequest): Socket {
    const socket = connectTo(this.#endpoint, this.#options.trust, 'http/1.1')
    const timer = setTimeout(() => {
      request.destroy(new UpstreamError('UPSTREAM_CONNECT_TIMEOUT', 'no connection within the connect timeout'))
    }, this.#options.connectMs)
    socket.once(this.#endpoint.secure ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer)
      connected.add(socket)
    })
    socket.on('free', () => this.#putBack(socket))
    // An idle connection has no request to hear its errors; 'close' follows and takes it out.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(timer)
      this.#idle = this.#idle.filter((idle) => idle.socket !== socket)
    })
    return socket
  }

  #putBack(socket: Socket): void {
    if (socket.destroyed || !socket.writable) return
    this.#idle.push({ socket, bytesRead: socket.bytesRead, sinceMs: Date.now() })
    this.#sweep ??= setInterval(() => this.#closeOld(), MAX_IDLE_MS).unref()
  }

  #closeOld(): void {
    const nowMs = Date.now()
    for (const { socket, sinceMs } of this.#idle) if (nowMs - sinceMs >= MAX_IDLE_MS) socket.destroy()
  }
}

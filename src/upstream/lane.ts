import { Agent, type AgentOptions, type ClientRequest } from 'node:http'
import type { Socket } from 'node:net'
import { connect, type Road } from './connect.ts'
import type { Endpoint } from './endpoint.ts'

/** An idle connection: how many bytes it had read and when it was put back. */
interface Idle {
  readonly socket: Socket
  readonly bytesRead: number
  readonly sinceMs: number
}

/** What Node's own agents say where no connection can be made. */
interface Waiting {
  onSocket(socket: Socket | null, error?: Error): void
}

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
  readonly #road: Road
  #idle: Idle[] = []
  #sweep: NodeJS.Timeout | undefined
  #closed = false

  constructor(endpoint: Endpoint, road: Road) {
    super({ keepAlive: true })
    this.#endpoint = endpoint
    this.#road = road
  }

  /** Called by `http.request`: gives the request its connection. `fresh` asks for one that was never used. */
  addRequest(request: ClientRequest & Waiting, options: AgentOptions & { fresh?: boolean }): void {
    const idle = options.fresh === true ? undefined : this.#takeIdle()
    if (idle !== undefined) {
      request.reusedSocket = true
      return request.onSocket(idle)
    }
    // A request that is over by then leaves the connection to the next one: Node gives it back as free.
    connect(this.#endpoint, this.#road).then((socket) => request.onSocket(this.#keep(socket)), (error) => request.onSocket(null, error))
  }

  override destroy(): void {
    this.#closed = true
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

  #keep(socket: Socket): Socket {
    socket.on('free', () => this.#putBack(socket))
    socket.on('close', () => { this.#idle = this.#idle.filter((idle) => idle.socket !== socket) })
    return socket
  }

  #putBack(socket: Socket): void {
    if (socket.destroyed || !socket.writable) return
    if (this.#closed) return void socket.destroy()
    this.#idle.push({ socket, bytesRead: socket.bytesRead, sinceMs: Date.now() })
    this.#sweep ??= setInterval(() => this.#closeOld(), MAX_IDLE_MS).unref()
  }

  #closeOld(): void {
    const nowMs = Date.now()
    for (const { socket, sinceMs } of this.#idle) if (nowMs - sinceMs >= MAX_IDLE_MS) socket.destroy()
  }
}

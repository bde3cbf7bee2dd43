import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ReadinessChecks } from './pages.ts'

export interface AdminOptions {
  readonly host: string
  readonly port: number
  /** Descriptor of a socket that listens already, in place of host and port. */
  readonly fd?: number | undefined
  readonly checks: ReadinessChecks
  /** The metrics, and the media type of their text. */
  readonly metrics: () => string
  readonly metricsType: string
}

const MAX_CONNECTIONS = 64
const HEAD_MS = 5000
const IDLE_MS = 60_000

/** The listener for those who run the proxy: metrics, and health with the state of each part. It asks for no token, so it is for loopback. */
export class Admin {
  readonly #options: AdminOptions
  readonly #server: Server

  constructor(options: AdminOptions) {
    this.#options = options
    this.#server = createServer({ headersTimeout: HEAD_MS, requestTimeout: HEAD_MS, connectionsCheckingInterval: 1000, keepAliveTimeout: IDLE_MS, maxHeaderSize: 16_384, insecureHTTPParser: false }, (request, response) => this.#answer(request, response))
    this.#server.maxConnections = MAX_CONNECTIONS
    // Of who takes no byte of an answer, too.
    this.#server.timeout = IDLE_MS
  }

  /** Starts to listen; the port that was given by the system where 0 was asked for. */
  async listen(): Promise<AddressInfo> {
    const { host, port, fd } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(fd === undefined ? { host, port } : { fd }, () => resolve())
    })
    return this.#server.address() as AddressInfo
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { metrics, metricsType } = this.#options
    if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'text/plain', '', { Allow: 'GET, HEAD', Connection: 'close' })
    if (request.url === '/metrics') return send(response, 200, metricsType, metrics())
    // For who restarts what does not answer: what is not ready, or is draining, is to be left alone.
    if (request.url === '/health/live') return send(response, 200, 'application/json', '{"status":"ok"}')
    if (request.url !== '/health') return send(response, 404, 'text/plain', '')
    const states = [...this.#options.checks].map(([name, check]) => [name, check()] as const)
    const good = states.every(([, state]) => state)
    send(response, good ? 200 : 503, 'application/json', JSON.stringify({ status: good ? 'ok' : 'not ready', checks: Object.fromEntries(states.map(([name, state]) => [name, state ? 'ok' : 'failing'])) }))
  }
}

function send(response: ServerResponse, status: number, type: string, text: string, more: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text), 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff', ...more }).end(text)
}

import { type ClientRequest, request as plainRequest } from 'node:http'
import { request as secureRequest } from 'node:https'
import type { Duplex } from 'node:stream'
import { createSecureContext, rootCertificates } from 'node:tls'
import { CredentialsError } from './source.ts'
import type { World } from './world.ts'

export interface HttpRequest {
  readonly method: 'GET' | 'PUT' | 'POST'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  /** For all of it, from the name lookup to the last byte. */
  readonly timeoutMs: number
}

export interface HttpAnswer {
  readonly status: number
  /** The Date header. */
  readonly date?: string | undefined
  readonly body: string
}

/** @throws CredentialsError - `CREDENTIALS_TIMEOUT`, `CREDENTIALS_UNREACHABLE`; `CREDENTIALS_INVALID` for an answer too large. */
export type HttpClient = (request: HttpRequest, closing: AbortSignal) => Promise<HttpAnswer>

const ATTEMPTS = 3
const PAUSE_MS = 200

/**
 * Asks a credential service, again after a fault that may pass: a broken connection, 429, 5xx or what `isPassing` knows.
 * A timeout is not repeated: whoever waits has waited enough.
 */
export async function ask(world: World, request: HttpRequest, isPassing = (_answer: HttpAnswer): boolean => false): Promise<HttpAnswer> {
  for (let attempt = 1; ; attempt++) {
    try {
      const answer = await world.http(request, world.closing)
      if (attempt === ATTEMPTS || !(answer.status >= 500 || answer.status === 429 || isPassing(answer))) return answer
    } catch (error) {
      if (attempt === ATTEMPTS || world.closing.aborted || !(error instanceof CredentialsError) || error.code !== 'CREDENTIALS_UNREACHABLE') throw error
    }
    await world.sleep(PAUSE_MS * attempt * (1 + world.random()), world.closing)
  }
}

const MAX_BYTES = 65_536

export interface HttpClientOptions {
  /** PEM of the only authorities to trust, in place of Node's; never what a variable adds. */
  readonly ca?: string | undefined
  /** Makes the connections in place of Node, with TLS done. */
  readonly connect?: ((url: URL) => Promise<Duplex>) | undefined
}

/** The client for credential services: one connection for each request, no redirects, no proxy of the environment. */
export function httpClient({ ca, connect }: HttpClientOptions = {}): HttpClient {
  const trust = { secureContext: createSecureContext({ ca: ca ?? [...rootCertificates], minVersion: 'TLSv1.2' }), rejectUnauthorized: true }
  return (request, closing) => new Promise((resolve, reject) => {
    const connection = connect?.(request.url)
    connection?.catch((error: Error) => fail('CREDENTIALS_UNREACHABLE', error.message))
    const call = open(request, closing, trust, connection)
    const fail = (code: CredentialsError['code'], message: string) => {
      clearTimeout(deadline)
      call.destroy()
      reject(new CredentialsError(code, message))
    }
    const broken = (error: NodeJS.ErrnoException) => fail('CREDENTIALS_UNREACHABLE', `the connection failed (${error.code})`)
    const deadline = setTimeout(() => fail('CREDENTIALS_TIMEOUT', 'there was no answer in time'), request.timeoutMs).unref()
    call.on('error', broken)
    call.on('response', (message) => {
      const chunks: Buffer[] = []
      let bytes = 0
      message.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > MAX_BYTES) return fail('CREDENTIALS_INVALID', 'the answer is too large')
        chunks.push(chunk)
      })
      message.on('error', broken)
      message.on('end', () => {
        clearTimeout(deadline)
        resolve({ status: message.statusCode!, date: message.headers.date, body: Buffer.concat(chunks).toString('utf8') })
      })
    })
    call.end(request.body)
  })
}

function open({ method, url, headers }: HttpRequest, signal: AbortSignal, trust: object, connection?: Promise<Duplex>): ClientRequest {
  const options = { method, headers, signal }
  if (connection !== undefined) {
    // The default decides whether the Host header names the port.
    const defaultPort = url.protocol === 'https:' ? 443 : 80
    return plainRequest(url, { ...options, protocol: 'http:', defaultPort, createConnection: (_, done) => { connection.then((socket) => done(null, socket), () => undefined) } })
  }
  // No agent of the process: theirs may keep connections, or take the proxy of NODE_USE_ENV_PROXY.
  if (url.protocol === 'http:') return plainRequest(url, { ...options, agent: false })
  return secureRequest(url, { ...options, agent: false, ...trust })
}

import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isAnswerTo, type Transaction } from './authorization.ts'
import { SsoError } from './error.ts'

/** Where a browser on this machine brings its answer (RFC 8252 section 7.3). */
export interface Loopback {
  /** With the port that it listens on. */
  readonly redirectUrl: string
  /** The query of the answer to this sign-in. What else comes is turned away. */
  answer(transaction: Transaction, timeoutMs: number): Promise<string>
  close(): void
}

/** @param redirectUrl - A `http` URL of this machine, such as `http://127.0.0.1/callback`; where it names no port, any free one is taken. */
export async function openLoopback(redirectUrl: string): Promise<Loopback> {
  const { hostname, port, pathname } = new URL(redirectUrl)
  const server = createServer({ requestTimeout: 10_000, maxHeaderSize: 65_536 })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) }, resolve)
  })
  const host = `${hostname}:${(server.address() as AddressInfo).port}`
  const queryOf = ({ method, url = '', headers }: IncomingMessage): string | undefined => {
    // A page elsewhere that has made its name point to this machine says that name.
    return method === 'GET' && headers.host === host && url.startsWith(`${pathname}?`) ? url.slice(pathname.length + 1) : undefined
  }
  return {
    redirectUrl: `http://${host}${pathname}`,
    answer: (transaction, timeoutMs) => new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new SsoError('SSO_TIMED_OUT', 'nobody has signed in in time')), timeoutMs)
      server.on('request', (request, response) => {
        const query = queryOf(request)
        const expected = query !== undefined && isAnswerTo(query, transaction)
        response.writeHead(expected ? 200 : 404, HEADERS).end(expected ? 'You can close this window, and go on in the terminal.\n' : 'There is nothing here.\n')
        if (!expected) return
        clearTimeout(timer)
        resolve(query)
      })
    }),
    close() {
      server.close()
      server.closeIdleConnections()
    },
  }
}

const HEADERS = { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer', 'X-Content-Type-Options': 'nosniff', 'Connection': 'close' }

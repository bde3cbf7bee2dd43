import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { sourceOf } from '../http/index.ts'
import type { Exchange, Reporter } from '../proxy/index.ts'
import { type HandshakeErrorCode, type Opening, readOpening, WebSocketError } from '../websocket/index.ts'
import { addressOf, isAtWork, refuseConnection, reportBroken } from './refusal.ts'
import type { Terms } from './terms.ts'
import { WebSocketExchange } from './websocket.ts'

/** Whether node:http is to hand over the connection. `Upgrade: h2c`, which curl sends along, is an offer that is not taken up. */
export const shouldUpgrade = ({ headers }: IncomingMessage): boolean => headers.upgrade?.toLowerCase() !== 'h2c'

/**
 * Takes the connection of a request that asks for another protocol: a WebSocket becomes an exchange, all else is refused.
 *
 * @param head - What came behind the head of the request.
 * @param serveH1 - Serves a connection from its first byte on.
 */
export function upgrade(request: IncomingMessage, head: Buffer, terms: Terms, reporter: Reporter, handler: (exchange: Exchange) => void, serveH1: (socket: Socket) => void): void {
  // Not what the event gives: since Node 25 that is another stream where a body follows, which cannot be refused as a socket is.
  const { socket } = request
  socket.on('error', () => undefined)
  // The request before has not been answered: nobody who means well asks so early.
  if (isAtWork(socket)) {
    reportBroken(addressOf(socket), 'an upgrade behind a request that is not answered', reporter)
    return void socket.destroy()
  }
  // Node before 24.9 does not ask: then the request begins anew, as if the offer had not been made.
  if (!shouldUpgrade(request)) {
    socket.unshift(Buffer.concat([headWithout('upgrade', request), head]))
    return serveH1(socket)
  }
  const opening = openingOf(request)
  if (typeof opening === 'string') {
    return refuseConnection(socket, opening, reporter, { method: request.method!, source: sourceOf(socket.remoteAddress ?? '', request.rawHeaders, terms.trustedProxies) })
  }
  handler(new WebSocketExchange(request, socket, head, opening, randomUUID(), terms))
}

function openingOf({ method, httpVersion, rawHeaders }: IncomingMessage): Opening | HandshakeErrorCode {
  try {
    return readOpening({ method: method!, httpVersion, fields: rawHeaders })
  } catch (error) {
    if (!(error instanceof WebSocketError)) throw error
    return error.code as HandshakeErrorCode
  }
}

/** The head of a request again, less one field. node:http has taken it apart; as latin1 its bytes are what they were. */
function headWithout(field: string, { method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`
  for (let i = 0; i < rawHeaders.length; i += 2) if (rawHeaders[i]!.toLowerCase() !== field) text += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`
  return Buffer.from(`${text}\r\n`, 'latin1')
}

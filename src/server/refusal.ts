import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type Exchange, problemAnswer, type ProblemCode, PROBLEMS } from '../proxy/index.ts'

/** Answers a request that the proxy never gets to see. */
export function refuse(exchange: Exchange, code: ProblemCode, allow?: string): void {
  const { fields, body } = problemAnswer(PROBLEMS[code], exchange.id, { allow })
  exchange.answer(PROBLEMS[code].status, fields, body)
}

const BROKEN: ReadonlyMap<string | undefined, ProblemCode> = new Map<string | undefined, ProblemCode>([
  ['HPE_HEADER_OVERFLOW', 'HTTP_TOO_MANY_HEADERS'],
  ['ERR_HTTP_REQUEST_TIMEOUT', 'BODY_TIMEOUT'],
])

/** What node:http itself cannot or will not read. The connection ends; nothing of what was sent is repeated. */
export function refuseBroken(error: Error & { readonly code?: string }, socket: Socket): void {
  // A connection that broke, or a handshake that did: there is no way to say anything.
  const isHttp = error.code?.startsWith('HPE_') === true || error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
  if (!isHttp) return void socket.destroy()
  refuseConnection(socket, BROKEN.get(error.code) ?? 'HTTP_BAD_FRAMING')
}

/** Writes a refusal where there is no request to answer, and ends the connection. */
export function refuseConnection(socket: Socket, code: ProblemCode): void {
  if (!socket.writable || isAnswering(socket)) return void socket.destroy()
  const { status } = PROBLEMS[code]
  const { fields, body } = problemAnswer(PROBLEMS[code], randomUUID())
  let head = `HTTP/1.1 ${status} \r\nConnection: close\r\n`
  for (let i = 0; i < fields.length; i += 2) head += `${fields[i]}: ${fields[i + 1]}\r\n`
  socket.on('error', () => undefined)
  socket.end(Buffer.concat([Buffer.from(`${head}\r\n`), body]))
  socket.destroySoon()
}

// Within an answer that has begun, the bytes of another one would be read as its body.
function isAnswering(socket: Socket & { readonly _httpMessage?: ServerResponse | null }): boolean {
  return socket._httpMessage?.headersSent === true
}

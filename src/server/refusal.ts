import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { sourceOf } from '../http/index.ts'
import { type Exchange, problemAnswer, type ProblemCode, PROBLEMS, type Reporter } from '../proxy/index.ts'

/** Answers a request that the proxy never gets to see, and tells of it. */
export function refuse(exchange: Exchange, code: ProblemCode, reporter: Reporter, allow?: string): void {
  const { fields, body } = problemAnswer(PROBLEMS[code], exchange.id, { allow })
  exchange.answer(PROBLEMS[code].status, fields, body)
  reporter.unheard({ id: exchange.id, source: exchange.source, method: exchange.method }, code)
}

const BROKEN: ReadonlyMap<string, ProblemCode> = new Map<string, ProblemCode>([
  ['HPE_HEADER_OVERFLOW', 'HTTP_TOO_MANY_HEADERS'],
  ['ERR_HTTP_REQUEST_TIMEOUT', 'HEAD_TIMEOUT'],
])

/** What node:http itself cannot or will not read. The connection ends; nothing of what was sent is repeated. */
export function refuseBroken(error: Error & { readonly code?: string }, socket: Socket, reporter: Reporter): void {
  const { code = '' } = error
  if (code.startsWith('HPE_') || code === 'ERR_HTTP_REQUEST_TIMEOUT') return refuseConnection(socket, BROKEN.get(code) ?? 'UNREADABLE', reporter, { detail: code })
  // A connection that broke, or a handshake that did: there is no way to say anything.
  const { authorizationError, _parent = socket } = socket as TLSSocket & { readonly _parent?: Socket }
  const detail = code.startsWith('ERR_SSL_') ? code : authorizationError
  if (detail) reporter.handshakeFailed(addressOf(_parent), String(detail))
  socket.destroy()
}

/** Writes a refusal where there is no request to answer, and ends the connection: it is told of once. */
export function refuseConnection(socket: Socket, code: ProblemCode, reporter: Reporter, more: { readonly method?: string; readonly source?: string; readonly detail?: string }): void {
  // What comes after a refusal, while its answer leaves, is no news.
  if (!socket.writable) return void socket.destroy()
  const id = randomUUID()
  // What breaks may be the body of a request that is under way: its own line tells of it.
  if (current(socket)?.req.complete !== false) reporter.unheard({ id, source: addressOf(socket), ...more }, code)
  // Within an answer that has begun, the bytes of another one would be read as its body.
  if (current(socket)?.headersSent === true) return void socket.destroy()
  const { fields, body } = problemAnswer(PROBLEMS[code], id)
  socket.on('error', () => undefined)
  answerAndEnd(socket, PROBLEMS[code].status, fields, body)
}

/** Writes an answer without node:http, and ends the connection. */
export function answerAndEnd(socket: Socket, status: number, fields: readonly string[], body: Buffer): void {
  let head = `HTTP/1.1 ${status} \r\nConnection: close\r\n`
  for (let i = 0; i < fields.length; i += 2) head += `${fields[i]}: ${fields[i + 1]}\r\n`
  socket.end(Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), body]))
  socket.destroySoon()
}

/** Tells of a connection that ends without an answer: there is no request that one could belong to. */
export function reportBroken(source: string, detail: string, reporter: Reporter): void {
  reporter.unheard({ id: randomUUID(), source, detail }, 'UNREADABLE')
}

/** The other end of a connection. */
export const addressOf = (socket: Socket): string => sourceOf(socket.remoteAddress ?? '', [], [])

/** Whether a request on this connection is not answered yet. */
export const isAtWork = (socket: Socket): boolean => (current(socket) ?? null) !== null

const current = (socket: Socket & { readonly _httpMessage?: ServerResponse | null }): ServerResponse | null | undefined => socket._httpMessage

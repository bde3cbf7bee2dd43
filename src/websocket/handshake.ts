import { createHash } from 'node:crypto'
import { type HandshakeErrorCode, WebSocketError } from './errors.ts'

/** The head of a request, as node:http reads it. */
export interface OpeningRequest {
  readonly method: string
  /** `1.1`. */
  readonly httpVersion: string
  /** Header lines as flat name, value pairs. */
  readonly fields: readonly string[]
}

/** What a client asked for. */
export interface Opening {
  readonly key: string
  /** The subprotocols offered, in the client's order. */
  readonly protocols: readonly string[]
}

/** The one version there is, for the answer to those who ask for another (RFC 6455 §4.2.2). */
export const VERSION = '13'
/** RFC 6455 §1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
/** 16 bytes in base64 (RFC 6455 §4.2.1). */
const KEY = /^[A-Za-z0-9+/]{22}==$/
/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/**
 * Reads a client's opening handshake (RFC 6455 §4.2.1). Extensions that it offers are passed over: we know none.
 *
 * @throws WebSocketError - one of HandshakeErrorCode.
 */
export function readOpening({ method, httpVersion, fields }: OpeningRequest): Opening {
  const lines = (name: string) => fields.filter((_, i) => i % 2 === 1 && fields[i - 1]!.toLowerCase() === name)
  check(method === 'GET', 'WEBSOCKET_METHOD', 'the method is not GET')
  check(httpVersion === '1.1', 'WEBSOCKET_HTTP_VERSION', 'a WebSocket opens on HTTP/1.1 only')
  check(lines('host').length === 1, 'WEBSOCKET_HOST', 'Host is missing or given twice')
  check(list(lines('upgrade')).some(is('websocket')), 'WEBSOCKET_UPGRADE', 'Upgrade does not name "websocket"')
  check(list(lines('connection')).some(is('upgrade')), 'WEBSOCKET_UPGRADE', 'Connection does not name "upgrade"')
  const hasBody = lines('transfer-encoding').length > 0 || lines('content-length').some((length) => length !== '0')
  check(!hasBody, 'WEBSOCKET_BODY', 'a request that opens a WebSocket has no body')
  const key = only(lines('sec-websocket-key'))
  check(key !== undefined && KEY.test(key), 'WEBSOCKET_KEY', 'Sec-WebSocket-Key is not 16 bytes in base64')
  const versions = lines('sec-websocket-version')
  check(versions.length > 0, 'WEBSOCKET_NO_VERSION', 'Sec-WebSocket-Version is missing')
  check(only(versions) === VERSION, 'WEBSOCKET_VERSION', 'Sec-WebSocket-Version is not 13')
  return { key, protocols: readProtocols(lines('sec-websocket-protocol')) }
}

/**
 * The header fields of the answer with status 101 (RFC 6455 §4.2.2), as flat pairs.
 *
 * @param protocol - The subprotocol chosen, one of those offered; `undefined` for none.
 */
export function openingAnswer({ key, protocols }: Opening, protocol: string | undefined): string[] {
  const fields = ['Upgrade', 'websocket', 'Connection', 'Upgrade', 'Sec-WebSocket-Accept', acceptKey(key)]
  if (protocol === undefined) return fields
  if (!protocols.includes(protocol)) throw new TypeError('protocol must be one that was offered')
  return [...fields, 'Sec-WebSocket-Protocol', protocol]
}

/** Sec-WebSocket-Accept for a key: base64 of SHA-1 of both strings (RFC 6455 §4.2.2). It proves understanding, not identity. */
export const acceptKey = (key: string): string => createHash('sha1').update(key + GUID).digest('base64')

function readProtocols(lines: readonly string[]): string[] {
  if (lines.length === 0) return []
  const protocols = list(lines)
  const sound = protocols.every((protocol) => TOKEN.test(protocol)) && new Set(protocols).size === protocols.length
  check(sound, 'WEBSOCKET_PROTOCOL', 'Sec-WebSocket-Protocol is not a list of different tokens')
  return protocols
}

function check(condition: boolean, code: HandshakeErrorCode, message: string): asserts condition {
  if (!condition) throw new WebSocketError(code, message)
}

const list = (lines: readonly string[]): string[] => lines.join(',').split(',').map((item) => item.trim())
const is = (name: string) => (item: string): boolean => item.toLowerCase() === name
const only = (lines: readonly string[]): string | undefined => (lines.length === 1 ? lines[0] : undefined)

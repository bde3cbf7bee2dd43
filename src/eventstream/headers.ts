import { asBuffer, decodeUtf8, encodeUtf8 } from './bytes.ts'
import { EventStreamError } from './errors.ts'

interface Values {
  boolean: boolean
  byte: number
  short: number
  integer: number
  long: bigint
  binary: Buffer
  string: string
  /** Milliseconds since 1970; a bigint, as neither Date nor number holds all of them. */
  timestamp: bigint
  /** Lower-case hex with dashes. */
  uuid: string
}

export type HeaderValue = { [T in keyof Values]: { readonly type: T; readonly value: Values[T] } }[keyof Values]

/** By name, in the order of the wire. */
export type MessageHeaders = ReadonlyMap<string, HeaderValue>

const MAX_NAME_LENGTH = 255
const MAX_VALUE_LENGTH = 32767

/**
 * Decodes a header block: u8 name length, name, u8 type, value; and again, to its end. Binary values are views of it.
 *
 * @throws EventStreamError - any EVENTSTREAM_HEADER_ code.
 */
export function decodeHeaders(block: Buffer): MessageHeaders {
  const headers = new Map<string, HeaderValue>()
  let at = 0
  const consume = (length: number): Buffer => {
    if (length > block.length - at) throw new EventStreamError('EVENTSTREAM_HEADER_TRUNCATED', 'headers end inside a header')
    at += length
    return block.subarray(at - length, at)
  }
  while (at < block.length) {
    const name = decodeName(consume(consume(1).readUInt8()))
    // Readers differ on which of two counts (the first, the last, both): nobody may see another message than we do.
    if (headers.has(name)) throw new EventStreamError('EVENTSTREAM_HEADER_DUPLICATE', 'header name is given twice')
    const type = WIRE_TYPES[consume(1).readUInt8()]
    if (type === undefined) throw new EventStreamError('EVENTSTREAM_HEADER_TYPE', 'header type is not one of the ten')
    const length = type.length ?? checkLength(consume(2).readUInt16BE())
    headers.set(name, type.decode(consume(length)))
  }
  return headers
}

/**
 * Encodes a header block, in the order of the Map.
 *
 * @throws TypeError - for a value that is not of the JavaScript type its header type asks for.
 * @throws EventStreamError - EVENTSTREAM_HEADER_NAME or _VALUE for one that the wire cannot hold.
 */
export function encodeHeaders(headers: MessageHeaders): Buffer {
  if (!(headers instanceof Map)) throw new TypeError('headers must be a Map')
  return Buffer.concat([...(headers as MessageHeaders)].flatMap(([name, header]) => [...encodeName(name), ...encodeValue(header)]))
}

function decodeName(bytes: Buffer): string {
  const name = decodeUtf8(bytes)
  if (!name) throw new EventStreamError('EVENTSTREAM_HEADER_NAME', 'header name is empty or not UTF-8')
  return name
}

function encodeName(name: string): readonly Buffer[] {
  const bytes = encodeUtf8(name)
  if (bytes && bytes.length > 0 && bytes.length <= MAX_NAME_LENGTH) return [Buffer.of(bytes.length), bytes]
  throw new EventStreamError('EVENTSTREAM_HEADER_NAME', 'header name is empty, over 255 bytes or not UTF-8')
}

function encodeValue({ type, value }: HeaderValue): readonly Buffer[] {
  const code = type === 'boolean' ? Number(value === false) : WIRE_TYPES.findIndex((row) => row.type === type)
  const row = WIRE_TYPES[code]
  if (row === undefined) throw new TypeError('header type must be one of the nine names')
  const bytes = row.encode(value)
  if (row.length !== undefined) return [Buffer.of(code), bytes]
  const length = checkLength(bytes.length)
  return [Buffer.of(code, length >> 8, length & 0xff), bytes]
}

// The two bytes could say 65,535; the format stops at what a signed number of that size holds.
function checkLength(length: number): number {
  if (length > MAX_VALUE_LENGTH) throw outOfRange('header value is over 32,767 bytes')
  return length
}

const outOfRange = (message: string): EventStreamError => new EventStreamError('EVENTSTREAM_HEADER_VALUE', message)

interface WireType {
  readonly type: keyof Values
  /** Bytes of the value; where it is missing, two bytes before the value say. */
  readonly length?: number
  readonly decode: (bytes: Buffer) => HeaderValue
  readonly encode: (value: unknown) => Buffer
}

/** The ten types of the wire; the index is the type byte. */
const WIRE_TYPES: readonly WireType[] = [
  flag(true),
  flag(false),
  int('byte', 1),
  int('short', 2),
  int('integer', 4),
  int64('long'),
  { type: 'binary', decode: (bytes) => ({ type: 'binary', value: bytes }), encode: (value) => asBuffer(value as Buffer) },
  { type: 'string', decode: (bytes) => ({ type: 'string', value: utf8(decodeUtf8(bytes)) }), encode: (value) => utf8(encodeUtf8(value as string)) },
  int64('timestamp'),
  { type: 'uuid', length: 16, decode: (bytes) => ({ type: 'uuid', value: dashed(bytes.toString('hex')) }), encode: encodeUuid },
]

function flag(meaning: boolean): WireType {
  return {
    type: 'boolean',
    length: 0,
    decode: () => ({ type: 'boolean', value: meaning }),
    encode: (value) => {
      if (value !== meaning) throw new TypeError('boolean header must hold a boolean')
      return Buffer.alloc(0)
    },
  }
}

function int(type: 'byte' | 'short' | 'integer', length: 1 | 2 | 4): WireType {
  return {
    type,
    length,
    decode: (bytes) => ({ type, value: bytes.readIntBE(0, length) }),
    encode: (value) => {
      if (typeof value !== 'number' || !Number.isInteger(value)) throw new TypeError(`${type} header must hold an integer`)
      const limit = 2 ** (8 * length - 1)
      if (value < -limit || value >= limit) throw outOfRange(`${type} header is out of range`)
      const bytes = Buffer.alloc(length)
      bytes.writeIntBE(value, 0, length)
      return bytes
    },
  }
}

function int64(type: 'long' | 'timestamp'): WireType {
  return {
    type,
    length: 8,
    decode: (bytes) => ({ type, value: bytes.readBigInt64BE() }),
    encode: (value) => {
      if (typeof value !== 'bigint') throw new TypeError(`${type} header must hold a bigint`)
      if (BigInt.asIntN(64, value) !== value) throw outOfRange(`${type} header is out of range`)
      const bytes = Buffer.alloc(8)
      bytes.writeBigInt64BE(value)
      return bytes
    },
  }
}

function utf8<T>(value: T | undefined): T {
  if (value === undefined) throw outOfRange('string header is not UTF-8')
  return value
}

const dashed = (hex: string): string => hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')

function encodeUuid(value: unknown): Buffer {
  if (typeof value !== 'string') throw new TypeError('uuid header must hold a string')
  const bytes = Buffer.from(value.replaceAll('-', ''), 'hex')
  if (bytes.length !== 16 || dashed(bytes.toString('hex')) !== value) throw outOfRange('uuid header is not lower-case hex with dashes')
  return bytes
}

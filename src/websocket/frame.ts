import { FrameError } from './errors.ts'

/** RFC 6455 §5.2. */
export const OPCODES = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const
export type Opcode = keyof typeof OPCODES
export type ControlOpcode = 'close' | 'ping' | 'pong'

/** The first two bytes of a frame, as a client may send them. */
export interface FrameStart {
  readonly fin: boolean
  readonly opcode: Opcode
  /** The length, or 126 or 127: then it stands in the next 2 or 8 bytes. */
  readonly length: number
}

export const MAX_CONTROL_BYTES = 125
const FIN = 0x80
const RESERVED = 0x70
const MASKED = 0x80
const NAMES = new Map(Object.entries(OPCODES).map(([name, value]) => [value as number, name as Opcode]))

/**
 * Reads the first two bytes of a client's frame (RFC 6455 §5.2).
 *
 * @throws FrameError - WEBSOCKET_RESERVED_BITS, _OPCODE, _NOT_MASKED, _CONTROL_FRAGMENTED, _CONTROL_TOO_LONG.
 */
export function readStart(first: number, second: number): FrameStart {
  if ((first & RESERVED) !== 0) throw new FrameError('WEBSOCKET_RESERVED_BITS', 'a reserved bit is set')
  const opcode = NAMES.get(first & 0x0f)
  if (opcode === undefined) throw new FrameError('WEBSOCKET_OPCODE', 'the opcode is not known')
  // §5.1: else a script could write what a proxy on the way takes for a request.
  if ((second & MASKED) === 0) throw new FrameError('WEBSOCKET_NOT_MASKED', 'a frame is not masked')
  const [fin, length] = [(first & FIN) !== 0, second & 0x7f]
  if (isControl(opcode)) {
    if (!fin) throw new FrameError('WEBSOCKET_CONTROL_FRAGMENTED', 'a control frame is fragmented')
    if (length > MAX_CONTROL_BYTES) throw new FrameError('WEBSOCKET_CONTROL_TOO_LONG', 'a control frame is longer than 125 bytes')
  }
  return { fin, opcode, length }
}

export const isControl = (opcode: Opcode): opcode is ControlOpcode => OPCODES[opcode] >= OPCODES.close

/** How many bytes of length follow the first two. */
export const extraLengthBytes = ({ length }: FrameStart): 0 | 2 | 8 => (length < 126 ? 0 : length === 126 ? 2 : 8)

/**
 * Reads an extended payload length of 2 or 8 bytes.
 *
 * @throws FrameError - WEBSOCKET_LENGTH: the highest bit is set, or fewer bytes would have done (§5.2: two spellings of one frame).
 */
export function readExtraLength(bytes: Buffer): number {
  if (bytes.length === 8 && bytes[0]! >= 0x80) throw new FrameError('WEBSOCKET_LENGTH', 'the highest bit of a length is set')
  // Rounded above 2^53: far over any limit.
  const length = bytes.length === 2 ? bytes.readUInt16BE() : Number(bytes.readBigUInt64BE())
  if (length <= (bytes.length === 2 ? MAX_CONTROL_BYTES : 0xffff)) throw new FrameError('WEBSOCKET_LENGTH', 'a length is not in its shortest form')
  return length
}

/** RFC 6455 §5.3: each byte XOR the byte of the key in its turn. `at` is where in the payload `from` begins. */
export function unmask(from: Uint8Array, key: Uint8Array, at: number, to: Uint8Array): void {
  for (let i = 0; i < from.length; i++) to[i] = from[i]! ^ key[(at + i) & 3]!
}

/**
 * Writes a whole frame of a server: final and unmasked (RFC 6455 §5.1).
 *
 * @throws TypeError - for a control frame longer than 125 bytes.
 */
export function writeFrame(opcode: Exclude<Opcode, 'continuation'>, payload: Uint8Array): Buffer {
  const { length } = payload
  if (isControl(opcode) && length > MAX_CONTROL_BYTES) throw new TypeError('a control frame has at most 125 bytes')
  const head = length < 126 ? 2 : length <= 0xffff ? 4 : 10
  const frame = Buffer.allocUnsafe(head + length)
  frame[0] = FIN | OPCODES[opcode]
  frame[1] = head === 2 ? length : head === 4 ? 126 : 127
  if (head === 4) frame.writeUInt16BE(length, 2)
  if (head === 10) frame.writeBigUInt64BE(BigInt(length), 2)
  frame.set(payload, head)
  return frame
}

export interface ClientFrame {
  readonly opcode: number
  readonly payload?: Uint8Array
  readonly fin?: boolean
  /** The three reserved bits as a number of 0 to 7. */
  readonly rsv?: number
  /** `undefined`: not masked. */
  readonly key?: Buffer | undefined
}

const KEY = Buffer.from('37fa213d', 'hex')

/** Writes one frame as a client does (RFC 6455 §5.2), or as one that breaks the rules. */
export function clientFrame(frame: ClientFrame): Buffer {
  const { opcode, payload = Buffer.alloc(0), fin = true, rsv = 0 } = frame
  const key = 'key' in frame ? frame.key : KEY
  const extra = payload.length < 126 ? 0 : payload.length < 65_536 ? 2 : 8
  const head = Buffer.alloc(2 + extra)
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode
  head[1] = (key === undefined ? 0 : 0x80) | (extra === 0 ? payload.length : extra === 2 ? 126 : 127)
  if (extra === 2) head.writeUInt16BE(payload.length, 2)
  if (extra === 8) head.writeBigUInt64BE(BigInt(payload.length), 2)
  return Buffer.concat([head, key ?? Buffer.alloc(0), key === undefined ? payload : masked(payload, key)])
}

export const clientText = (text: string): Buffer => clientFrame({ opcode: 1, payload: Buffer.from(text) })
export const clientBinary = (payload: Uint8Array): Buffer => clientFrame({ opcode: 2, payload })
export const clientClose = (code?: number, reason = ''): Buffer =>
  clientFrame({ opcode: 8, payload: code === undefined ? Buffer.alloc(0) : Buffer.concat([Buffer.of(code >> 8, code & 255), Buffer.from(reason)]) })

function masked(payload: Uint8Array, key: Buffer): Buffer {
  const bytes = Buffer.from(payload)
  for (let i = 0; i < bytes.length; i++) bytes[i]! ^= key[i % 4]!
  return bytes
}

export interface ServerFrame {
  readonly opcode: number
  readonly payload: Buffer
}

/** Takes whole frames of a server off the front of `bytes`; they must be final, unmasked, without reserved bits. */
export function serverFrames(bytes: Buffer): { readonly frames: readonly ServerFrame[]; readonly rest: Buffer } {
  const frames: ServerFrame[] = []
  for (let at = 0; ; ) {
    const rest = bytes.subarray(at)
    const short = rest.length < 2 ? 0 : rest[1]!
    const extra = short < 126 ? 0 : short === 126 ? 2 : 8
    if (rest.length < 2 + extra) return { frames, rest }
    if ((rest[0]! & 0xf0) !== 0x80 || short > 127) throw new Error('not a frame that a server may send')
    const length = extra === 0 ? short : extra === 2 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2))
    if (rest.length < 2 + extra + length) return { frames, rest }
    frames.push({ opcode: rest[0]! & 0x0f, payload: rest.subarray(2 + extra, 2 + extra + length) })
    at += 2 + extra + length
  }
}

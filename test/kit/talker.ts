import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { clientBinary, clientClose, clientFrame, clientText, serverFrames, type ServerFrame } from './websocket.ts'

export const NOVA = 'amazon.nova-sonic-v1:0'
export const PATH = `/model/${NOVA}/invoke-with-bidirectional-stream`
const OPEN = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']

/** The request that opens a WebSocket, with further header lines. */
export const opening = (lines: readonly string[], path = PATH): string => `GET ${path} HTTP/1.1\r\nHost: proxy.example\r\n${[...OPEN, ...lines].map((line) => `${line}\r\n`).join('')}\r\n`

/** A client on a WebSocket that knows nothing of our own frames: bytes on a socket. */
export class Talker {
  readonly socket: Socket
  /** Status and header lines of the answer to the handshake. */
  head: string | undefined
  /** The body of an answer that opened nothing. */
  body = ''
  readonly frames: ServerFrame[] = []
  /** Resolves when the connection is gone. */
  readonly over: Promise<void>
  #rest: Buffer = Buffer.alloc(0)
  #waiting: (() => void)[] = []
  #isOver = false

  /** @param pongs - Whether pings are answered. */
  constructor(port: number, request: string | Buffer, pongs = true) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => this.socket.write(request))
    this.socket.on('data', (bytes: Buffer) => {
      this.#take(bytes, pongs)
      this.#wake()
    })
    this.socket.on('error', () => undefined).on('end', () => this.socket.end())
    this.over = once(this.socket, 'close').then(() => {
      this.#isOver = true
      this.#wake()
    })
  }

  /** Status of the answer to the handshake. */
  async status(): Promise<number> {
    await this.#until(() => this.head !== undefined)
    return Number(this.head?.slice('HTTP/1.1 '.length, 12))
  }

  send(bytes: Buffer): boolean {
    return this.socket.write(bytes)
  }

  say(event: unknown): boolean {
    return this.send(clientText(JSON.stringify(event)))
  }

  binary(payload: Uint8Array): boolean {
    return this.send(clientBinary(payload))
  }

  ping(text = ''): boolean {
    return this.send(clientFrame({ opcode: 9, payload: Buffer.from(text) }))
  }

  close(code?: number, reason = ''): boolean {
    return this.send(clientClose(code, reason))
  }

  /** Message number `at`, pings and closes not counted; `undefined` where the connection ended before. */
  async message(at: number): Promise<ServerFrame | undefined> {
    await this.#until(() => this.messages.length > at)
    return this.messages[at]
  }

  /** Message number `at`, a text of JSON. */
  async heard(at: number): Promise<unknown> {
    const message = await this.message(at)
    return message === undefined ? undefined : message.opcode === 1 ? JSON.parse(message.payload.toString()) : message
  }

  /** The server's close frame, once it is here, as its code and reason; `undefined` where it never came. */
  async closed(): Promise<readonly [code: number | undefined, reason: string] | undefined> {
    await this.frame(8)
    const frame = this.frames.find(({ opcode }) => opcode === 8)
    return frame && [frame.payload.length === 0 ? undefined : frame.payload.readUInt16BE(), frame.payload.subarray(2).toString()]
  }

  /** The first frame of an opcode. */
  async frame(opcode: number): Promise<ServerFrame | undefined> {
    await this.#until(() => this.frames.some((frame) => frame.opcode === opcode))
    return this.frames.find((frame) => frame.opcode === opcode)
  }

  get messages(): readonly ServerFrame[] {
    return this.frames.filter(({ opcode }) => opcode === 1 || opcode === 2)
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition() && !this.#isOver) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  #take(bytes: Buffer, pongs: boolean): void {
    this.#rest = Buffer.concat([this.#rest, bytes])
    if (this.head === undefined) {
      const end = this.#rest.indexOf('\r\n\r\n')
      if (end < 0) return
      this.head = this.#rest.toString('latin1', 0, end)
      this.#rest = this.#rest.subarray(end + 4)
    }
    if (!this.head.startsWith('HTTP/1.1 101')) {
      this.body += this.#rest.toString()
      this.#rest = Buffer.alloc(0)
      return
    }
    const { frames, rest } = serverFrames(this.#rest)
    this.#rest = rest
    this.frames.push(...frames)
    for (const { opcode, payload } of frames) {
      if (opcode === 9 && pongs) this.send(clientFrame({ opcode: 10, payload }))
      // RFC 6455 §5.5.1.
      if (opcode === 8) this.close(payload.length === 0 ? undefined : payload.readUInt16BE())
    }
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }
}

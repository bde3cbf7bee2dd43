import type { Socket } from 'node:net'
import { MAX_EVENT_BYTES } from '../proxy/index.ts'
import { type Close, ClosingHandshake, type ClosingStep, FrameError, FrameReader, writeFrame } from '../websocket/index.ts'

/** Who hears what comes on a WebSocket. */
export interface PeerListener {
  message(type: 'text' | 'binary', payload: Buffer): void
  /** A sign of life that is no message. */
  alive(): void
  /** The client takes messages again. */
  drained(): void
  /** The client wants to close. It waits a moment for our {@link Peer.close}. */
  closing(): void
  /** What the client sent breaks the rules. It has been told, and is gone in a moment. */
  broke(error: FrameError): void
}

const LIMITS = { maxBytes: MAX_EVENT_BYTES, maxFragments: 1024 }
/** How long one side waits for the other to close. */
const CLOSE_MS = 5000

/** The client at the other end of a WebSocket: frames over a socket whose handshake is done. */
export class Peer {
  readonly #socket: Socket
  readonly #listener: PeerListener
  readonly #reader = new FrameReader(LIMITS)
  readonly #closing = new ClosingHandshake()
  /** Asks whether the client is still there. */
  readonly #asking: NodeJS.Timeout
  #closeTimer: NodeJS.Timeout | undefined
  /** The client's close frame, while it is not answered. */
  #asked: Close | undefined
  /** Whether anything came since the last ping. */
  #heard = true
  /** Not read: the listener wants no more, or the client does not take what its pings ask for. */
  #held = false
  #choked = false

  /**
   * @param socket - Paused.
   * @param head - Bytes that came with the handshake, and behind it.
   * @param pingMs - How often the client is asked for a sign of life; without one until the next time it is gone.
   * @param listener - Not called before this returns.
   */
  constructor(socket: Socket, head: Buffer, pingMs: number, listener: PeerListener) {
    this.#socket = socket
    this.#listener = listener
    this.#asking = setInterval(() => this.#ask(), pingMs)
    socket.setNoDelay(true)
    if (head.length > 0) socket.unshift(head)
    socket.on('data', this.#onData).on('drain', this.#onDrain).on('end', this.#onEnd).on('close', this.#onClose).resume()
  }

  /** @returns Whether the client takes more at once; if not, `drained` follows. */
  send(type: 'text' | 'binary', payload: Uint8Array): boolean {
    return this.#closing.state !== 'open' || this.#socket.write(writeFrame(type, payload))
  }

  pause(): void {
    this.#held = true
    this.#flow()
  }

  resume(): void {
    this.#held = false
    this.#flow()
  }

  /** Says goodbye, or answers the goodbye of a client that was first. */
  close(code: number, reason: string): void {
    this.#step(this.#asked === undefined ? this.#closing.begin({ code, reason }) : this.#closing.received(this.#asked))
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#heard = true
    try {
      for (const incoming of this.#reader.push(chunk)) {
        if (incoming.type === 'text' || incoming.type === 'binary') this.#listener.message(incoming.type, incoming.payload)
        else if (incoming.type === 'ping') this.#pong(incoming.payload)
        else if (incoming.type === 'pong') this.#listener.alive()
        else this.#onGoodbye(incoming)
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error
      this.#step(this.#closing.fail(error))
      this.#listener.broke(error)
    }
  }

  #pong(payload: Buffer): void {
    this.#listener.alive()
    if (this.#closing.state !== 'open' || this.#socket.write(writeFrame('pong', payload))) return
    // Who sends pings and takes no pongs would fill our memory with them.
    this.#choked = true
    this.#flow()
  }

  // RFC 6455 §5.5.1 lets us finish first what we were saying.
  #onGoodbye(close: Close): void {
    if (this.#closing.state !== 'open') return this.#step(this.#closing.received(close))
    this.#asked = close
    // It has said its last, so it answers no ping.
    clearInterval(this.#asking)
    this.#closeTimer = setTimeout(() => this.#step(this.#closing.received(close)), CLOSE_MS)
    this.#listener.closing()
  }

  readonly #onDrain = (): void => {
    this.#choked = false
    this.#flow()
    this.#listener.drained()
  }

  // Who ends its side without a close frame has vanished: there are no half-open WebSockets.
  readonly #onEnd = (): void => {
    if (this.#closing.state !== 'closed') this.#socket.destroy()
  }

  readonly #onClose = (): void => {
    clearInterval(this.#asking)
    clearTimeout(this.#closeTimer)
  }

  #ask(): void {
    if (this.#socket.isPaused()) return
    if (!this.#heard) return void this.#socket.destroy()
    this.#heard = false
    if (this.#closing.state === 'open') this.#socket.write(writeFrame('ping', new Uint8Array()))
  }

  #step({ send, next }: ClosingStep): void {
    if (next === undefined) return
    clearInterval(this.#asking)
    clearTimeout(this.#closeTimer)
    this.#closeTimer = setTimeout(() => this.#socket.destroy(), CLOSE_MS)
    if (send !== undefined) this.#socket.write(send)
    if (next === 'end') this.#socket.end()
    // The client's close frame, or its end, is awaited, whatever stands before it.
    this.#held = this.#choked = false
    this.#flow()
  }

  #flow(): void {
    if (this.#held || this.#choked) return void this.#socket.pause()
    // While it was not read it could say nothing.
    this.#heard = true
    this.#socket.resume()
  }
}

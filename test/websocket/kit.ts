import assert from 'node:assert/strict'
import { ClosingHandshake, type ClosingStep, FrameError, FrameReader, type Incoming, type MessageLimits, writeFrame } from '../../src/websocket/index.ts'
import type { Chunks } from '../kit/pieces.ts'
import { serverFrames, type ServerFrame } from '../kit/websocket.ts'

export const LIMITS: MessageLimits = { maxBytes: 1024 * 1024, maxFragments: 1000 }

/** What a reader makes of a whole connection, and the code of the fault that ended it. */
export function read(chunks: Chunks, limits = LIMITS): { incoming: Incoming[]; code?: string; closeCode?: number } {
  const reader = new FrameReader(limits)
  const incoming: Incoming[] = []
  try {
    for (const chunk of chunks) for (const one of reader.push(chunk)) incoming.push(one)
    return { incoming }
  } catch (error) {
    assert.ok(error instanceof FrameError, String(error))
    assert.throws(() => [...reader.push(Buffer.of(0x81, 0x80, 0, 0, 0, 0))], error, 'the first fault is final')
    return { incoming, code: error.code, closeCode: error.closeCode }
  }
}

/** A server without a socket that sends every message back: what the room is for, in its smallest form. */
export class Echo {
  readonly sent: Buffer[] = []
  /** Whether our side of the connection has ended. */
  ended = false
  readonly #reader: FrameReader
  readonly #closing = new ClosingHandshake()

  constructor(limits = LIMITS) {
    this.#reader = new FrameReader(limits)
  }

  push(chunk: Buffer): void {
    if (this.ended) return
    try {
      for (const incoming of this.#reader.push(chunk)) this.#answer(incoming)
    } catch (error) {
      if (!(error instanceof FrameError)) throw error
      this.#do(this.#closing.fail(error))
    }
  }

  get frames(): readonly ServerFrame[] {
    const { frames, rest } = serverFrames(Buffer.concat(this.sent))
    assert.equal(rest.length, 0)
    return frames
  }

  #answer(incoming: Incoming): void {
    if (incoming.type === 'close') this.#do(this.#closing.received(incoming))
    else if (incoming.type !== 'pong') this.sent.push(writeFrame(incoming.type === 'ping' ? 'pong' : incoming.type, incoming.payload))
  }

  #do({ send, next }: ClosingStep): void {
    if (send !== undefined) this.sent.push(send)
    if (next === 'end') this.ended = true
  }
}

/** A close frame of a server as its code. */
export const codeOf = ({ payload }: ServerFrame): number | undefined => (payload.length === 0 ? undefined : payload.readUInt16BE())

import assert from 'node:assert/strict'
import { crc32 } from 'node:zlib'
import { decodeMessage, encodeMessage, EventStreamError, type EventStreamErrorCode, FrameCursor, type Message, Splitter } from '../../src/eventstream/index.ts'
import type { Chunks } from '../kit/pieces.ts'

export interface Outcome {
  readonly messages: readonly Message[]
  readonly code?: EventStreamErrorCode
}

/** What a splitter makes of a whole stream: the messages, and the code of the fault that ended them. */
export function split(chunks: Chunks, maxBytes?: number): Outcome {
  const splitter = new Splitter(maxBytes === undefined ? {} : { maxBytes })
  const messages: Message[] = []
  try {
    for (const chunk of chunks) {
      for (const frame of splitter.push(chunk)) {
        messages.push({ headers: frame.headers, payload: Buffer.from(frame.payload) })
      }
    }
    splitter.end()
    return { messages }
  } catch (error) {
    assert.ok(error instanceof EventStreamError, String(error))
    return { messages, code: error.code }
  }
}

/** Each message of a sound stream is the same to decodeMessage() as to the splitter, and encodes to its own bytes. */
export function assertOneByOne(bytes: Buffer): void {
  for (const frame of new Splitter().push(bytes)) {
    const { headers, payload } = frame
    assert.deepEqual(decodeMessage(frame.bytes), { headers, payload })
    assert.deepEqual(encodeMessage(frame), frame.bytes)
  }
}

/** Where messages end, told from the lengths alone: the truth a cursor is held against. */
export function boundaries(bytes: Buffer): Set<number> {
  const ends = new Set([0])
  for (let at = 0; at + 16 <= bytes.length && bytes.readUInt32BE(at) >= 16; ) ends.add((at += bytes.readUInt32BE(at)))
  return ends
}

/** Sends the chunks past a cursor; after each of them it must know where it stands. */
export function follow(chunks: Chunks, ends: ReadonlySet<number>, lostFrom = Infinity): FrameCursor {
  const cursor = new FrameCursor()
  let at = 0
  for (const chunk of chunks) {
    cursor.advance(chunk)
    at += chunk.length
    const lost = at >= lostFrom
    // One comparison per chunk, and words only for the failure: there are millions of chunks.
    if (cursor.lost !== lost || cursor.atBoundary !== (!lost && ends.has(at))) {
      assert.fail(`at byte ${at}: lost ${cursor.lost}, atBoundary ${cursor.atBoundary}`)
    }
  }
  return cursor
}

/** The 12 bytes of a prelude that says what it is told to, with a CRC that fits. */
export function prelude(totalLength: number, headersLength: number): Buffer {
  const bytes = Buffer.alloc(12)
  bytes.writeUInt32BE(totalLength, 0)
  bytes.writeUInt32BE(headersLength, 4)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 8)), 8)
  return bytes
}

/** A copy with the message CRC that fits. */
export function mended(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy.writeUInt32BE(crc32(copy.subarray(0, -4)), copy.length - 4)
  return copy
}

/** A message around a header block that may be anything. */
export const sealed = (block: Buffer, payload: Buffer = Buffer.alloc(0)): Buffer =>
  mended(Buffer.concat([prelude(16 + block.length + payload.length, block.length), block, payload, Buffer.alloc(4)]))

export const refusal = (code: EventStreamErrorCode) => (error: unknown): true => {
  assert.ok(error instanceof EventStreamError, String(error))
  assert.equal(error.code, code)
  return true
}

export interface Work {
  /** Bytes asked for in one piece, at most, and in all. */
  largest: number
  allocated: number
  copied: number
}

/** Counts the memory a function takes and the bytes it copies, at the only doors to both. */
export function countWork(run: () => void): Work {
  const work: Work = { largest: 0, allocated: 0, copied: 0 }
  const took = (bytes: number): void => {
    work.largest = Math.max(work.largest, bytes)
    work.allocated += bytes
  }
  const saved = { alloc: Buffer.alloc, allocUnsafe: Buffer.allocUnsafe, allocUnsafeSlow: Buffer.allocUnsafeSlow, concat: Buffer.concat }
  const { copy } = Buffer.prototype
  Object.assign(Buffer, {
    alloc: (size: number) => (took(size), saved.alloc(size)),
    allocUnsafe: (size: number) => (took(size), saved.allocUnsafe(size)),
    allocUnsafeSlow: (size: number) => (took(size), saved.allocUnsafeSlow(size)),
    concat: (list: readonly Uint8Array[]) => {
      const joined = saved.concat(list)
      took(joined.length)
      work.copied += joined.length
      return joined
    },
  })
  Buffer.prototype.copy = function (this: Buffer, ...args: Parameters<Buffer['copy']>): number {
    const copied = copy.apply(this, args)
    work.copied += copied
    return copied
  }
  try {
    run()
  } finally {
    Object.assign(Buffer, saved)
    Buffer.prototype.copy = copy
  }
  return work
}

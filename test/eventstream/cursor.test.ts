import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeMessage, eventMessage, FrameCursor } from '../../src/eventstream/index.ts'
import { cuttings, pieces } from '../kit/pieces.ts'
import { boundaries, countWork, follow, prelude, sealed } from './kit.ts'

const ONE = encodeMessage(eventMessage('chunk', Buffer.from('{}')))

function after(...chunks: Uint8Array[]): FrameCursor {
  const cursor = new FrameCursor()
  for (const chunk of chunks) cursor.advance(chunk)
  return cursor
}

test('a cursor stands at a boundary before the first byte and after the last of a message, nowhere between', () => {
  const stream = Buffer.concat([ONE, sealed(Buffer.alloc(0)), ONE])
  assert.equal(new FrameCursor().atBoundary, true)
  for (let length = 0; length <= stream.length; length++) {
    const cursor = after(stream.subarray(0, length))
    assert.deepEqual([cursor.atBoundary, cursor.lost], [boundaries(stream).has(length), false])
  }
})

test('an empty chunk moves nothing', () => {
  assert.equal(after(Buffer.alloc(0)).atBoundary, true)
  assert.equal(after(ONE.subarray(0, 3), Buffer.alloc(0), ONE.subarray(3)).atBoundary, true)
})

test('a prelude that cannot be is met at its twelfth byte, however it is cut, and is for good', () => {
  const faults = [prelude(15, 0), prelude(0, 0), prelude(11, 0), prelude(100, 85), prelude(100, 0xffffffff), Buffer.from('HTTP/1.1 500'), Buffer.alloc(12)]
  for (const fault of faults) {
    const stream = Buffer.concat([ONE, fault, ONE, ONE])
    for (const [, chunks] of cuttings(stream)) {
      const cursor = follow(chunks, new Set([0, ONE.length]), ONE.length + 12)
      assert.deepEqual([cursor.lost, cursor.atBoundary], [true, false])
    }
  }
})

test('any single bit turned in a prelude loses the cursor', () => {
  for (let bit = 0; bit < 96; bit++) {
    const bytes = Buffer.from(ONE)
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    assert.equal(after(bytes).lost, true, `bit ${bit}`)
  }
})

test('a message of 4 GiB is followed to its end without holding any of it', () => {
  const totalLength = 0xffffffff
  const chunk = Buffer.alloc(16 * 1024 * 1024)
  const work = countWork(() => {
    const cursor = after(prelude(totalLength, 0))
    let left = totalLength - 12
    for (; left > chunk.length; left -= chunk.length) cursor.advance(chunk)
    assert.equal(cursor.atBoundary, false)
    cursor.advance(chunk.subarray(0, left - 1))
    assert.equal(cursor.atBoundary, false)
    cursor.advance(chunk.subarray(0, 1))
    assert.equal(cursor.atBoundary, true)
  })
  // The prelude of the test itself and the twelve bytes of the cursor.
  assert.ok(work.allocated <= 24, `${work.allocated} bytes`)
})

test('following takes no memory and copies nothing, whatever the pieces', () => {
  const stream = Buffer.concat(Array.from({ length: 1000 }, () => ONE))
  const cursor = new FrameCursor()
  const chunks = [1, 7, 4096].flatMap((size) => [...pieces(stream, size)])
  const work = countWork(() => chunks.forEach((chunk) => cursor.advance(chunk)))
  assert.deepEqual(work, { largest: 0, allocated: 0, copied: 0 })
  assert.equal(cursor.atBoundary, true)
})

test('advance() takes any Uint8Array and answers anything else with a TypeError', () => {
  assert.equal(after(new Uint8Array(ONE)).atBoundary, true)
  for (const chunk of [undefined, null, 0, 'text', [1], { length: 5 }, new ArrayBuffer(4), new Uint16Array(4), Object.create(Uint8Array.prototype)]) {
    const cursor = new FrameCursor()
    assert.throws(() => cursor.advance(chunk as never), TypeError)
    assert.equal(cursor.atBoundary, true)
  }
})

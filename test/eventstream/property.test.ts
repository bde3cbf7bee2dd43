import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeMessage, encodeMessage, EventStreamError, FrameCursor, type HeaderValue, type Message, Splitter } from '../../src/eventstream/index.ts'
import { cuttings, seeded } from '../kit/pieces.ts'
import { boundaries, follow, mended, split } from './kit.ts'

type Random = (below: number) => number

const bytesOf = (random: Random, length: number): Buffer => Buffer.from(Array.from({ length }, () => random(256)))
const textOf = (random: Random, length: number): string =>
  Array.from({ length }, () => String.fromCodePoint([random(0x80), 0x80 + random(0x700), 0xe000 + random(0x2000), 0x10000 + random(0x10000)][random(4)]!)).join('')
const integerOf = (random: Random, bytes: number): number => bytesOf(random, bytes).readIntBE(0, bytes)
const bigintOf = (random: Random): bigint => bytesOf(random, 8).readBigInt64BE()

const HEADERS: ((random: Random) => HeaderValue)[] = [
  (random) => ({ type: 'boolean', value: random(2) === 0 }),
  (random) => ({ type: 'byte', value: integerOf(random, 1) }),
  (random) => ({ type: 'short', value: integerOf(random, 2) }),
  (random) => ({ type: 'integer', value: integerOf(random, 4) }),
  (random) => ({ type: 'long', value: bigintOf(random) }),
  (random) => ({ type: 'binary', value: bytesOf(random, random(40)) }),
  (random) => ({ type: 'string', value: textOf(random, random(40)) }),
  (random) => ({ type: 'timestamp', value: bigintOf(random) }),
  (random) => ({ type: 'uuid', value: bytesOf(random, 16).toString('hex').replace(/(.{8})(....)(....)(....)/, '$1-$2-$3-$4-') }),
]

function messageOf(random: Random): Message {
  const headers = new Map<string, HeaderValue>()
  for (let count = random(6); count > 0; count--) headers.set(textOf(random, 1 + random(20)), HEADERS[random(HEADERS.length)]!(random))
  return { headers, payload: bytesOf(random, random(3) === 0 ? 0 : random(300)) }
}

test('any message is written and read as itself', () => {
  const random = seeded(1)
  for (let round = 0; round < 1000; round++) {
    const message = messageOf(random)
    const bytes = encodeMessage(message)
    assert.deepEqual(decodeMessage(bytes), message, `round ${round}`)
    assert.deepEqual([...decodeMessage(bytes).headers.keys()], [...message.headers.keys()])
    assert.deepEqual(encodeMessage(decodeMessage(bytes)), bytes)
  }
})

test('any stream of messages is the same messages however it is cut, and a cursor knows where it stands', () => {
  const random = seeded(2)
  for (let round = 0; round < 20; round++) {
    const messages = Array.from({ length: random(6) }, () => messageOf(random))
    const bytes = Buffer.concat(messages.map(encodeMessage))
    const ends = boundaries(bytes)
    for (const [how, chunks] of cuttings(bytes, round)) assert.deepEqual(split(chunks), { messages }, `round ${round}, ${how}`)
    for (const [, chunks] of cuttings(bytes, round)) assert.ok(follow(chunks, ends).atBoundary)
  }
})

test('any single bit turned in a message is found', () => {
  const random = seeded(3)
  for (let round = 0; round < 20; round++) {
    const bytes = encodeMessage(messageOf(random))
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      assert.throws(() => decodeMessage(bytes), EventStreamError)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
    }
  }
})

test('header bytes turned at random, the CRC mended, are refused or written again as they are', () => {
  const random = seeded(4)
  let refused = 0
  for (let round = 0; round < 5000; round++) {
    const bytes = encodeMessage(messageOf(random))
    const headersLength = bytes.readUInt32BE(4)
    if (headersLength > 0) bytes[12 + random(headersLength)] = random(256)
    const broken = mended(bytes)
    try {
      assert.deepEqual(encodeMessage(decodeMessage(broken)), broken)
    } catch (error) {
      assert.ok(error instanceof EventStreamError, String(error))
      assert.match(error.code, /^EVENTSTREAM_HEADER_/)
      refused++
    }
  }
  assert.ok(refused > 500, `${refused} refused`)
})

test('random bytes are refused by their twelfth, with an EventStreamError and nothing else', () => {
  const random = seeded(5)
  for (let round = 0; round < 2000; round++) {
    const bytes = bytesOf(random, 12 + random(50))
    assert.throws(() => decodeMessage(bytes), EventStreamError)
    assert.throws(() => [...new Splitter().push(bytes)], EventStreamError)
    const cursor = new FrameCursor()
    cursor.advance(bytes)
    assert.equal(cursor.lost, true)
  }
})

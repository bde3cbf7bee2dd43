import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { encodeMessage, eventMessage, Splitter } from '../../src/eventstream/index.ts'
import { pieces } from '../kit/pieces.ts'
import { countWork, mended, prelude, refusal, sealed, split } from './kit.ts'

const event = (payload: string): Buffer => encodeMessage(eventMessage('chunk', Buffer.from(payload)))
const [ONE, TWO, THREE] = [event('{"n":1}'), event('{"n":2}'), event('{"n":3}')]
const payloads = (splitter: Splitter, chunk: Buffer): string[] => Array.from(splitter.push(chunk), (frame) => frame.payload.toString())
const flipped = (bytes: Buffer, at: number): Buffer => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte)) as Buffer

test('a message is given out by the push that completes it, and not before', () => {
  const splitter = new Splitter()
  assert.deepEqual(payloads(splitter, ONE.subarray(0, 5)), [])
  assert.deepEqual(payloads(splitter, Buffer.concat([ONE.subarray(5), TWO, THREE.subarray(0, -1)])), ['{"n":1}', '{"n":2}'])
  assert.deepEqual(payloads(splitter, Buffer.alloc(0)), [])
  assert.deepEqual(payloads(splitter, THREE.subarray(-1)), ['{"n":3}'])
  splitter.end()
})

test('a message that lies whole in a chunk is a view of it, and nothing is copied', () => {
  const chunk = Buffer.concat([ONE, TWO])
  const work = countWork(() => {
    for (const frame of new Splitter().push(chunk)) assert.equal(frame.bytes.buffer, chunk.buffer)
  })
  assert.deepEqual(work, { largest: 0, allocated: 0, copied: 0 })
})

test('a message that came in pieces is a copy: a later write to the chunks does not reach it', () => {
  const splitter = new Splitter()
  const [head, tail] = [Buffer.from(ONE.subarray(0, 20)), Buffer.from(ONE.subarray(20))]
  assert.deepEqual([...splitter.push(head)], [])
  const [frame] = splitter.push(tail)
  head.fill(0)
  tail.fill(0)
  assert.deepEqual(frame?.bytes, ONE)
})

test('a message given out stays what it was while later ones arrive in pieces', () => {
  const splitter = new Splitter()
  const frames = [...pieces(Buffer.concat([ONE, TWO, THREE]), 1)].flatMap((chunk) => [...splitter.push(chunk)])
  assert.deepEqual(frames.map(({ bytes }) => bytes), [ONE, TWO, THREE])
})

test('headers are decoded once', () => {
  for (const frame of new Splitter().push(ONE)) assert.equal(frame.headers, frame.headers)
})

test('a splitter that waits, or has met a fault, keeps no chunk alive', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const pushed = (splitter: Splitter, bytes: Buffer): WeakRef<Buffer> => {
    const chunk = Buffer.from(bytes)
    try {
      for (const frame of splitter.push(chunk)) assert.deepEqual(frame.bytes, ONE)
    } catch (error) {
      refusal('EVENTSTREAM_PRELUDE_CHECKSUM')(error)
    }
    return new WeakRef(chunk)
  }
  const splitters = [new Splitter(), new Splitter(), new Splitter()]
  const streams = [ONE, Buffer.concat([ONE, TWO.subarray(0, 30)]), Buffer.concat([ONE, flipped(TWO, 8)])]
  const chunks = splitters.map((splitter, index) => pushed(splitter, streams[index]!))
  // A WeakRef holds what it refers to until the turn of the event loop is over.
  await new Promise(setImmediate)
  collect()
  assert.deepEqual(chunks.map((chunk) => chunk.deref()), [undefined, undefined, undefined])
  assert.throws(() => splitters[2]!.end(), refusal('EVENTSTREAM_PRELUDE_CHECKSUM'))
})

test('messages before a fault are given out, then the fault, and from then on the same fault', () => {
  const splitter = new Splitter()
  const seen: string[] = []
  const faults: unknown[] = []
  const attempt = (chunk: Buffer): void => {
    try {
      for (const frame of splitter.push(chunk)) seen.push(frame.payload.toString())
    } catch (error) {
      faults.push(error)
    }
  }
  attempt(Buffer.concat([ONE, TWO, flipped(THREE, 8), ONE]))
  attempt(ONE)
  attempt(Buffer.alloc(0))
  assert.throws(() => splitter.end(), (error) => error === faults[0])
  assert.deepEqual(seen, ['{"n":1}', '{"n":2}'])
  assert.equal(faults.length, 3)
  assert.ok(faults.every((fault) => fault === faults[0] && refusal('EVENTSTREAM_PRELUDE_CHECKSUM')(fault)))
})

test('end() repeats a fault met in pieces, and does not call it a truncation', () => {
  const splitter = new Splitter()
  assert.throws(() => [...pieces(flipped(ONE, 20), 1)].forEach((chunk) => payloads(splitter, chunk)), refusal('EVENTSTREAM_MESSAGE_CHECKSUM'))
  assert.throws(() => splitter.end(), refusal('EVENTSTREAM_MESSAGE_CHECKSUM'))
  const inPrelude = new Splitter()
  assert.throws(() => [...pieces(flipped(ONE, 8), 1)].forEach((chunk) => payloads(inPrelude, chunk)), refusal('EVENTSTREAM_PRELUDE_CHECKSUM'))
  assert.throws(() => inPrelude.end(), refusal('EVENTSTREAM_PRELUDE_CHECKSUM'))
})

test('a header fault is of its message alone: the next message is read', () => {
  const outcomes: string[] = []
  for (const frame of new Splitter().push(Buffer.concat([sealed(Buffer.from('00', 'hex')), ONE]))) {
    try {
      outcomes.push(`${frame.headers.size} headers`)
    } catch (error) {
      refusal('EVENTSTREAM_HEADER_NAME')(error)
      outcomes.push('fault')
    }
  }
  assert.deepEqual(outcomes, ['fault', '3 headers'])
})

test('an iteration broken off, or never begun, is taken up by the next push', () => {
  const splitter = new Splitter()
  for (const frame of splitter.push(Buffer.concat([ONE, TWO, THREE.subarray(0, 30)]))) {
    assert.equal(frame.payload.toString(), '{"n":1}')
    break
  }
  splitter.push(THREE.subarray(30))
  assert.deepEqual(payloads(splitter, ONE), ['{"n":2}', '{"n":3}', '{"n":1}'])
  splitter.end()
})

test('end() at a boundary is silent, also before the first byte; anywhere else it says EVENTSTREAM_TRUNCATED', () => {
  new Splitter().end()
  const stream = Buffer.concat([ONE, TWO])
  for (let length = 0; length <= stream.length; length++) {
    const boundary = length === 0 || length === ONE.length || length === stream.length
    assert.equal(split([stream.subarray(0, length)]).code, boundary ? undefined : 'EVENTSTREAM_TRUNCATED')
    assert.equal(split(pieces(stream.subarray(0, length), 1)).code, boundary ? undefined : 'EVENTSTREAM_TRUNCATED')
  }
})

test('bytes after a truncated end() are refused', () => {
  const splitter = new Splitter()
  assert.deepEqual(payloads(splitter, ONE.subarray(0, 20)), [])
  assert.throws(() => splitter.end(), refusal('EVENTSTREAM_TRUNCATED'))
  assert.throws(() => payloads(splitter, ONE.subarray(20)), refusal('EVENTSTREAM_TRUNCATED'))
})

test('maxBytes is 4 MiB unless told, and counts the whole message', () => {
  assert.equal(split([prelude(4 * 1024 * 1024, 0)]).code, 'EVENTSTREAM_TRUNCATED')
  assert.equal(split([prelude(4 * 1024 * 1024 + 1, 0)]).code, 'EVENTSTREAM_TOO_LARGE')
  assert.equal(split([ONE], ONE.length).code, undefined)
  assert.equal(split([sealed(Buffer.alloc(0))], 16).code, undefined)
  assert.equal(split([ONE], ONE.length - 1).code, 'EVENTSTREAM_TOO_LARGE')
})

test('a fault in the prelude is met at its twelfth byte; lengths come before the CRC', () => {
  const faults = [
    [prelude(15, 0), 'EVENTSTREAM_LENGTH'],
    [prelude(32, 17), 'EVENTSTREAM_LENGTH'],
    [prelude(0xffffffff, 0), 'EVENTSTREAM_TOO_LARGE'],
    [prelude(200_000, 128 * 1024 + 1), 'EVENTSTREAM_TOO_LARGE'],
    [flipped(prelude(15, 0), 11), 'EVENTSTREAM_LENGTH'],
    [flipped(prelude(16, 0), 11), 'EVENTSTREAM_PRELUDE_CHECKSUM'],
  ] as const
  for (const [bytes, code] of faults) {
    const splitter = new Splitter()
    assert.deepEqual(payloads(splitter, bytes.subarray(0, 11)), [])
    assert.throws(() => payloads(splitter, bytes.subarray(11)), refusal(code))
  }
})

test('memory follows the bytes that came, not the length that was declared', () => {
  const splitter = new Splitter()
  const head = Buffer.concat([prelude(4 * 1024 * 1024, 0), Buffer.alloc(5000)])
  const work = countWork(() => {
    for (const chunk of pieces(head, 100)) payloads(splitter, chunk)
  })
  assert.ok(work.largest <= 2 * head.length, `${work.largest} bytes in one piece`)
})

test('work is linear in the bytes, for messages of any length in pieces of any size', () => {
  for (const length of [1, 100, 1000, 30_000, 1_000_000]) {
    const bytes = sealed(Buffer.alloc(0), Buffer.alloc(length))
    for (const size of [1, 2, 13, 1000, 65_536]) {
      const work = countWork(() => {
        const splitter = new Splitter()
        for (const chunk of pieces(bytes, size)) for (const frame of splitter.push(chunk)) assert.deepEqual(frame.bytes, bytes)
        splitter.end()
      })
      // Copied once on arrival, and at most once more in all each time the room doubles; never a byte beyond the message.
      assert.ok(work.copied <= 3 * bytes.length, `${length} in ${size}: copied ${work.copied}`)
      assert.ok(work.allocated <= 3 * bytes.length, `${length} in ${size}: took ${work.allocated}`)
      assert.ok(work.largest <= bytes.length)
    }
  }
})

test('many messages in pieces cost what their bytes cost', () => {
  const bytes = Buffer.concat(Array.from({ length: 2000 }, (_, n) => event(`{"n":${n}}`)))
  for (const size of [1, 50, 1000, 16_384]) {
    const splitter = new Splitter()
    let count = 0
    const work = countWork(() => {
      for (const chunk of pieces(bytes, size)) for (const _ of splitter.push(chunk)) count++
    })
    assert.equal(count, 2000)
    assert.ok(work.copied <= 3 * bytes.length, `pieces of ${size}: copied ${work.copied}`)
  }
})

test('the options and chunks of our own code are checked as they come', () => {
  for (const maxBytes of [0, 15, -1, 1.5, NaN, Infinity, '4096', null, 16n]) {
    assert.throws(() => new Splitter({ maxBytes: maxBytes as never }), TypeError)
  }
  for (const chunk of [undefined, null, 0, 'text', [1], {}, new ArrayBuffer(4), new Uint16Array(4), Object.create(Uint8Array.prototype)]) {
    const splitter = new Splitter()
    // Refused by push() itself, not only once somebody iterates; and the stream is none the worse for it.
    assert.throws(() => splitter.push(chunk as never), TypeError)
    assert.deepEqual(payloads(splitter, ONE), ['{"n":1}'])
  }
})

test('a message CRC that fits does not save a message that is too long, or headers that are longer than it', () => {
  const bytes = mended(Buffer.concat([prelude(40, 25), Buffer.alloc(28)]))
  assert.equal(split([bytes]).code, 'EVENTSTREAM_LENGTH')
})

test('bytes that are whole messages can be passed over, at every cut of two of them; any others are left to push()', () => {
  const both = Buffer.concat([ONE, TWO])
  for (let cut = 0; cut <= both.length; cut++) {
    const splitter = new Splitter()
    const found: string[] = []
    for (const chunk of [both.subarray(0, cut), both.subarray(cut)]) if (!splitter.skip(chunk)) found.push(...payloads(splitter, chunk))
    assert.deepEqual(found, [0, ONE.length, both.length].includes(cut) ? [] : ['{"n":1}', '{"n":2}'], `cut at ${cut}`)
    splitter.end()
  }
  const noise = Buffer.alloc(32, 'x')
  noise.writeUInt32BE(12, 0)
  assert.equal(new Splitter().skip(noise), false)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClosingHandshake, FrameError, FrameReader, type Incoming, writeClose, writeFrame } from '../../src/websocket/index.ts'
import { Utf8Check } from '../../src/websocket/utf8.ts'
import { cuttings, pieces, seeded } from '../kit/pieces.ts'
import { clientBinary, clientClose, clientFrame, clientText, serverFrames } from '../kit/websocket.ts'
import { LIMITS, read } from './kit.ts'

type Random = (below: number) => number

const bytesOf = (random: Random, length: number): Buffer => Buffer.from(Array.from({ length }, () => random(256)))
const textOf = (random: Random, length: number): Buffer =>
  Buffer.from(Array.from({ length }, () => String.fromCodePoint([random(0x80), 0x80 + random(0x700), 0xe000 + random(0x2000), 0x10000 + random(0x10000)][random(4)]!)).join(''))

/** A message in fragments, with pings between them; and what it is to a reader. */
function messageOf(random: Random): { bytes: Buffer; incoming: Incoming[] } {
  const type = random(2) === 0 ? 'text' : 'binary'
  const payload = type === 'text' ? textOf(random, random(100)) : bytesOf(random, random(3) === 0 ? 60_000 + random(12_000) : random(300))
  const parts = random(2) === 0 || payload.length === 0 ? [payload] : [...pieces(payload, Math.ceil(payload.length / (1 + random(50))))]
  const frames: Buffer[] = []
  const incoming: Incoming[] = []
  parts.forEach((part, i) => {
    frames.push(clientFrame({ opcode: i > 0 ? 0 : type === 'text' ? 1 : 2, payload: part, fin: i === parts.length - 1, key: bytesOf(random, 4) }))
    if (i === parts.length - 1 || random(3) > 0) return
    const ping = bytesOf(random, random(126))
    const name = random(2) === 0 ? 'ping' : 'pong'
    frames.push(clientFrame({ opcode: name === 'ping' ? 9 : 10, payload: ping, key: bytesOf(random, 4) }))
    incoming.push({ type: name, payload: ping })
  })
  return { bytes: Buffer.concat(frames), incoming: [...incoming, { type, payload: Buffer.concat(parts) }] }
}

test('any messages are read as they were written, however they are cut', () => {
  const random = seeded(7)
  for (let round = 0; round < 60; round++) {
    const messages = Array.from({ length: 1 + random(4) }, () => messageOf(random))
    const bytes = Buffer.concat(messages.map((message) => message.bytes))
    const incoming = messages.flatMap((message) => message.incoming)
    for (const [how, chunks] of cuttings(bytes, round)) assert.deepEqual(read(chunks), { incoming }, `round ${round}, ${how}`)
  }
})

test('writeFrame() writes every length in its shortest form, final and unmasked', () => {
  for (const [length, head] of [[0, '8200'], [125, '827d'], [126, '827e007e'], [65_535, '827effff'], [65_536, '827f0000000000010000']] as const) {
    const payload = Buffer.alloc(length, 7)
    assert.deepEqual(writeFrame('binary', payload), Buffer.concat([Buffer.from(head, 'hex'), payload]))
  }
  assert.deepEqual(writeFrame('text', Buffer.from('Hello')).toString('hex'), '810548656c6c6f', 'RFC 6455 §5.7')
  assert.deepEqual(serverFrames(Buffer.concat([writeFrame('ping', Buffer.of(1)), writeFrame('pong', Buffer.of(2))])).frames.map(({ opcode }) => opcode), [9, 10])
  assert.throws(() => writeFrame('ping', Buffer.alloc(126)), TypeError)
})

test('the examples of RFC 6455 §5.7 are read as it says', () => {
  assert.deepEqual(read([Buffer.from('818537fa213d7f9f4d5158', 'hex')]).incoming, [{ type: 'text', payload: Buffer.from('Hello') }])
  assert.deepEqual(read([Buffer.from('8a8537fa213d7f9f4d5158', 'hex')]).incoming, [{ type: 'pong', payload: Buffer.from('Hello') }])
})

test('a frame that is not masked is refused as soon as it says so', () => {
  assert.deepEqual(read([Buffer.from('8105', 'hex')]), { incoming: [], code: 'WEBSOCKET_NOT_MASKED', closeCode: 1002 })
})

test('a length over the limit is refused before its payload, and its memory, also over several fragments', () => {
  const limits = { maxBytes: 10, maxFragments: 10 }
  assert.equal(read([clientBinary(Buffer.alloc(10))], limits).incoming.length, 1)
  assert.deepEqual(read([clientBinary(Buffer.alloc(11)).subarray(0, 2)], limits), { incoming: [], code: 'WEBSOCKET_MESSAGE_TOO_LARGE', closeCode: 1009 })
  assert.equal(read([Buffer.from('82ff7fffffffffffffff', 'hex')], limits).code, 'WEBSOCKET_MESSAGE_TOO_LARGE')
  const parts = [clientFrame({ opcode: 2, fin: false, payload: Buffer.alloc(6) }), clientFrame({ opcode: 0, payload: Buffer.alloc(5) })]
  assert.deepEqual(read(parts, limits), { incoming: [], code: 'WEBSOCKET_MESSAGE_TOO_LARGE', closeCode: 1009 })
})

test('a declared length takes no memory before its bytes come', () => {
  const start = clientBinary(Buffer.alloc(900_000)).subarray(0, 300)
  const { allocUnsafe } = Buffer
  let largest = 0
  Buffer.allocUnsafe = (size: number) => (largest = Math.max(largest, size), allocUnsafe(size))
  try {
    read([start])
  } finally {
    Buffer.allocUnsafe = allocUnsafe
  }
  assert.ok(largest <= 1024, `${largest} bytes`)
})

test('a message in many small fragments is copied about twice, not once for each', () => {
  const frame = clientFrame({ opcode: 0, fin: false, payload: Buffer.alloc(64) })
  const frames = [clientFrame({ opcode: 2, fin: false }), ...Array.from({ length: 4000 }, () => frame), clientFrame({ opcode: 0 })]
  const { copy } = Buffer.prototype
  let copied = 0
  Buffer.prototype.copy = function (this: Buffer, ...args: Parameters<Buffer['copy']>): number {
    const bytes = copy.apply(this, args)
    copied += bytes
    return bytes
  }
  try {
    assert.equal(read(frames, { maxBytes: 1024 * 1024, maxFragments: 5000 }).incoming.length, 1)
  } finally {
    Buffer.prototype.copy = copy
  }
  assert.ok(copied < 2 * 4000 * 64, `${copied} bytes`)
})

test('fragments are counted, empty ones too, and each message anew', () => {
  const limits = { maxBytes: 10, maxFragments: 3 }
  const first = clientFrame({ opcode: 1, fin: false })
  const next = clientFrame({ opcode: 0, fin: false })
  const last = clientFrame({ opcode: 0 })
  assert.equal(read([first, next, last, first, next, last], limits).incoming.length, 2)
  assert.deepEqual(read([first, next, next, next], limits), { incoming: [], code: 'WEBSOCKET_TOO_MANY_FRAGMENTS', closeCode: 1009 })
})

test('text that is not UTF-8 is refused at its first bad byte, in the middle of a frame', () => {
  const bytes = clientFrame({ opcode: 1, payload: Buffer.from('4120f0288cbc4142434445', 'hex') })
  // 6 bytes of head, "A", blank, F0, and 28 continues nothing.
  assert.equal(read([bytes.subarray(0, 9)]).code, undefined)
  assert.deepEqual(read([bytes.subarray(0, 10)]), { incoming: [], code: 'WEBSOCKET_UTF8', closeCode: 1007 })
})

test('a character may be spread over fragments, but the message must end with it', () => {
  const euro = Buffer.from('€')
  const first = clientFrame({ opcode: 1, fin: false, payload: euro.subarray(0, 2) })
  assert.deepEqual(read([first, clientFrame({ opcode: 0, payload: euro.subarray(2) })]).incoming, [{ type: 'text', payload: euro }])
  assert.equal(read([first, clientFrame({ opcode: 0 })]).code, 'WEBSOCKET_UTF8')
  assert.equal(read([clientBinary(euro.subarray(0, 2))]).code, undefined)
})

test('Utf8Check agrees with TextDecoder on every sequence of two bytes and on the edges of longer ones', () => {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const edges = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff]
  const all = Array.from({ length: 256 }, (_, i) => i)
  const same = (bytes: Buffer) => {
    const check = new Utf8Check()
    assert.equal(check.push(bytes) && check.complete, accepts(decoder, bytes), bytes.toString('hex'))
  }
  for (const a of all) for (const b of all) same(Buffer.of(a, b))
  for (const a of edges) for (const b of edges) for (const c of edges) same(Buffer.of(a, b, c))
  for (const a of edges.slice(-6)) for (const b of edges) for (const c of [0x7f, 0x80, 0xbf, 0xc0]) for (const d of [0x7f, 0x80, 0xbf, 0xc0]) same(Buffer.of(a, b, c, d))
})

function accepts(decoder: TextDecoder, bytes: Buffer): boolean {
  try {
    decoder.decode(bytes)
    return true
  } catch {
    return false
  }
}

test('a close code is one that may be on the wire', () => {
  const good = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4408, 4999]
  const bad = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]
  for (const code of good) assert.deepEqual(read([clientClose(code, 'why')]).incoming, [{ type: 'close', code, reason: 'why' }])
  for (const code of bad) assert.deepEqual(read([clientClose(code)]), { incoming: [], code: 'WEBSOCKET_CLOSE_CODE', closeCode: 1002 })
  for (const code of bad) assert.throws(() => writeClose({ code, reason: '' }), TypeError)
  assert.deepEqual(read([clientClose()]).incoming, [{ type: 'close', code: undefined, reason: '' }])
})

test('writeClose() writes code and reason, and no reason beyond 123 bytes', () => {
  assert.equal(writeClose({ code: 1011, reason: 'x' }).toString('hex'), '880303f378')
  assert.equal(writeClose({ code: undefined, reason: '' }).toString('hex'), '8800')
  assert.equal(writeClose({ code: 1000, reason: '€'.repeat(41) }).length, 127)
  assert.throws(() => writeClose({ code: 1000, reason: '€'.repeat(41) + 'x' }), TypeError)
  assert.throws(() => writeClose({ code: undefined, reason: 'x' }), TypeError)
})

test('what follows a close frame is not read, in the same piece or in later ones', () => {
  assert.deepEqual(read([Buffer.concat([clientClose(1000), clientText('x')]), Buffer.from('ffff', 'hex')]).incoming, [{ type: 'close', code: 1000, reason: '' }])
})

test('the closing handshake answers a close with its own code, and ends', () => {
  const closing = new ClosingHandshake()
  assert.deepEqual(closing.received({ code: 4001, reason: 'bye' }), { send: writeClose({ code: 4001, reason: '' }), next: 'end' })
  assert.equal(closing.state, 'closed')
  assert.deepEqual([closing.begin({ code: 1000, reason: '' }), closing.received({ code: 1000, reason: '' }), closing.fail(fault())], [{}, {}, {}])
})

test('the closing handshake, begun by us, waits for the client and says nothing more', () => {
  const closing = new ClosingHandshake()
  assert.deepEqual(closing.begin({ code: 1001, reason: 'r' }), { send: writeClose({ code: 1001, reason: 'r' }), next: 'await' })
  assert.equal(closing.state, 'closing')
  assert.deepEqual(closing.begin({ code: 1011, reason: '' }), {})
  assert.deepEqual(closing.received({ code: 1001, reason: '' }), { next: 'end' })
})

test('a fault is told with its close code, once, and the client is not waited for', () => {
  assert.deepEqual(new ClosingHandshake().fail(fault()), { send: writeClose({ code: 1007, reason: '' }), next: 'end' })
  const closing = new ClosingHandshake()
  closing.begin({ code: 1000, reason: '' })
  assert.deepEqual(closing.fail(fault()), { next: 'end' })
})

const fault = (): FrameError => new FrameError('WEBSOCKET_UTF8', 'text is not UTF-8')

test('a reader keeps nothing of a chunk that it has read', () => {
  const reader = new FrameReader(LIMITS)
  const chunk = clientBinary(Buffer.from('abc'))
  const [message] = [...reader.push(chunk)]
  chunk.fill(0)
  assert.deepEqual(message, { type: 'binary', payload: Buffer.from('abc') })
})

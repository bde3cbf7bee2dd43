import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeMessage, encodeMessage, type EventStreamErrorCode, eventMessage, exceptionMessage, type HeaderValue } from '../../src/eventstream/index.ts'
import { countWork, prelude, refusal, sealed } from './kit.ts'

const NOTHING = Buffer.alloc(0)
const EMPTY = Buffer.from('000000100000000005c248eb7d98c8ff', 'hex')
const MiB = 1024 * 1024

test('the shortest message is 16 bytes: no headers, no payload', () => {
  assert.deepEqual(encodeMessage({ headers: new Map(), payload: NOTHING }), EMPTY)
  assert.deepEqual(decodeMessage(EMPTY), { headers: new Map(), payload: NOTHING })
})

test('decodeMessage() takes any Uint8Array, also one in the middle of its memory', () => {
  const around = new Uint8Array([1, ...EMPTY, 1])
  assert.deepEqual(decodeMessage(around.subarray(1, 17)), decodeMessage(EMPTY))
})

test('the payload is a view of the bytes, not a copy', () => {
  const bytes = encodeMessage(eventMessage('chunk', Buffer.from('{}')))
  const { payload } = decodeMessage(bytes)
  assert.equal(payload.buffer, bytes.buffer)
})

const broken = (change: (bytes: Buffer) => void): Buffer => {
  const bytes = sealed(NOTHING, Buffer.from('payload'))
  change(bytes)
  return bytes
}

const BROKEN: [what: string, bytes: Buffer, code: EventStreamErrorCode][] = [
  ['no bytes', NOTHING, 'EVENTSTREAM_TRUNCATED'],
  ['11 bytes', EMPTY.subarray(0, 11), 'EVENTSTREAM_TRUNCATED'],
  ['a prelude alone', EMPTY.subarray(0, 12), 'EVENTSTREAM_TRUNCATED'],
  ['a message less one byte', EMPTY.subarray(0, 15), 'EVENTSTREAM_TRUNCATED'],
  ['a message and one byte', Buffer.concat([EMPTY, Buffer.alloc(1)]), 'EVENTSTREAM_LENGTH'],
  ['two messages', Buffer.concat([EMPTY, EMPTY]), 'EVENTSTREAM_LENGTH'],
  ['a total length of 0', prelude(0, 0), 'EVENTSTREAM_LENGTH'],
  ['a total length of 15', prelude(15, 0), 'EVENTSTREAM_LENGTH'],
  ['headers one byte longer than the message', prelude(100, 85), 'EVENTSTREAM_LENGTH'],
  ['headers of 4 GiB', prelude(100, 0xffffffff), 'EVENTSTREAM_LENGTH'],
  ['headers of 128 KiB and one byte', prelude(200_000, 128 * 1024 + 1), 'EVENTSTREAM_TOO_LARGE'],
  ['a payload of 24 MiB and one byte', prelude(24 * MiB + 17, 0), 'EVENTSTREAM_TOO_LARGE'],
  ['a total length of 4 GiB', prelude(0xffffffff, 0), 'EVENTSTREAM_TOO_LARGE'],
  ['another prelude CRC', broken((bytes) => (bytes[8]! ^= 1)), 'EVENTSTREAM_PRELUDE_CHECKSUM'],
  ['another payload', broken((bytes) => (bytes[12]! ^= 1)), 'EVENTSTREAM_MESSAGE_CHECKSUM'],
  ['another message CRC', broken((bytes) => (bytes[bytes.length - 1]! ^= 1)), 'EVENTSTREAM_MESSAGE_CHECKSUM'],
]

test('decodeMessage() names what is wrong, and takes no memory for what a prelude declares', () => {
  for (const [what, bytes, code] of BROKEN) {
    const work = countWork(() => assert.throws(() => decodeMessage(bytes), refusal(code), what))
    assert.equal(work.allocated, 0, what)
  }
})

test('headers of 128 KiB and a payload of 24 MiB pass, one byte more does not', () => {
  // Four headers of 32,768 bytes: five for lengths, name and type, the rest value.
  const value: HeaderValue = { type: 'binary', value: Buffer.alloc(32763) }
  const headers = new Map(['a', 'b', 'c', 'd'].map((name) => [name, value]))
  const bytes = encodeMessage({ headers, payload: NOTHING })
  assert.equal(bytes.readUInt32BE(4), 128 * 1024)
  assert.deepEqual(decodeMessage(bytes).headers, headers)
  headers.set('d', { type: 'binary', value: Buffer.alloc(32764) })
  assert.throws(() => encodeMessage({ headers, payload: NOTHING }), refusal('EVENTSTREAM_TOO_LARGE'))

  const payload = Buffer.alloc(24 * MiB)
  assert.equal(decodeMessage(encodeMessage({ headers: new Map(), payload })).payload.length, payload.length)
  const over = Buffer.alloc(24 * MiB + 1)
  assert.throws(() => encodeMessage({ headers: new Map(), payload: over }), refusal('EVENTSTREAM_TOO_LARGE'))
})

test('eventMessage() and exceptionMessage() write headers in the order of Bedrock', () => {
  const json = Buffer.from('{"message":"Too many requests"}')
  const event = decodeMessage(encodeMessage(eventMessage('chunk', json)))
  assert.deepEqual([...event.headers], [
    [':event-type', { type: 'string', value: 'chunk' }],
    [':content-type', { type: 'string', value: 'application/json' }],
    [':message-type', { type: 'string', value: 'event' }],
  ])
  const exception = decodeMessage(encodeMessage(exceptionMessage('throttlingException', json)))
  assert.deepEqual([...exception.headers], [
    [':exception-type', { type: 'string', value: 'throttlingException' }],
    [':content-type', { type: 'string', value: 'application/json' }],
    [':message-type', { type: 'string', value: 'exception' }],
  ])
  assert.deepEqual([event.payload, exception.payload], [json, json])
})

test('what is not bytes, text or a message is a TypeError', () => {
  const fakes = [undefined, null, 0, '', 'AAAAEAAAAAAFwkjr', [], {}, new ArrayBuffer(16), new DataView(new ArrayBuffer(16)), new Uint16Array(8), Object.create(Uint8Array.prototype)]
  for (const fake of fakes) {
    assert.throws(() => decodeMessage(fake as never), TypeError)
    assert.throws(() => encodeMessage({ headers: new Map(), payload: fake as never }), TypeError)
    assert.throws(() => encodeMessage(fake as never), TypeError)
    assert.throws(() => eventMessage('chunk', fake as never), TypeError)
    assert.throws(() => exceptionMessage('throttlingException', fake as never), TypeError)
  }
  for (const fake of [undefined, null, 0, {}, NOTHING]) {
    assert.throws(() => eventMessage(fake as never, NOTHING), TypeError)
    assert.throws(() => exceptionMessage(fake as never, NOTHING), TypeError)
  }
})

test('no error message holds what the bytes hold', () => {
  const secret = 'sk-secret'
  const name = Buffer.concat([Buffer.of(secret.length), Buffer.from(secret)])
  for (const rest of ['ff', '07', '070002c328', '078000', '00']) {
    const bytes = sealed(Buffer.concat([name, Buffer.from(rest, 'hex'), name, Buffer.from('00', 'hex')]))
    assert.throws(() => decodeMessage(bytes), (error: Error) => !`${error.message}${error.stack}${JSON.stringify(error)}`.includes(secret))
  }
})

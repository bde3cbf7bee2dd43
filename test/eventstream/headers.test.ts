import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeMessage, encodeMessage, type EventStreamErrorCode, type HeaderValue, stringHeader } from '../../src/eventstream/index.ts'
import { refusal, sealed } from './kit.ts'

const NOTHING = Buffer.alloc(0)
const encode = (name: string, header: HeaderValue): Buffer => encodeMessage({ headers: new Map([[name, header]]), payload: NOTHING })
const block = (bytes: Buffer): string => bytes.subarray(12, -4).toString('hex')

const text = (value: string): HeaderValue => ({ type: 'string', value })
const binary = (length: number): HeaderValue => ({ type: 'binary', value: Buffer.alloc(length, 7) })

const VALUES: [HeaderValue, string][] = [
  [{ type: 'boolean', value: true }, '00'],
  [{ type: 'boolean', value: false }, '01'],
  [{ type: 'byte', value: -128 }, '0280'],
  [{ type: 'byte', value: 127 }, '027f'],
  [{ type: 'short', value: -32768 }, '038000'],
  [{ type: 'short', value: 32767 }, '037fff'],
  [{ type: 'integer', value: -2147483648 }, '0480000000'],
  [{ type: 'integer', value: 2147483647 }, '047fffffff'],
  [{ type: 'long', value: -(2n ** 63n) }, '058000000000000000'],
  [{ type: 'long', value: 2n ** 63n - 1n }, '057fffffffffffffff'],
  [{ type: 'binary', value: NOTHING }, '060000'],
  [{ type: 'binary', value: Buffer.of(0, 255) }, '06000200ff'],
  [{ type: 'string', value: '' }, '070000'],
  [{ type: 'string', value: 'é\u0000\u{1F30D}' }, '070007c3a900f09f8c8d'],
  [{ type: 'string', value: '\uFEFF\uFFFD' }, '070006efbbbfefbfbd'],
  // Further than any Date goes.
  [{ type: 'timestamp', value: -(2n ** 63n) }, '088000000000000000'],
  [{ type: 'timestamp', value: 1773500966123n }, '080000019cece524eb'],
  [{ type: 'uuid', value: '01234567-89ab-cdef-0123-456789abcdef' }, '090123456789abcdef0123456789abcdef'],
]

test('every type and the ends of its range are written and read as the same bytes', () => {
  for (const [header, hex] of VALUES) {
    const bytes = encode('n', header)
    assert.equal(block(bytes), `016e${hex}`)
    assert.deepEqual(decodeMessage(bytes).headers, new Map([['n', header]]))
  }
})

test('headers keep the order of the wire', () => {
  const headers = new Map(['b', 'a', '1', '0', '__proto__'].map((name) => [name, text(name)]))
  const read = decodeMessage(encodeMessage({ headers, payload: NOTHING })).headers
  assert.deepEqual([...read], [...headers])
})

const BROKEN: [what: string, hex: string, code: EventStreamErrorCode][] = [
  ['an empty name', '0000', 'EVENTSTREAM_HEADER_NAME'],
  ['a name that is not UTF-8', '01ff00', 'EVENTSTREAM_HEADER_NAME'],
  ['a name of half a surrogate pair', '03eda08000', 'EVENTSTREAM_HEADER_NAME'],
  ['a name longer than the block', '02', 'EVENTSTREAM_HEADER_TRUNCATED'],
  ['a name with nothing after it', '016e', 'EVENTSTREAM_HEADER_TRUNCATED'],
  ['type 10', '016e0a', 'EVENTSTREAM_HEADER_TYPE'],
  ['type 255', '016eff', 'EVENTSTREAM_HEADER_TYPE'],
  ['a byte without its byte', '016e02', 'EVENTSTREAM_HEADER_TRUNCATED'],
  ['a long one byte short', '016e0500000000000000', 'EVENTSTREAM_HEADER_TRUNCATED'],
  ['a uuid one byte short', '016e09000000000000000000000000000000', 'EVENTSTREAM_HEADER_TRUNCATED'],
  ['half a length', '016e0700', 'EVENTSTREAM_HEADER_TRUNCATED'],
  ['a string one byte short', '016e07000261', 'EVENTSTREAM_HEADER_TRUNCATED'],
  ['a string that is not UTF-8', '016e070002c328', 'EVENTSTREAM_HEADER_VALUE'],
  ['a string in overlong UTF-8', '016e070002c0af', 'EVENTSTREAM_HEADER_VALUE'],
  ['a string of 32,768 bytes', '016e078000' + '61'.repeat(32768), 'EVENTSTREAM_HEADER_VALUE'],
  ['binary of 65,535 bytes', '016e06ffff' + '61'.repeat(65535), 'EVENTSTREAM_HEADER_VALUE'],
  ['a name given twice', '016e00016e00', 'EVENTSTREAM_HEADER_DUPLICATE'],
  ['a name given twice, with another between', '016e00016d00016e01', 'EVENTSTREAM_HEADER_DUPLICATE'],
]

test('decodeMessage() names what is wrong with a header', () => {
  for (const [what, hex, code] of BROKEN) {
    assert.throws(() => decodeMessage(sealed(Buffer.from(hex, 'hex'))), refusal(code), what)
  }
})

test('values of 32,767 bytes and names of 255 pass, one byte more does not', () => {
  for (const header of [binary(32767), text('a'.repeat(32767)), text('é'.repeat(16383))]) {
    const bytes = encode('é'.repeat(127) + 'a', header)
    assert.deepEqual([...decodeMessage(bytes).headers.values()], [header])
  }
  assert.throws(() => encode('n', binary(32768)), refusal('EVENTSTREAM_HEADER_VALUE'))
  assert.throws(() => encode('n', text('é'.repeat(16384))), refusal('EVENTSTREAM_HEADER_VALUE'))
  assert.throws(() => encode('é'.repeat(128), text('')), refusal('EVENTSTREAM_HEADER_NAME'))
})

const OUT_OF_RANGE: HeaderValue[] = [
  { type: 'byte', value: 128 },
  { type: 'byte', value: -129 },
  { type: 'short', value: 32768 },
  { type: 'short', value: -32769 },
  { type: 'integer', value: 2 ** 31 },
  { type: 'integer', value: -(2 ** 31) - 1 },
  { type: 'integer', value: 2 ** 32 },
  { type: 'long', value: 2n ** 63n },
  { type: 'timestamp', value: -(2n ** 63n) - 1n },
  { type: 'string', value: 'half \uD83C' },
  { type: 'uuid', value: '' },
  { type: 'uuid', value: '0123456789abcdef0123456789abcdef' },
  { type: 'uuid', value: '01234567-89AB-CDEF-0123-456789ABCDEF' },
  { type: 'uuid', value: '01234567-89ab-cdef-0123-456789abcdeg' },
  { type: 'uuid', value: '01234567-89ab-cdef-0123-456789abcdef0' },
]

test('encodeMessage() refuses a value that its type cannot hold', () => {
  for (const header of OUT_OF_RANGE) {
    assert.throws(() => encode('n', header), refusal('EVENTSTREAM_HEADER_VALUE'), `${header.type} ${String(header.value)}`)
  }
})

test('encodeMessage() refuses a name that is empty or half a surrogate pair', () => {
  for (const name of ['', '\uDC00']) assert.throws(() => encode(name, text('')), refusal('EVENTSTREAM_HEADER_NAME'))
})

const WRONG_TYPES: unknown[] = [
  null,
  'string',
  {},
  { type: 'string' },
  { type: 'string', value: 1 },
  { type: 'string', value: [97] },
  { type: 'String', value: '' },
  { type: '__proto__', value: '' },
  { type: 'boolean', value: 'true' },
  { type: 'boolean' },
  { type: 'byte', value: '1' },
  { type: 'short', value: 1.5 },
  { type: 'integer', value: NaN },
  { type: 'integer', value: Infinity },
  { type: 'integer', value: 1n },
  { type: 'long', value: 1 },
  { type: 'long', value: '1' },
  { type: 'timestamp', value: true },
  { type: 'timestamp', value: new Date(0) },
  { type: 'binary', value: 'ff' },
  { type: 'binary', value: [1] },
  { type: 'uuid', value: Buffer.alloc(16) },
]

test('encodeMessage() answers a header of the wrong JavaScript type with a TypeError', () => {
  for (const header of WRONG_TYPES) assert.throws(() => encode('n', header as HeaderValue), TypeError, JSON.stringify(header, String))
  for (const headers of [undefined, null, {}, [['n', text('')]], new Map([[1, text('')]]), Object.create(Map.prototype)]) {
    assert.throws(() => encodeMessage({ headers: headers as never, payload: NOTHING }), TypeError)
  }
})

test('stringHeader() gives text, and undefined for a header that is missing or of another type', () => {
  const headers = new Map([[':event-type', text('chunk')], ['n', binary(1)]])
  assert.equal(stringHeader(headers, ':event-type'), 'chunk')
  assert.equal(stringHeader(headers, 'n'), undefined)
  assert.equal(stringHeader(headers, 'constructor'), undefined)
})

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { decodeMessage, encodeMessage, EventStreamError, type EventStreamErrorCode, type HeaderValue, type Message } from '../../src/eventstream/index.ts'
import { cuttings } from '../kit/pieces.ts'
import { conformance, readJson } from '../kit/vectors.ts'
import { assertOneByOne, boundaries, countWork, follow, mended, refusal, split } from './kit.ts'

const base64 = (text: string): Buffer => Buffer.from(text, 'base64')

// ── eventstream: the codecs of five AWS SDKs ────────────────────────────────────────────────────────────────────────

interface CodecCase {
  name: string
  encoded_base64?: string
  expect: 'ok' | 'error'
  messages: {
    total_length: number
    headers_length: number
    prelude_crc: number
    message_crc: number
    headers: { name: string; type: number; value: unknown }[]
    payload_base64: string
  }[]
}

/** What each broken case is called here. The suite has one optional case, the repeated header name: we refuse it, as botocore does. */
const CODEC_FAULTS: Record<string, EventStreamErrorCode> = {
  'aws-corrupted_header_len': 'EVENTSTREAM_PRELUDE_CHECKSUM',
  'aws-corrupted_headers': 'EVENTSTREAM_MESSAGE_CHECKSUM',
  'rs-invalid_header_name_length': 'EVENTSTREAM_MESSAGE_CHECKSUM',
  'rs-invalid_header_name_length_too_long': 'EVENTSTREAM_MESSAGE_CHECKSUM',
  'rs-invalid_header_string_length_cut_off': 'EVENTSTREAM_MESSAGE_CHECKSUM',
  'rs-invalid_header_string_value_length': 'EVENTSTREAM_MESSAGE_CHECKSUM',
  'rs-invalid_message_checksum': 'EVENTSTREAM_MESSAGE_CHECKSUM',
  'rs-invalid_prelude_checksum': 'EVENTSTREAM_PRELUDE_CHECKSUM',
  'botocore-corrupted_payload': 'EVENTSTREAM_MESSAGE_CHECKSUM',
  'botocore-corrupted_headers': 'EVENTSTREAM_MESSAGE_CHECKSUM',
  'botocore-corrupted_header_length': 'EVENTSTREAM_LENGTH',
  'botocore-invalid_headers_length': 'EVENTSTREAM_LENGTH',
  'botocore-duplicate_header': 'EVENTSTREAM_HEADER_DUPLICATE',
}

/** These header faults stand in messages whose CRC no longer fits, so it is met first. With the CRC mended they are met themselves. */
const MENDED_FAULTS: Record<string, EventStreamErrorCode> = {
  'rs-invalid_header_name_length': 'EVENTSTREAM_HEADER_TRUNCATED',
  'rs-invalid_header_name_length_too_long': 'EVENTSTREAM_HEADER_TRUNCATED',
  'rs-invalid_header_string_length_cut_off': 'EVENTSTREAM_HEADER_TRUNCATED',
  'rs-invalid_header_string_value_length': 'EVENTSTREAM_HEADER_VALUE',
}

const WIRE_CODES = { byte: 2, short: 3, integer: 4, long: 5, binary: 6, string: 7, timestamp: 8, uuid: 9 }

function inCodecTerms([name, header]: [string, HeaderValue]): object {
  const type = header.type === 'boolean' ? Number(!header.value) : WIRE_CODES[header.type]
  switch (header.type) {
    case 'binary':
      return { name, type, value: header.value.toString('base64') }
    case 'uuid':
      return { name, type, value: header.value.replaceAll('-', '') }
    case 'long':
    case 'timestamp':
      return { name, type, value: String(header.value) }
    default:
      return { name, type, value: header.value }
  }
}

function assertCodecMessage(message: Message, expected: CodecCase['messages'][number]): void {
  assert.deepEqual([...message.headers].map(inCodecTerms), expected.headers.map(({ name, type, value }) => ({ name, type, value })))
  assert.equal(message.payload.toString('base64'), expected.payload_base64)
  const bytes = encodeMessage(message)
  const prelude = [bytes.readUInt32BE(0), bytes.readUInt32BE(4), bytes.readUInt32BE(8), bytes.readUInt32BE(bytes.length - 4)]
  assert.deepEqual(prelude, [expected.total_length, expected.headers_length, expected.prelude_crc, expected.message_crc])
}

conformance('eventstream', (folder) => {
  for (const { name, encoded_base64, expect, messages } of readJson<CodecCase[]>(folder, 'open', 'cases.json')) {
    if (encoded_base64 === undefined) {
      test(`eventstream: ${name}`, { skip: 'the case is a recipe, not bytes' }, () => {})
      continue
    }
    const bytes = base64(encoded_base64)
    if (expect === 'ok') {
      test(`eventstream: ${name} is read, however it is cut, and written again`, () => {
        for (const [how, chunks] of cuttings(bytes)) {
          const outcome = split(chunks)
          assert.equal(outcome.code, undefined, how)
          assert.equal(outcome.messages.length, messages.length, how)
          outcome.messages.forEach((message, index) => assertCodecMessage(message, messages[index]!))
        }
        assertOneByOne(bytes)
        for (const [, chunks] of cuttings(bytes)) assert.ok(follow(chunks, boundaries(bytes)).atBoundary)
      })
    } else {
      // One of them has bytes behind its end, which a splitter never comes to see.
      const message = bytes.subarray(0, bytes.readUInt32BE(0))
      test(`eventstream: ${name} is refused, however it is cut, and takes no more memory than it has bytes`, () => {
        const work = countWork(() => {
          for (const [how, chunks] of cuttings(bytes)) {
            const { code, messages } = split(chunks)
            assert.ok(code, how)
            assert.equal(code, CODEC_FAULTS[name] ?? code, how)
            assert.equal(messages.length, 0, how)
          }
        })
        assert.ok(work.largest <= Math.max(1024, 2 * bytes.length), `${work.largest} bytes in one piece`)
        assert.throws(() => decodeMessage(message), CODEC_FAULTS[name] ? refusal(CODEC_FAULTS[name]) : EventStreamError)
      })
      const fault = MENDED_FAULTS[name]
      if (fault) test(`eventstream: ${name}, its CRC mended, is refused as ${fault}`, () => {
        for (const [how, chunks] of cuttings(mended(message))) assert.equal(split(chunks).code, fault, how)
        assert.throws(() => decodeMessage(mended(message)), refusal(fault))
      })
    }
  }
})

// ── bedrock-contract: streams as Bedrock sends them, and broken ones ────────────────────────────────────────────────

interface Fixture {
  file: string
  valid: boolean
  totalBytes: number
  sha256: string
  frames: {
    offset: number
    length: number
    headers: Record<string, { type: string; value: unknown }>
    payloadLength: number
    payload?: string
    payloadHex?: string
  }[]
  tailBytes?: number
  tailOffset?: number
}

const BROKEN_TAILS: Record<string, { code: EventStreamErrorCode; cursor: 'lost' | 'inside' | 'boundary' }> = {
  '18-truncated-mid-payload.bin': { code: 'EVENTSTREAM_TRUNCATED', cursor: 'inside' },
  '19-truncated-in-prelude.bin': { code: 'EVENTSTREAM_TRUNCATED', cursor: 'inside' },
  '20-truncated-after-3-bytes.bin': { code: 'EVENTSTREAM_TRUNCATED', cursor: 'inside' },
  '21-bad-prelude-crc.bin': { code: 'EVENTSTREAM_PRELUDE_CHECKSUM', cursor: 'lost' },
  // The cursor checks preludes only: that a payload is broken is not its to know, and the boundary behind it holds.
  '22-bad-message-crc.bin': { code: 'EVENTSTREAM_MESSAGE_CHECKSUM', cursor: 'boundary' },
  '23-payload-bitflip.bin': { code: 'EVENTSTREAM_MESSAGE_CHECKSUM', cursor: 'boundary' },
  '24-absurd-length.bin': { code: 'EVENTSTREAM_TOO_LARGE', cursor: 'lost' },
  '25-length-below-minimum.bin': { code: 'EVENTSTREAM_LENGTH', cursor: 'lost' },
}

/** The manifest lists only the first of this file's two messages; the other is the shortest there can be. */
const UNLISTED = '30-empty-payload-event.bin'

function inManifestTerms([name, header]: [string, HeaderValue]): [string, object] {
  const { type } = header
  if (type === 'binary') return [name, { type, value: header.value.toString('hex') }]
  if (type === 'long') return [name, { type, value: String(header.value) }]
  if (type === 'timestamp') return [name, { type, value: new Date(Number(header.value)).toISOString() }]
  return [name, { type, value: header.value }]
}

function assertFixtureFrames(messages: readonly Message[], { file, frames }: Fixture): void {
  assert.equal(messages.length, frames.length + (file === UNLISTED ? 1 : 0))
  frames.forEach((frame, index) => {
    const message = messages[index]!
    assert.deepEqual([...message.headers].map(inManifestTerms), Object.entries(frame.headers))
    assert.equal(message.payload.length, frame.payloadLength)
    if (frame.payload !== undefined) assert.equal(message.payload.toString(), frame.payload)
    if (frame.payloadHex !== undefined) assert.equal(message.payload.toString('hex'), frame.payloadHex)
    assert.equal(encodeMessage(message).length, frame.length)
  })
}

conformance('bedrock-contract/eventstream-fixtures', (folder) => {
  const { files } = readJson<{ files: Fixture[] }>(folder, 'manifest.json')
  for (const fixture of files) {
    const bytes = readFileSync(join(folder, fixture.file))
    const { code, cursor } = BROKEN_TAILS[fixture.file] ?? { code: undefined, cursor: 'boundary' }
    const claim = code === undefined ? 'is read as the manifest says' : `is read up to its fault, ${code}`

    test(`fixture ${fixture.file} ${claim}, however it is cut`, () => {
      assert.equal(createHash('sha256').update(bytes).digest('hex'), fixture.sha256)
      assert.equal(code === undefined, fixture.valid)
      for (const [how, chunks] of cuttings(bytes)) {
        const outcome = split(chunks)
        assert.equal(outcome.code, code, how)
        assertFixtureFrames(outcome.messages, fixture)
      }
      assertOneByOne(fixture.valid ? bytes : bytes.subarray(0, fixture.tailOffset))
    })

    test(`fixture ${fixture.file} leaves a cursor ${cursor === 'boundary' ? 'at a boundary' : cursor}, however it is cut`, () => {
      const ends = boundaries(bytes)
      const lostFrom = cursor === 'lost' ? fixture.tailOffset! + 12 : Infinity
      for (const [, chunks] of cuttings(bytes)) {
        assert.equal(follow(chunks, ends, lostFrom).atBoundary, cursor === 'boundary')
      }
    })
  }
})

// ── bedrock-recorded: what Bedrock did send ─────────────────────────────────────────────────────────────────────────

interface Exchange {
  name: string
  response: { headers: [string, string][]; body_base64: string; body_reserialised?: boolean }
  decoded?: { headers: Record<string, string>; payload_base64: string }[]
}

conformance('bedrock-recorded', (folder) => {
  const streams = readJson<Exchange[]>(folder, 'open', 'exchanges.json').filter(({ response }) =>
    response.headers.some(([name, value]) => name.toLowerCase() === 'content-type' && value === 'application/vnd.amazon.eventstream'),
  )
  for (const { name, response, decoded } of streams) {
    test(`recorded stream ${name} is read, however it is cut, and written again`, () => {
      const bytes = base64(response.body_base64)
      for (const [how, chunks] of cuttings(bytes)) {
        const { messages, code } = split(chunks)
        assert.equal(code, undefined, how)
        const plain = messages.map(({ headers, payload }) => ({
          headers: Object.fromEntries([...headers].map(([name, { value }]) => [name, value])),
          payload_base64: payload.toString('base64'),
        }))
        assert.deepEqual(plain, decoded, how)
        assert.deepEqual([...messages[0]!.headers.keys()], [':event-type', ':content-type', ':message-type'])
      }
      if (!response.body_reserialised) assertOneByOne(bytes)
      for (const [, chunks] of cuttings(bytes)) assert.ok(follow(chunks, boundaries(bytes)).atBoundary)
    })
  }

  test('no recorded frame is left out', () => {
    const frames = streams.reduce((sum, { decoded }) => sum + decoded!.length, 0)
    assert.ok(streams.length >= 27 && frames >= 771, `${streams.length} streams, ${frames} frames`)
  })
})

// ── bidi-stream-oracle: the JS SDK's own upload, message in message ─────────────────────────────────────────────────

interface Upload {
  name: string
  frames: { frame_base64: string; date_ms: number; signature: string; inner: { payload_base64: string } | null }[]
}

conformance('bidi-stream-oracle', (folder) => {
  for (const { name, frames } of readJson<Upload[]>(folder, 'open', 'cases.json')) {
    test(`upload ${name} is unwrapped and wrapped again to the same bytes`, () => {
      for (const { frame_base64, date_ms, signature, inner } of frames) {
        const outer = decodeMessage(base64(frame_base64))
        const payload = inner ? encodeMessage(decodeMessage(outer.payload)) : Buffer.alloc(0)
        if (inner) assert.equal(decodeMessage(outer.payload).payload.toString('base64'), inner.payload_base64)
        const headers = new Map<string, HeaderValue>([
          [':date', { type: 'timestamp', value: BigInt(date_ms) }],
          [':chunk-signature', { type: 'binary', value: Buffer.from(signature, 'hex') }],
        ])
        assert.equal(encodeMessage({ headers, payload }).toString('base64'), frame_base64)
      }
    })
  }
})

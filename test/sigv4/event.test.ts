import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import * as sigv4 from '../../src/sigv4/index.ts'
import { conformance, readJson } from '../kit/vectors.ts'
import { type Case, checkSigner, checkVerifier, sha256 } from './case.ts'

const ANY_TIME = { nowMs: 0, maxSkewMs: Infinity }

/** An event stream message, by hand: this room does not know the other one. */
function message(headers: Uint8Array, payload: Uint8Array): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(12), headers, payload, Buffer.alloc(4)])
  bytes.writeUInt32BE(bytes.length, 0)
  bytes.writeUInt32BE(headers.length, 4)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 8)), 8)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, -4)), bytes.length - 4)
  return bytes
}

const signedFrame = (dateMs: number, signature: Uint8Array, payload: Uint8Array): Buffer =>
  message(Buffer.concat([sigv4.dateHeader(dateMs), Buffer.from('\x10:chunk-signature\x06\0\x20', 'latin1'), signature]), payload)

const flipped = (bytes: Uint8Array, at: number): Buffer => {
  const copy = Buffer.from(bytes)
  copy.writeUInt8(copy.readUInt8(at) ^ 1, at)
  return copy
}

/** The verifier follows the chain, and refuses the event with a byte of any of its parts changed. */
function checkEvent(event: sigv4.ReceivedEvent, secret: string, scope: sigv4.Scope): void {
  assert.equal(sigv4.verifyEvent(event, secret, scope, ANY_TIME), Buffer.from(event.signature).toString('hex'))
  const refuses = (change: Partial<sigv4.ReceivedEvent>, code = 'SIGV4_MISMATCH') =>
    assert.throws(() => sigv4.verifyEvent({ ...event, ...change }, secret, scope, ANY_TIME), { name: 'SigV4Error', code })

  // Up to the byte of 2^48 milliseconds a change makes another header, or a year beyond 9999.
  for (let at = 0; at < 15; at++) refuses({ dateHeader: flipped(event.dateHeader, at) }, at < 9 ? 'SIGV4_MALFORMED' : 'SIGV4_MISMATCH')
  for (let at = 0; at < event.payload.length; at += 13) refuses({ payload: flipped(event.payload, at) })
  for (let at = 0; at < 32; at++) refuses({ signature: flipped(event.signature, at) })
  refuses({ signature: event.signature.subarray(1) }, 'SIGV4_MALFORMED')
  refuses({ priorSignature: sha256(event.priorSignature) })
}

interface ContractChain {
  readonly seed: string
  readonly frames: readonly {
    readonly name: string
    readonly dateEpochMs: number
    readonly innerMessageHex: string
    readonly headersToSignHex: string
    readonly priorSignature: string
    readonly stringToSign: string
    readonly signature: string
    readonly frameHex: string
  }[]
}

conformance('bedrock-contract', (folder) => {
  const contract = readJson<{ credentials: sigv4.Credentials; region: string; service: string; chains: readonly ContractChain[] }>(folder, 'sigv4-eventstream-vectors.json')
  const { region, service, chains } = contract
  const secret = contract.credentials.secretAccessKey
  test('the chains are whole', () => assert.deepEqual(chains.map(({ frames }) => frames.length), [5, 5, 5]))

  for (const [at, chain] of chains.entries()) {
    test(`EventSigner and verifyEvent() follow chain ${at} of the contract, past midnight and to the empty frame`, () => {
      const signer = new sigv4.EventSigner(chain.seed, secret, { region, service }, new sigv4.SigningKeys())
      for (const { dateEpochMs, innerMessageHex = '', ...frame } of chain.frames) {
        const payload = Buffer.from(innerMessageHex, 'hex')
        const dateHeader = sigv4.dateHeader(dateEpochMs)
        assert.equal(dateHeader.toString('hex'), frame.headersToSignHex)
        const toSign = sigv4.eventStringToSign(sigv4.amzDate(dateEpochMs), { region, service }, frame.priorSignature, dateHeader, payload)
        assert.equal(toSign, frame.stringToSign)
        const signature = signer.sign(dateEpochMs, payload)
        assert.equal(signature.toString('hex'), frame.signature)
        assert.equal(signedFrame(dateEpochMs, signature, payload).toString('hex'), frame.frameHex)
        checkEvent({ dateHeader, payload, signature, priorSignature: frame.priorSignature }, secret, { region, service })
      }
    })
  }
})

interface BidiCase {
  readonly name: string
  readonly credentials: { readonly access_key_id: string; readonly secret_access_key: string; readonly token?: string }
  readonly region: string
  readonly service: string
  readonly request_headers: Readonly<Record<string, string>>
  readonly request_signature: string
  readonly frames: readonly { readonly frame_base64: string; readonly date_ms: number; readonly prior_signature: string; readonly signature: string }[]
}

conformance('bidi-stream-oracle', (folder) => {
  const cases = readJson<readonly BidiCase[]>(folder, 'open', 'cases.json')
  test('the oracle is whole: 8 requests and 55 frames', () => assert.deepEqual([cases.length, cases.flatMap(({ frames }) => frames).length], [8, 55]))
  for (const bidi of cases) {
    test(`sign() and verifyRequest() agree with the JS SDK's bidirectional request: ${bidi.name}`, () => {
      const vector = fromBidi(bidi)
      const added = checkSigner(vector)
      assert.equal(sigv4.signatureOf(added), bidi.request_signature)
      checkVerifier(vector, added)
    })
    test(`EventSigner and verifyEvent() agree with the JS SDK's frames, byte for byte: ${bidi.name}`, () => checkFrames(bidi))
  }
})

function fromBidi({ name, credentials, region, service, request_headers }: BidiCase): Case {
  const { ':method': method = '', ':path': path = '', 'x-amz-date': date = '', authorization = '' } = request_headers
  const signed = /SignedHeaders=([^,]+)/.exec(authorization)?.[1]?.split(';') ?? []
  const added = ['x-amz-date', 'x-amz-security-token', 'x-amz-content-sha256', 'authorization']
  const rest = Object.entries(request_headers).filter(([header]) => !added.includes(header))
  return {
    name,
    request: { method, path, query: [], headers: rest.filter(([header]) => signed.includes(header)), payloadHash: sigv4.STREAMING_EVENTS },
    target: path,
    unsigned: rest.filter(([header]) => !signed.includes(header)),
    credentials: { accessKeyId: credentials.access_key_id, secretAccessKey: credentials.secret_access_key, sessionToken: credentials.token },
    scope: { region, service },
    date,
    expected: { authorization },
  }
}

function checkFrames({ frames, credentials, region, service, request_signature }: BidiCase): void {
  const secret = credentials.secret_access_key
  const signer = new sigv4.EventSigner(request_signature, secret, { region, service }, new sigv4.SigningKeys())
  for (const { frame_base64, date_ms, prior_signature, signature: expected } of frames) {
    const frame = Buffer.from(frame_base64, 'base64')
    const payload = frame.subarray(12 + frame.readUInt32BE(4), -4)
    const signature = signer.sign(date_ms, payload)
    assert.equal(signature.toString('hex'), expected)
    assert.deepEqual(signedFrame(date_ms, signature, payload), frame)
    checkEvent({ dateHeader: frame.subarray(12, 27), payload, signature, priorSignature: prior_signature }, secret, { region, service })
  }
}

interface EventUnits {
  readonly region: string
  readonly service: string
  readonly credentials: { readonly access_key_id: string; readonly secret_access_key: string }
  readonly initial_request: {
    readonly method: string
    readonly path: string
    readonly headers: readonly sigv4.Pair[]
    readonly timestamp: string
    readonly authorization: string
    readonly signature: string
  }
  readonly events: readonly { readonly payload_base64: string; readonly timestamp: string; readonly signature: string }[]
  readonly timestamp: string
  readonly string_to_sign: string
}

conformance('sigv4', (folder) => {
  const [chain, unit] = readJson<readonly EventUnits[]>(folder, 'open', 'event-and-units.json')
  assert.ok(chain !== undefined && unit !== undefined)

  test('EventSigner and verifyEvent() follow the chain of aws-c-auth, from the request on', () => {
    const { region, service, initial_request: initial, credentials } = chain
    const secret = credentials.secret_access_key
    const { method, path, headers } = initial
    const vector: Case = {
      name: 'event-signing-chain',
      request: { method, path, headers, query: [], payloadHash: sigv4.STREAMING_EVENTS },
      target: path,
      credentials: { accessKeyId: credentials.access_key_id, secretAccessKey: secret },
      scope: { region, service },
      date: initial.timestamp.replace(/[-:]/g, ''),
      expected: { signature: initial.signature, authorization: initial.authorization },
    }
    const added = checkSigner(vector)
    checkVerifier(vector, added)
    const signer = new sigv4.EventSigner(sigv4.signatureOf(added), secret, { region, service }, new sigv4.SigningKeys())
    let priorSignature = initial.signature
    for (const event of chain.events) {
      const payload = Buffer.from(event.payload_base64, 'base64')
      const dateMs = Date.parse(event.timestamp)
      const signature = signer.sign(dateMs, payload)
      assert.equal(signature.toString('hex'), event.signature)
      checkEvent({ dateHeader: sigv4.dateHeader(dateMs), payload, signature, priorSignature }, secret, { region, service })
      priorSignature = event.signature
    }
  })

  test('eventStringToSign() writes what smithy-rs writes', () => {
    const inner = message(Buffer.from('\x0bsome-header\x07\0\x05value', 'latin1'), Buffer.from('test payload'))
    const dateMs = Date.parse(unit.timestamp)
    const actual = sigv4.eventStringToSign(sigv4.amzDate(dateMs), unit, sha256('last message sts'), sigv4.dateHeader(dateMs), inner)
    assert.equal(actual, unit.string_to_sign)
  })
})

const SCOPE = { region: 'us-east-1', service: 'bedrock' }
const signerFrom = (seed: string, keys = new sigv4.SigningKeys()) => new sigv4.EventSigner(seed, 'secret', SCOPE, keys)

test('EventSigner refuses a seed that is no signature', () => {
  for (const seed of ['0', 'A'.repeat(64), `${'a'.repeat(64)}\n`, 'g'.repeat(64)]) assert.throws(() => signerFrom(seed), { code: 'SIGV4_SEED' })
})

test('EventSigner leaves its chain where it stood when a date is refused', () => {
  const payload = Buffer.from('event')
  const signer = signerFrom('')
  for (const dateMs of [-1, 0.5, NaN, 253_402_300_800_000]) assert.throws(() => signer.sign(dateMs, payload), { code: 'SIGV4_DATE' })
  assert.deepEqual(signer.sign(1, payload), signerFrom('').sign(1, payload))
})

test('EventSigner takes key and scope of the day each event is on', () => {
  const keys = new sigv4.SigningKeys()
  const signer = signerFrom('', keys)
  const midnightMs = Date.UTC(2026, 2, 15)
  const payload = Buffer.from('event')
  const before = signer.sign(midnightMs - 1, payload)
  const after = signer.sign(midnightMs, payload)
  assert.equal(keys.size, 2)
  const event = { dateHeader: sigv4.dateHeader(midnightMs), payload, signature: after, priorSignature: before.toString('hex') }
  assert.equal(sigv4.verifyEvent(event, 'secret', SCOPE, ANY_TIME), after.toString('hex'))
})

test('verifyEvent() refuses an event too far from now, and anything but :date beside it', () => {
  const dateMs = Date.UTC(2026, 0, 1)
  const payload = Buffer.from('event')
  const event = { dateHeader: sigv4.dateHeader(dateMs), payload, signature: signerFrom('').sign(dateMs, payload), priorSignature: '' }
  const at = (nowMs: number, maxSkewMs = 300_000) => sigv4.verifyEvent(event, 'secret', SCOPE, { nowMs, maxSkewMs })
  at(dateMs + 300_000)
  at(dateMs - 300_000)
  assert.throws(() => at(dateMs + 300_001), { code: 'SIGV4_SKEW' })
  assert.throws(() => at(dateMs - 300_001), { code: 'SIGV4_SKEW' })
  assert.throws(() => at(NaN), { code: 'SIGV4_SKEW' })
  for (const dateHeader of [Buffer.alloc(0), Buffer.alloc(15), Buffer.concat([event.dateHeader, event.dateHeader])]) {
    assert.throws(() => sigv4.verifyEvent({ ...event, dateHeader }, 'secret', SCOPE, ANY_TIME), { code: 'SIGV4_MALFORMED' })
  }
})

test('verifyEvent() reads the years 1970 to 9999', () => {
  const event = (dateMs: number): sigv4.ReceivedEvent => ({ dateHeader: sigv4.dateHeader(dateMs), payload: Buffer.alloc(0), signature: Buffer.alloc(32), priorSignature: '' })
  for (const dateMs of [0, 253_402_300_799_999]) assert.throws(() => sigv4.verifyEvent(event(dateMs), 'secret', SCOPE, ANY_TIME), { code: 'SIGV4_MISMATCH' })
  for (const dateMs of [-1, 253_402_300_800_000]) assert.throws(() => sigv4.verifyEvent(event(dateMs), 'secret', SCOPE, ANY_TIME), { code: 'SIGV4_MALFORMED' })
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createTlsServer } from 'node:https'
import { createServer as createH2Server, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { after, test } from 'node:test'
import { type Frame } from '../../src/eventstream/index.ts'
import { EventSigner, SigningKeys } from '../../src/sigv4/index.ts'
import { type Endpoint, endpointOf, Session, type SessionListener, UpstreamClient, type UpstreamError } from '../../src/upstream/index.ts'
import { seal } from '../../src/upstream/seal.ts'
import { certificateFor } from '../kit/certificate.ts'
import { chunk, Heard } from '../kit/conversing.ts'
import { conformance, readJson } from '../kit/vectors.ts'

const SCOPE = { region: 'us-east-1', service: 'bedrock' }
const SECRET = 'a secret of the tests'
const SEED = 'ab'.repeat(32)
const TIMEOUTS = { firstByteMs: 60_000, idleMs: 60_000 }
const signer = (seed = SEED, secret = SECRET) => new EventSigner(seed, secret, SCOPE, new SigningKeys())

/** A chain of one request: what was to be sent, and the frames that must come out. */
interface Chain {
  readonly name: string
  readonly seed: string
  readonly secret: string
  readonly frames: readonly { readonly dateMs: number; readonly event: Buffer; readonly frame: Buffer }[]
}

function checkChain({ name, seed, secret, frames }: Chain): void {
  test(`seal() makes the frames of the AWS JS SDK, byte for byte: ${name}`, () => {
    const chained = signer(seed, secret)
    for (const { dateMs, event, frame } of frames) assert.deepEqual(seal(chained, dateMs, event), frame)
  })

  test(`a session sends these frames and nothing else: ${name}`, async () => {
    const { endpoint, next } = await listening()
    const { session } = await opened(endpoint, { signer: signer(seed, secret), dates: frames.map(({ dateMs }) => dateMs) })
    const chunks: Buffer[] = []
    const stream = await next
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    for (const { event } of frames.slice(0, -1)) session.send(event)
    session.end()
    await once(stream, 'end')
    assert.deepEqual(Buffer.concat(chunks), Buffer.concat(frames.map(({ frame }) => frame)))
    session.destroy()
  })
}

const payloadOf = (frame: Buffer): Buffer => frame.subarray(12 + frame.readUInt32BE(4), -4)

conformance('bidi-stream-oracle', (folder) => {
  interface Case { name: string; credentials: { secret_access_key: string }; request_signature: string; frames: { frame_base64: string; date_ms: number }[] }
  const cases = readJson<readonly Case[]>(folder, 'open', 'cases.json')
  test('the oracle is whole: 8 requests', () => assert.equal(cases.length, 8))
  for (const { name, credentials, request_signature: seed, frames } of cases) {
    checkChain({ name, seed, secret: credentials.secret_access_key, frames: frames.map(({ frame_base64, date_ms: dateMs }) => {
      const frame = Buffer.from(frame_base64, 'base64')
      return { dateMs, frame, event: payloadOf(frame) }
    }) })
  }
})

conformance('bedrock-contract', (folder) => {
  interface Contract { credentials: { secretAccessKey: string }; chains: { seed: string; frames: { dateEpochMs: number; innerMessageHex?: string; frameHex: string }[] }[] }
  const { credentials, chains } = readJson<Contract>(folder, 'sigv4-eventstream-vectors.json')
  for (const [at, { seed, frames }] of chains.entries()) {
    checkChain({ name: `chain ${at} of the contract, past midnight`, seed, secret: credentials.secretAccessKey, frames: frames.map(({ dateEpochMs: dateMs, innerMessageHex = '', frameHex }) => {
      return { dateMs, event: Buffer.from(innerMessageHex, 'hex'), frame: Buffer.from(frameHex, 'hex') }
    }) })
  }
})

test('a session signs on past midnight, each event with the key of its own day', async () => {
  const { endpoint, next } = await listening()
  const midnightMs = Date.UTC(2026, 11, 31, 23, 59, 59, 999)
  const { session } = await opened(endpoint, { dates: [midnightMs, midnightMs + 1, midnightMs + 86_400_000, midnightMs + 86_400_001] })
  const heard = hear(await next)
  for (const event of ['this year', 'next year', 'a day later']) session.send(chunk(event))
  session.end()
  assert.equal(await heard.ended, true)
  assert.deepEqual([await heard.event(0), await heard.event(1), await heard.event(2)], ['this year', 'next year', 'a day later'])
  assert.deepEqual(heard.datesMs, [midnightMs, midnightMs + 1, midnightMs + 86_400_000, midnightMs + 86_400_001])
  session.destroy()
})

test('a wrong signature within the chain is found by the kit of these tests', async () => {
  const { endpoint, next } = await listening()
  const { session } = await opened(endpoint, { signer: signer('cd'.repeat(32)) })
  const heard = hear(await next)
  session.send(chunk('hello'))
  await assert.rejects(heard.event(0), { name: 'SigV4Error', code: 'SIGV4_MISMATCH' })
  session.destroy()
})

test('a session over TLS: HTTP/2 is agreed on, the certificate is checked', async () => {
  const tls = certificateFor(['localhost'])
  const { endpoint, next } = await listening(tls)
  const { session, told } = await opened(endpoint, { ca: tls.cert })
  session.send(chunk('hello'))
  const heard = hear(await next)
  assert.equal(await heard.event(0), 'hello')
  heard.accept()
  heard.say('hi')
  heard.stream.end()
  assert.deepEqual(await told, ['accepted', 'event', 'end'])
  await assert.rejects(opened(endpoint, { ca: certificateFor(['localhost']).cert }), { code: 'UPSTREAM_UNREACHABLE' })
})

for (const [what, start] of Object.entries({
  'TLS without HTTP/2': (tls) => createTlsServer({ cert: tls.cert, key: tls.key }, (_request, response) => response.end()),
  'TLS with HTTP/1.1 alone': (tls) => createTlsServer({ cert: tls.cert, key: tls.key, ALPNProtocols: ['http/1.1'] }, (_request, response) => response.end()),
} as Record<string, (tls: { cert: string; key: string }) => Server>)) {
  test(`an endpoint that speaks ${what} fails by name`, async () => {
    const tls = certificateFor(['localhost'])
    const { endpoint } = await serving(start(tls), true)
    const told = opened(endpoint, { ca: tls.cert }).then(({ told }) => told)
    // One refuses the handshake, the other agrees on nothing.
    const end = await told.then((told) => told.at(-1), (error: UpstreamError) => error.code)
    assert.match(end ?? '', /^UPSTREAM_(BAD_ANSWER|UNREACHABLE)$/)
  })
}

test('an endpoint that does not speak HTTP/2 fails by name', async () => {
  const { endpoint } = await serving(createServer((socket) => socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n')), false)
  assert.deepEqual(await (await opened(endpoint)).told, ['UPSTREAM_BAD_ANSWER'])
})

for (const [what, answer, told] of [
  ['an error with all of its body', { status: 400, body: '{"message":"no"}' }, 'refused 400 {"message":"no"}'],
  ['an error answer beyond any bounds', { status: 500, body: 'x'.repeat(100_000) }, 'UPSTREAM_BAD_ANSWER'],
  ['a redirect, which is not followed', { status: 307, body: '' }, 'refused 307 '],
] as const) {
  test(`a session tells of ${what}`, async () => {
    const { endpoint, next } = await listening()
    const opening = opened(endpoint)
    const stream = await next
    stream.respond({ ':status': answer.status })
    stream.on('error', () => undefined).end(answer.body)
    assert.deepEqual(await (await opening).told, [told])
  })
}

test('a session that is over tells nothing more, and takes events without a word', async () => {
  const { endpoint, next } = await listening()
  const { session, told } = await opened(endpoint)
  const stream = await next
  session.destroy()
  session.destroy()
  assert.equal(session.send(chunk('late')), true)
  session.end()
  if (!stream.destroyed) await once(stream, 'close')
  assert.equal(await Promise.race([told, new Promise((resolve) => setImmediate(resolve, 'nothing'))]), 'nothing')
})

/** Something that takes connections, and where it is. */
async function serving(server: Server, secure: boolean): Promise<{ endpoint: Endpoint }> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => undefined)))
  server.on('tlsClientError', () => undefined)
  after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const runtime = `${secure ? 'https://localhost' : 'http://127.0.0.1'}:${port}`
  return { endpoint: endpointOf('runtime', { region: SCOPE.region, fips: false, dualStack: false, overrides: { runtime } }) }
}

/** A server of HTTP/2, and the first stream that comes. */
async function listening(tls?: { readonly cert: string; readonly key: string }): Promise<{ endpoint: Endpoint; next: Promise<ServerHttp2Stream> }> {
  const h2 = createH2Server()
  h2.on('session', (session) => session.on('error', () => undefined))
  const next = once(h2, 'stream').then(([stream]) => (stream as ServerHttp2Stream).on('error', () => undefined))
  if (tls === undefined) return { ...await serving(h2 as unknown as Server, false), next }
  const secure = createTlsServer({ cert: tls.cert, key: tls.key, ALPNProtocols: ['h2'] })
  secure.removeAllListeners('secureConnection').on('secureConnection', (socket) => h2.emit('connection', socket))
  return { ...await serving(secure, true), next }
}

interface Opening {
  readonly signer?: EventSigner
  readonly dates?: readonly number[]
  readonly ca?: string
}

/** Opens a session; `told` is what its listener heard, once it is over. */
async function opened(endpoint: Endpoint, { signer: chained = signer(), dates = [Date.now()], ca }: Opening = {}): Promise<{ session: Session; told: Promise<string[]> }> {
  const client = new UpstreamClient({ connectMs: 10_000, ...TIMEOUTS, ca })
  const socket = await client.connect(endpoint, 'h2')
  const heard: string[] = []
  let over!: (told: string[]) => void
  const told = new Promise<string[]>((resolve) => { over = resolve })
  const listener: SessionListener = {
    accepted: () => heard.push('accepted'),
    event: (_frame: Frame) => heard.push('event'),
    drained: () => undefined,
    refused: ({ status, body }) => over([...heard, `refused ${status} ${body.toString()}`]),
    end: () => over([...heard, 'end']),
    failed: ({ code }) => over([...heard, code]),
  }
  let at = 0
  const request = { target: '/model/x/invoke-with-bidirectional-stream', fields: [], signer: chained, nowMs: () => dates[Math.min(at++, dates.length - 1)]! }
  return { session: client.open(socket, endpoint, request, listener), told }
}

function hear(stream: ServerHttp2Stream): Heard {
  const signature = { accessKeyId: '', region: '', service: '', signature: SEED, signedHeaders: [], sessionToken: undefined }
  return new Heard(stream, {}, signature, SECRET, SCOPE.region)
}

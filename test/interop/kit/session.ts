import { createHash, createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { EventStreamCodec } from '@smithy/eventstream-codec'
import { SignatureV4 } from '@smithy/signature-v4'
import { ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, signatureFault } from './signature.ts'

const STREAMING = 'STREAMING-AWS4-HMAC-SHA256-EVENTS'
const codec = new EventStreamCodec((bytes) => Buffer.from(bytes as Uint8Array).toString(), (text) => Buffer.from(text))

/** Node's own SHA-256, as AWS's code takes it: that in JavaScript is too slow for thousands of events. */
class Sha256 {
  #hash: { update(data: Uint8Array): unknown; digest(): Buffer }
  readonly #secret: Uint8Array | undefined

  constructor(secret?: unknown) {
    this.#secret = secret === undefined ? undefined : bytesOf(secret)
    this.#hash = this.#fresh()
  }

  update(data: unknown): void {
    this.#hash.update(bytesOf(data))
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest()
  }

  reset(): void {
    this.#hash = this.#fresh()
  }

  #fresh() {
    return this.#secret === undefined ? createHash('sha256') : createHmac('sha256', this.#secret)
  }
}

const bytesOf = (data: unknown): Uint8Array => (typeof data === 'string' ? Buffer.from(data) : data instanceof Uint8Array ? data : new Uint8Array(data as ArrayBuffer))

const signer = new SignatureV4({ service: 'bedrock', region: REGION, credentials: { accessKeyId: ACCESS_KEY_ID, secretAccessKey: SECRET_ACCESS_KEY }, sha256: Sha256 })

/** A session as the stand-in has it. AWS's own code signs every event anew, and the two signatures must be equal. */
export class Session {
  readonly model: string
  readonly stream: ServerHttp2Stream
  /** Told of each event of the client, once its signature was found right. */
  onEvent: (event: unknown) => void = () => undefined
  /** Resolves when the client's last frame came, signed and empty, and then the end: how many events there were. Rejects where a frame is wrong. */
  readonly ended: Promise<number>
  #prior: string
  #events = 0
  #closed = false

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    this.stream = stream.on('error', () => undefined)
    this.model = decodeURIComponent(headers[':path']!.split('/')[2]!)
    this.#prior = /Signature=([0-9a-f]{64})$/.exec(headers.authorization!)![1]!
    this.ended = this.#read()
    this.ended.catch((error: Error) => stream.destroy(error))
  }

  accept(): void {
    this.stream.respond({ ':status': 200, 'content-type': 'application/vnd.amazon.eventstream', 'x-amzn-requestid': crypto.randomUUID() })
  }

  refuse(status: number, type: string, message: string): void {
    refuse(this.stream, status, type, message)
  }

  say(event: unknown): boolean {
    const body = Buffer.from(JSON.stringify({ bytes: Buffer.from(JSON.stringify(event)).toString('base64') }))
    return this.stream.write(codec.encode({ headers: { ':event-type': text('chunk'), ':content-type': text('application/json'), ':message-type': text('event') }, body }))
  }

  except(type: string, message: string): void {
    const body = Buffer.from(JSON.stringify({ message }))
    this.stream.write(codec.encode({ headers: { ':exception-type': text(type), ':content-type': text('application/json'), ':message-type': text('exception') }, body }))
  }

  async #read(): Promise<number> {
    let rest = Buffer.alloc(0)
    for await (const chunk of this.stream) {
      rest = Buffer.concat([rest, chunk as Buffer])
      while (rest.length >= 4 && rest.length >= rest.readUInt32BE()) {
        const length = rest.readUInt32BE()
        await this.#take(codec.decode(rest.subarray(0, length)))
        rest = rest.subarray(length)
      }
    }
    if (!this.#closed || rest.length > 0) throw new Error('the stream ended without a last frame')
    return this.#events
  }

  async #take({ headers, body }: ReturnType<typeof codec.decode>): Promise<void> {
    const date = headers[':date']?.value as Date
    if (Object.keys(headers).join() !== ':date,:chunk-signature') throw new Error('a frame has other headers than :date and :chunk-signature')
    if (this.#closed) throw new Error('a frame came after the last one')
    const { signature } = await signer.sign({ message: { headers: { ':date': headers[':date']! }, body }, priorSignature: this.#prior }, { signingDate: date })
    const given = Buffer.from(headers[':chunk-signature']!.value as Uint8Array).toString('hex')
    if (given !== signature) throw new Error('the signature of an event is wrong')
    this.#prior = signature
    this.#closed = body.length === 0
    if (this.#closed) return
    this.#events++
    const inner = codec.decode(body)
    const { bytes } = JSON.parse(Buffer.from(inner.body).toString()) as { bytes: string }
    this.onEvent(JSON.parse(Buffer.from(bytes, 'base64').toString()))
  }
}

function refuse(stream: ServerHttp2Stream, status: number, type: string, message: string): void {
  stream.respond({ ':status': status, 'content-type': 'application/json', 'x-amzn-errortype': type })
  stream.end(JSON.stringify({ message }))
}

const text = (value: string) => ({ type: 'string' as const, value })

/** What stands in for the Bedrock that converses, over h2c. */
export class SessionStandIn {
  readonly faults: string[] = []
  /** How sessions go, by model. */
  readonly scripts = new Map<string, (session: Session) => void>()
  readonly #server: Http2Server
  readonly #sessions = new Set<ServerHttp2Session>()

  private constructor(server: Http2Server) {
    this.#server = server
    server.on('session', (session) => this.#sessions.add(session.on('error', () => undefined).on('close', () => this.#sessions.delete(session))))
    server.on('stream', (stream, headers, _flags, raw) => void this.#take(stream as ServerHttp2Stream, headers, raw as unknown as string[]))
  }

  static async start(): Promise<SessionStandIn> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new SessionStandIn(server)
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  stop(): void {
    this.#server.close()
    for (const session of this.#sessions) session.destroy()
  }

  async #take(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: readonly string[]): Promise<void> {
    const rawHeaders = raw.flatMap((name, i) => (i % 2 === 1 ? [] : name === ':authority' ? ['host', raw[i + 1]!] : name.startsWith(':') ? [] : [name, raw[i + 1]!]))
    const fault = await signatureFault({ method: headers[':method']!, target: headers[':path']!, rawHeaders, body: Buffer.alloc(0), payloadHash: STREAMING })
    if (fault !== undefined) {
      this.faults.push(fault)
      return refuse(stream, 403, 'InvalidSignatureException', 'the signature is wrong')
    }
    const session = new Session(stream, headers)
    const script = this.scripts.get(session.model)
    if (script === undefined) session.refuse(400, 'ValidationException', 'nobody to talk to')
    else script(session)
  }
}

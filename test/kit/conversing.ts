import { once } from 'node:events'
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { crc32 } from 'node:zlib'
import { encodeMessage, eventMessage, exceptionMessage } from '../../src/eventstream/index.ts'
import { type SigV4Error, type VerifiedRequest, verifyEvent } from '../../src/sigv4/index.ts'

const CHUNK_SIGNATURE = Buffer.from('\x10:chunk-signature\x06\0\x20', 'latin1')
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

/** A message that carries one event of a model, as both sides send them. */
export const chunk = (event: unknown): Buffer => encodeMessage(eventMessage('chunk', json({ bytes: json(event).toString('base64') })))

/** The model's event in the payload of a message. */
export const eventIn = (payload: Buffer): unknown => JSON.parse(Buffer.from((JSON.parse(payload.toString()) as { bytes: string }).bytes, 'base64').toString())

/** A conversation as Bedrock sees it: each frame is taken apart and its signature made again, by code that is not the signer's. */
export class Heard {
  readonly stream: ServerHttp2Stream
  readonly headers: IncomingHttpHeaders
  /** What the verification of the request came to. */
  readonly signature: VerifiedRequest | SigV4Error
  /** Events in the signed frames that came so far, encoded. */
  readonly events: Buffer[] = []
  /** What `:date` said in each frame. */
  readonly datesMs: number[] = []
  /** How it went wrong: a frame that is none, or whose signature does not continue the chain. */
  fault: Error | undefined
  /** The signed empty frame came, and after it the end of the stream. */
  readonly ended: Promise<boolean>
  /** Resolves when the stream is gone. */
  readonly over: Promise<void>
  /** Port of the proxy's end. */
  readonly peer: number | undefined
  readonly #secret: string
  readonly #region: string
  #prior: string
  #rest: Buffer = Buffer.alloc(0)
  #closed = false
  #waiting: (() => void)[] = []

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, signature: VerifiedRequest | SigV4Error, secret: string, region: string) {
    this.stream = stream
    this.headers = headers
    this.signature = signature
    this.peer = stream.session?.socket.remotePort
    this.#secret = secret
    this.#region = region
    this.#prior = 'signature' in signature ? signature.signature : ''
    this.over = new Promise((resolve) => stream.on('close', resolve))
    this.ended = new Promise((resolve) => stream.on('end', () => resolve(this.#closed && this.#rest.length === 0 && stream.rstCode === 0)))
    stream.on('error', () => undefined).on('data', (bytes: Buffer) => this.#take(bytes)).on('end', () => this.#wake()).on('close', () => this.#wake())
  }

  /** The model's event number `at`, once it is here; `undefined` where the stream ended before. */
  async event(at: number): Promise<unknown> {
    while (this.events.length <= at && !this.stream.readableEnded && !this.stream.destroyed && this.fault === undefined) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    if (this.fault !== undefined) throw this.fault
    const event = this.events[at]
    return event === undefined ? undefined : eventIn(payloadOf(event))
  }

  accept(): void {
    this.stream.respond({ ':status': 200, 'content-type': 'application/vnd.amazon.eventstream', 'x-amzn-requestid': 'aws-request-id' })
  }

  refuse(status: number, type: string, message: string): void {
    this.stream.respond({ ':status': status, 'content-type': 'application/json', 'x-amzn-errortype': `${type}:http://internal.amazon.com/coral/` })
    this.stream.end(JSON.stringify({ message }))
  }

  say(event: unknown): boolean {
    return this.stream.write(chunk(event))
  }

  except(type: string, message: string): void {
    this.stream.write(encodeMessage(exceptionMessage(type, json({ message }))))
  }

  async drain(): Promise<void> {
    await Promise.race([once(this.stream, 'drain'), this.over])
  }

  #take(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes])
    try {
      while (this.#rest.length >= 12 && this.#rest.length >= this.#rest.readUInt32BE(0)) this.#takeFrame()
    } catch (error) {
      this.fault = error as Error
      this.stream.destroy()
    }
    this.#wake()
  }

  #takeFrame(): void {
    const frame = this.#rest.subarray(0, this.#rest.readUInt32BE(0))
    this.#rest = this.#rest.subarray(frame.length)
    const signature = frame.subarray(27 + CHUNK_SIGNATURE.length, 79)
    if (frame.readUInt32BE(4) !== 67 || !frame.subarray(27).subarray(0, CHUNK_SIGNATURE.length).equals(CHUNK_SIGNATURE)) throw new Error('a frame has other headers than :date and :chunk-signature')
    const payload = payloadOf(frame)
    if (this.#closed) throw new Error('a frame came after the last one')
    this.#prior = verifyEvent({ dateHeader: frame.subarray(12, 27), payload, signature, priorSignature: this.#prior }, this.#secret, { region: this.#region, service: 'bedrock' }, { nowMs: 0, maxSkewMs: Infinity })
    this.datesMs.push(Number(frame.readBigInt64BE(19)))
    if (payload.length === 0) this.#closed = true
    else this.events.push(payload)
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }
}

function payloadOf(message: Buffer): Buffer {
  if (message.readUInt32BE(0) !== message.length || crc32(message.subarray(0, -4)) !== message.readUInt32BE(message.length - 4)) throw new Error('a message is broken')
  return message.subarray(12 + message.readUInt32BE(4), -4)
}

/** Accepts, says every event back as it comes, and ends when the client has. */
export async function echo(heard: Heard): Promise<void> {
  heard.accept()
  for (let at = 0; ; at++) {
    const event = await heard.event(at).catch(() => undefined)
    if (event === undefined) break
    heard.say(event)
  }
}

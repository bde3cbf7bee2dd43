import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { connect as h2connect } from 'node:http2'
import { encodeMessage, type Frame, type HeaderValue, Splitter, stringHeader } from '../../src/eventstream/index.ts'
import type { Protocol } from './client.ts'
import { chunk, eventIn } from './conversing.ts'
import { token } from './proxy.ts'

export const PATH = '/model/amazon.nova-sonic-v1%3A0/invoke-with-bidirectional-stream'

/** The outer message that the AWS SDKs put around an event; signed by keys that nobody has. */
export function wrapped(inner: Buffer): Buffer {
  const headers = new Map<string, HeaderValue>([[':date', { type: 'timestamp', value: 1773500966123n }], [':chunk-signature', { type: 'binary', value: randomBytes(32) }]])
  return encodeMessage({ headers, payload: inner })
}
export const LAST = (): Buffer => wrapped(Buffer.alloc(0))

/** A client in a conversation of its own. */
export class Speaker {
  readonly #out: { write(bytes: Buffer): boolean; end(bytes?: Buffer): unknown }
  readonly status: Promise<number>
  headers: Readonly<Record<string, unknown>> = {}
  readonly frames: Frame[] = []
  body = Buffer.alloc(0)
  /** Whether the answer came to its proper end, once it is over. */
  readonly over: Promise<boolean>
  readonly leave: () => void
  readonly pause: () => void
  readonly resume: () => void
  #waiting: (() => void)[] = []
  #isOver = false

  constructor(protocol: Protocol, port: number, path = PATH, headers: Record<string, string> = {}) {
    const fields = { authorization: `Bearer ${token()}`, 'content-type': 'application/vnd.amazon.eventstream', ...headers }
    const splitter = new Splitter()
    const take = (bytes: Buffer): void => {
      if (this.body.length < 100_000) this.body = Buffer.concat([this.body, bytes])
      if (this.#ok) for (const frame of splitter.push(bytes)) this.frames.push(frame)
      this.#wake()
    }
    let answer: (status: number) => void
    let fail: (error: Error) => void
    this.status = new Promise((resolve, reject) => { answer = resolve; fail = reject })
    this.status.then((status) => { this.#ok = status === 200 }, () => undefined)
    if (protocol === 'HTTP/2') {
      const session = h2connect(`http://127.0.0.1:${port}`).on('error', () => undefined)
      const stream = session.request({ ':method': 'POST', ':path': path, ...fields })
      let ended = false
      stream.on('response', (head) => { this.headers = head; this.#ok = head[':status'] === 200; answer(head[':status']!) }).on('data', take).on('end', () => { ended = true })
      this.over = new Promise((resolve) => stream.on('error', () => undefined).on('end', () => { if (stream.rstCode === 0) resolve(true) }).on('close', () => {
        fail(new Error('no answer'))
        session.destroy()
        resolve(ended && stream.rstCode === 0)
      }))
      this.#out = stream
      this.leave = () => session.destroy()
      this.pause = () => stream.pause()
      this.resume = () => stream.resume()
    } else {
      const sent = request({ host: '127.0.0.1', port, path, method: 'POST', agent: false, headers: fields })
      sent.flushHeaders()
      let received: IncomingMessage | undefined
      this.over = new Promise((resolve) => {
        sent.on('error', (error) => { fail(error); resolve(false) })
        sent.on('response', (message) => {
          received = message
          this.headers = message.headers
          this.#ok = message.statusCode === 200
          answer(message.statusCode!)
          message.on('data', take).on('error', () => undefined).on('close', () => resolve(message.complete))
          message.on('end', () => resolve(message.complete))
        })
      })
      this.#out = sent
      this.leave = () => sent.destroy()
      this.pause = () => received!.pause()
      this.resume = () => received!.resume()
    }
    void this.over.then(() => { this.#isOver = true; this.#wake() })
  }

  #ok = false

  send(bytes: Buffer): boolean {
    return this.#out.write(bytes)
  }

  say(event: unknown): boolean {
    return this.send(wrapped(chunk(event)))
  }

  end(bytes?: Buffer): void {
    this.#out.end(bytes)
  }

  drain(): Promise<unknown> {
    return Promise.race([once(this.#out as never, 'drain'), this.over])
  }

  async frame(at: number): Promise<Frame | undefined> {
    while (this.frames.length <= at && !this.#isOver) await this.more()
    return this.frames[at]
  }

  /** Resolves when more has come, or the end. */
  more(): Promise<void> {
    return this.#isOver ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve))
  }

  async event(at: number): Promise<unknown> {
    const frame = await this.frame(at)
    return frame && eventIn(frame.payload)
  }

  /** Type and message of the last frame, an exception. */
  async exception(): Promise<readonly [string | undefined, string]> {
    await this.over
    const frame = this.frames.at(-1)!
    return [stringHeader(frame.headers, ':exception-type'), (JSON.parse(frame.payload.toString()) as { message: string }).message]
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }
}

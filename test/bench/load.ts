import { connect, type Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'

/** Bytes of every frame that the stand-in streams. */
export const FRAME_BYTES = 300

/** A prepared request with a body of 1 KB. */
export function prepare(operation: string, token: string): Buffer {
  const content = 'x'.repeat(1024 - 104)
  const body = JSON.stringify({ anthropic_version: 'bedrock-2023-05-31', max_tokens: 256, messages: [{ role: 'user', content }] })
  const line = `POST /model/anthropic.claude-3-haiku-20240307-v1%3A0/${operation} HTTP/1.1`
  const fields = ['host: 127.0.0.1', `authorization: Bearer ${token}`, 'content-type: application/json', `content-length: ${body.length}`]
  return Buffer.from(`${[line, ...fields].join('\r\n')}\r\n\r\n${body}`)
}

/** A keep-alive connection on a bare socket: the cheapest client there is, so that the load's core is not the bottleneck. */
export class Client {
  readonly #socket: Socket
  #rest: Buffer = Buffer.alloc(0)
  #left = 0
  #chunked = false
  #last = false
  #status = 0
  #settle: (error?: Error) => void = () => {}
  /** Body bytes and socket reads so far, over all answers. */
  bytes = 0
  reads = 0
  failure: Error | undefined

  private constructor(socket: Socket) {
    this.#socket = socket.setNoDelay(true)
    socket.on('data', (data: Buffer) => this.#take(data))
    socket.on('error', () => {})
    socket.on('close', () => this.#settle(new Error('connection closed before the end of the answer')))
  }

  static open(port: number): Promise<Client> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(new Client(socket))).once('error', reject)
    })
  }

  /** Resolves at the end of the answer; fails unless its status was 200. */
  send(request: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#settle = (error) => (error ? reject(error) : resolve())
      this.#socket.write(request)
    })
  }

  close(): void {
    this.#settle = () => {}
    this.#socket.destroy()
  }

  #take(data: Buffer): void {
    this.reads++
    if (this.#rest.length > 0) data = Buffer.concat([this.#rest, data])
    let at = 0
    while (at < data.length) {
      if (this.#left === 0) {
        const mark = this.#chunked ? '\r\n' : '\r\n\r\n'
        const end = data.indexOf(mark, at)
        if (end < 0) break
        this.#line(data.toString('latin1', at, end))
        at = end + mark.length
      } else {
        const taken = Math.min(this.#left, data.length - at)
        this.#left -= taken
        at += taken
      }
      if (this.#left === 0 && this.#last) this.#finish()
    }
    this.#rest = data.subarray(at)
  }

  /** A head, or the size line of a chunk, which is followed by the data (none in the last) and CRLF. */
  #line(text: string): void {
    if (!this.#chunked) this.#status = Number(text.slice(9, 12))
    const length = this.#chunked ? text : /\r\ncontent-length: *(\d+)/i.exec(text)?.[1]
    const size = Number.parseInt(length ?? '0', this.#chunked ? 16 : 10)
    this.#left = this.#chunked ? size + 2 : size
    this.#last = this.#chunked ? size === 0 : !/\r\ntransfer-encoding: *chunked/i.test(text)
    this.#chunked ||= !this.#last
    this.bytes += size
  }

  #finish(): void {
    this.#chunked = this.#last = false
    this.#settle(this.#status === 200 ? undefined : new Error(`HTTP ${this.#status}`))
  }
}

/** Sends `total` requests, each connection its next one as soon as it has the answer. */
export async function hammer(port: number, request: Buffer, connections: number, total: number): Promise<void> {
  const clients = await Promise.all(Array.from({ length: connections }, () => Client.open(port)))
  let left = total
  const run = async (client: Client): Promise<void> => {
    while (left-- > 0) await client.send(request)
  }
  await Promise.all(clients.map(run)).finally(() => clients.forEach((client) => client.close()))
}

/** Sends `total` requests at `perSecond` from `begun` on, whether or not earlier ones are answered; the delay of each in ms. */
export async function paced(port: number, request: Buffer, begun: number, perSecond: number, total: number): Promise<number[]> {
  const free: Client[] = []
  const one = async (): Promise<number> => {
    const client = free.shift() ?? (await Client.open(port))
    const sent = performance.now()
    await client.send(request)
    free.push(client)
    return performance.now() - sent
  }
  const delays: Promise<number>[] = []
  for (let i = 0; i < total; i++) {
    await setTimeout(Math.max(0, begun + (i * 1000) / perSecond - performance.now()))
    delays.push(one())
  }
  return Promise.all(delays).finally(() => free.forEach((client) => client.close()))
}

/** Opens `count` streams and resolves when each has had its first frame. */
export async function openStreams(port: number, request: Buffer, count: number): Promise<Client[]> {
  const clients: Client[] = []
  while (clients.length < count) {
    const client = await Client.open(port)
    client.send(request).catch((error: Error) => (client.failure = error))
    clients.push(client)
    if (clients.length % 100 === 0) await received(clients, clients.length)
  }
  await received(clients, count)
  return clients
}

/** Resolves when `frames` have arrived over all streams; fails when a stream fails or they stay away for 20 s. */
export async function received(clients: readonly Client[], frames: number): Promise<void> {
  const arrived = (): number => clients.reduce((sum, client) => sum + client.bytes, 0) / FRAME_BYTES
  for (const deadline = performance.now() + 20_000; arrived() < frames; await setTimeout(5)) {
    const failure = clients.find((client) => client.failure)?.failure
    if (failure) throw failure
    if (performance.now() > deadline) throw new Error(`${arrived()} of ${frames} chunks arrived`)
  }
}

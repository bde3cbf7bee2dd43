import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { after } from 'node:test'
import { FakeBedrock, type Seen } from '../kit/bedrock.ts'
import { raw } from '../kit/client.ts'
import { output } from '../kit/leaks.ts'
import { startProxy, type TestProxy, token } from '../kit/proxy.ts'

/** Timers so short that the server itself ends every connection: a test only waits for its end. */
const SHORT = { SERVER__TIMEOUTS__HEADER: '300ms', SERVER__TIMEOUTS__IDLE: '300ms', SERVER__TIMEOUTS__KEEP_ALIVE: '300ms', SERVER__DRAIN_TIMEOUT: '0s' }

export const TOKEN = token()
export const BEARER = `Authorization: Bearer ${TOKEN}\r\n`

/** A proxy with a Bedrock behind it, for all tests of a file. */
export interface House {
  readonly bedrock: FakeBedrock
  readonly proxy: TestProxy
  /** Sends bytes on a connection of its own and waits until the server has closed it. */
  send(bytes: string): Promise<Response[]>
  /** What came up to Bedrock of the model with this id. */
  seenOf(model: string): Seen[]
}

export async function openHouse(env: Readonly<Record<string, string>> = {}): Promise<House> {
  const bedrock = await FakeBedrock.start()
  after(() => bedrock.close())
  const proxy = await startProxy(bedrock, { ...SHORT, ...env })
  after(() => proxy.stop())
  return {
    bedrock, proxy,
    send: async (bytes) => responses(await raw(proxy.port, Buffer.from(bytes, 'latin1'))),
    seenOf: (model) => bedrock.seen.filter(({ target }) => target === `/model/${model}/invoke`),
  }
}

/** A request for one model that goes up unless something in it is wrong. */
export function invoke(model: string, lines = '', body = '{}', length = `Content-Length: ${body.length}\r\n`): string {
  return `POST /model/${model}/invoke HTTP/1.1\r\nHost: proxy.example\r\n${BEARER}${lines}${length}\r\n${body}`
}

export interface Response {
  readonly status: number
  /** By lower-case name; the last line of a name. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** Takes apart what came on a connection; fails where a byte of it is no answer. */
export function responses(text: string): Response[] {
  const found: Response[] = []
  while (text !== '') {
    const head = /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n/.exec(text)
    assert.ok(head !== null, `not an answer: ${JSON.stringify(text.slice(0, 200))}`)
    const headers = new Map(head[2]!.split('\r\n').slice(0, -1).map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]))
    const status = Number(head[1])
    const rest = text.slice(head[0].length)
    const { body, length } = bodyOf(rest, status, headers)
    found.push({ status, headers, body })
    text = rest.slice(length)
  }
  return found
}

function bodyOf(rest: string, status: number, headers: ReadonlyMap<string, string>): { body: string; length: number } {
  if (status < 200) return { body: '', length: 0 }
  if (headers.get('transfer-encoding') !== 'chunked') {
    const length = Number(headers.get('content-length') ?? rest.length)
    return { body: rest.slice(0, length), length }
  }
  let body = ''
  let at = 0
  for (;;) {
    const size = /^([0-9a-f]+)\r\n/.exec(rest.slice(at))
    if (size === null) return { body, length: rest.length }
    const bytes = parseInt(size[1]!, 16)
    at += size[0].length
    body += rest.slice(at, at + bytes)
    at += bytes + 2
    if (bytes === 0) return { body, length: at }
  }
}

/** Waits for 'close', whatever errors come before it. */
export const closeOf = (stream: NodeJS.EventEmitter): Promise<void> => new Promise((resolve) => stream.on('error', () => undefined).on('close', resolve))

export const statuses = (answers: readonly Response[]): number[] => answers.map(({ status }) => status)

/** A connection whose two sides take turns. */
export class Line {
  readonly socket: Socket
  /** All that came, once the connection is closed. */
  readonly closed: Promise<string>
  #heard = ''
  #waiting: { readonly pattern: RegExp; readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined

  constructor(socket: Socket) {
    this.socket = socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      this.#heard += chunk.toString('latin1')
      if (this.#waiting?.pattern.test(this.#heard) === true) this.#waiting.resolve()
    })
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        output(this.#heard)
        this.#waiting?.reject(new Error(`closed before ${this.#waiting.pattern}: ${this.#heard}`))
        resolve(this.#heard)
      })
    })
  }

  static to(port: number): Line {
    return new Line(connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('end', function (this: Socket) { this.end() }))
  }

  write(text: string): void {
    this.socket.write(Buffer.from(text, 'latin1'))
  }

  /** Waits until what came matches. */
  until(pattern: RegExp): Promise<void> {
    if (pattern.test(this.#heard)) return Promise.resolve()
    return new Promise((resolve, reject) => { this.#waiting = { pattern, resolve, reject } })
  }
}

/** Runs `each` for all items, no more than `width` at a time. */
export async function inParallel<T>(items: readonly T[], width: number, each: (item: T, index: number) => Promise<void>): Promise<void> {
  const queue = items.entries()
  await Promise.all(Array.from({ length: width }, async () => {
    for (const [index, item] of queue) await each(item, index)
  }))
}

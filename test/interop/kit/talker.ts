import { WebSocket as WsClient } from 'ws'

/** What a message was: the JSON of a text, or bytes. */
export type Heard = unknown

/** A client on a WebSocket, whoever made it. */
export interface Talker {
  /** The subprotocol agreed on. Rejects where no WebSocket was opened, with the HTTP status where the client tells it. */
  readonly opened: Promise<string>
  /** How it ended. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>
  say(event: unknown): void
  send(data: string | Uint8Array): void
  close(code: number): void
  /** Message number `at`; `undefined` where the end came before. */
  heard(at: number): Promise<Heard>
}

/** Messages as they come, for those who wait for one. */
class Inbox {
  readonly #messages: Heard[] = []
  #waiting: (() => void)[] = []
  #over = false

  take(message: Heard): void {
    this.#messages.push(message)
    this.#wake()
  }

  end(): void {
    this.#over = true
    this.#wake()
  }

  async at(index: number): Promise<Heard> {
    while (this.#messages.length <= index && !this.#over) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    return this.#messages[index]
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }
}

/** The client of the `ws` package, which can do more than a browser. */
export function wsTalker(url: string, headers: Readonly<Record<string, string>>, protocols: readonly string[], ca?: string): Talker & { readonly client: WsClient } {
  const client = new WsClient(url, protocols, { headers, ...(ca !== undefined && { ca }) })
  const inbox = new Inbox()
  const opened = new Promise<string>((resolve, reject) => {
    client.on('open', () => resolve(client.protocol)).on('error', reject)
    client.on('unexpected-response', (_request, response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => reject(new Error(`${response.statusCode} ${Buffer.concat(chunks)}`)))
    })
  })
  opened.catch(() => undefined)
  const closed = new Promise<{ code: number; reason: string }>((resolve) => client.on('close', (code, reason) => {
    inbox.end()
    resolve({ code, reason: reason.toString() })
  }))
  client.on('message', (data, isBinary) => inbox.take(isBinary ? data : JSON.parse(data.toString())))
  return { client, opened, closed, say: (event) => client.send(JSON.stringify(event)), send: (data) => client.send(data), close: (code) => client.close(code), heard: (at) => inbox.at(at) }
}

/** A `WebSocket` as browsers have it: no headers, only subprotocols. */
export function browserTalker(client: Pick<WebSocket, 'addEventListener' | 'protocol' | 'send' | 'close'>): Talker {
  const inbox = new Inbox()
  const opened = new Promise<string>((resolve, reject) => {
    client.addEventListener('open', () => resolve(client.protocol))
    client.addEventListener('error', () => reject(new Error('not opened')))
  })
  opened.catch(() => undefined)
  const closed = new Promise<{ code: number; reason: string }>((resolve) => client.addEventListener('close', ({ code, reason }) => {
    inbox.end()
    resolve({ code, reason })
  }))
  client.addEventListener('message', ({ data }) => inbox.take(typeof data === 'string' ? JSON.parse(data) : Buffer.from(data as ArrayBuffer)))
  return { opened, closed, say: (event) => client.send(JSON.stringify(event)), send: (data) => client.send(data as string), close: (code) => client.close(code), heard: (at) => inbox.at(at) }
}

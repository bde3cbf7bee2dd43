import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createH2Server, type ServerHttp2Stream } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { sniff } from '../../src/server/index.ts'
import { SigV4Error, STREAMING_EVENTS, type VerifiedRequest, verifyRequest } from '../../src/sigv4/index.ts'
import { Heard } from './conversing.ts'
import { secret } from './leaks.ts'

export const ACCESS_KEY_ID = 'AKIAIOSFODNN7EXAMPLE'
export const SECRET_ACCESS_KEY = secret('the AWS secret key', 'kit/wJalrXUtnFEMI/K7MDENG+bPxRfiCYTESTKEY')
export const REGION = 'us-east-1'

/** A request as Bedrock saw it. */
export interface Seen {
  readonly method: string
  readonly target: string
  readonly rawHeaders: readonly string[]
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
  /** What the verification of its signature came to; that code is not the signer's. */
  readonly signature: VerifiedRequest | SigV4Error
  readonly socket: Socket
  /** Resolves when the connection under it is gone or the answer is complete. */
  readonly over: Promise<void>
}

interface Tls {
  readonly key: string
  readonly cert: string
}

export type Script = (seen: Seen, response: ServerResponse) => void

/** Answers 200 with a small JSON body. */
export const plainAnswer: Script = (_seen, response) => {
  const body = Buffer.from('{"ok":true}')
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length, 'x-amzn-RequestId': 'aws-request-id' }).end(body)
}

/** A Bedrock for tests: records every request, verifies every signature, and answers as it is told. */
export class FakeBedrock {
  readonly seen: Seen[] = []
  readonly sockets = new Set<Socket>()
  /** How requests are answered; the default refuses wrong signatures and answers the rest. */
  script: Script = plainAnswer
  /** Conversations that came, over HTTP/2; and how they go: the default has none. */
  readonly heard: Heard[] = []
  converse: (heard: Heard) => unknown = (heard) => heard.refuse(400, 'ValidationException', 'nobody to talk to')
  /** Keys beside those of the proxy: what an STS gave out. */
  others: ((accessKeyId: string) => { readonly secretAccessKey: string; readonly sessionToken: string } | undefined) | undefined
  /** Takes request bodies slowly: a pause after so many bytes. */
  pauses: { readonly everyBytes: number; readonly ms: number } | undefined
  /** What is taken as an API key, in place of signatures. */
  apiKey: string | undefined
  /** Called with each request as its head comes, before anything of its body is read; it may answer at once. */
  onHead: ((request: IncomingMessage, response: ServerResponse) => unknown) | undefined
  /** Called with each request once its body is here. */
  #waiting: ((seen: Seen) => void)[] = []
  #listening: ((heard: Heard) => void)[] = []
  readonly #server: Server
  readonly #sessionToken: string | undefined
  readonly #secure: boolean

  constructor(sessionToken?: string, tls?: Tls) {
    this.#sessionToken = sessionToken
    this.#secure = tls !== undefined
    const take = (request: IncomingMessage, response: ServerResponse) => void this.#take(request, response)
    this.#server = tls === undefined ? createServer(take) : createTlsServer({ ...tls, ALPNProtocols: ['h2', 'http/1.1'] }, take)
    const h2 = createH2Server()
    h2.on('session', (session) => session.on('error', () => undefined))
    h2.on('stream', (stream, headers, _flags, rawHeaders) => this.#hear(new Heard(stream as ServerHttp2Stream, headers, this.#verify(headers[':method']!, headers[':path']!, rawHeaders as unknown as string[], STREAMING_EVENTS), SECRET_ACCESS_KEY, REGION)))
    const event = this.#secure ? 'secureConnection' : 'connection'
    const [serve] = this.#server.listeners(event) as ((socket: Socket) => void)[]
    this.#server.removeAllListeners(event).on(event, (socket: Socket) => {
      this.sockets.add(socket)
      socket.on('error', () => undefined).on('close', () => this.sockets.delete(socket))
      sniff(socket, 60_000, (socket, isH2) => {
        if (!isH2) return void serve!.call(this.#server, socket)
        socket.allowHalfOpen = false
        h2.emit('connection', socket)
      })
    })
  }

  static async start(sessionToken?: string, tls?: Tls): Promise<FakeBedrock> {
    const bedrock = new FakeBedrock(sessionToken, tls)
    bedrock.#server.listen(0, '127.0.0.1')
    await once(bedrock.#server, 'listening')
    return bedrock
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return this.#secure ? `https://localhost:${this.port}` : `http://127.0.0.1:${this.port}`
  }

  /** The next request that comes. */
  next(): Promise<Seen> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** The next conversation that comes. */
  nextHeard(): Promise<Heard> {
    return new Promise((resolve) => this.#listening.push(resolve))
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    for (const socket of this.sockets) socket.destroy()
    await closed
  }

  #hear(heard: Heard): void {
    this.heard.push(heard)
    if (heard.signature instanceof SigV4Error) heard.refuse(403, 'InvalidSignatureException', heard.signature.code)
    else this.converse(heard)
    this.#listening.shift()?.(heard)
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const over = new Promise<void>((resolve) => response.on('close', resolve))
    await this.onHead?.(request, response)
    const chunks: Buffer[] = []
    try {
      let sincePause = 0
      for await (const chunk of request) {
        chunks.push(chunk as Buffer)
        sincePause += (chunk as Buffer).length
        if (this.pauses === undefined || sincePause < this.pauses.everyBytes) continue
        sincePause = 0
        await setTimeout(this.pauses.ms)
      }
    } catch {
      return
    }
    const body = Buffer.concat(chunks)
    const { method, url: target, rawHeaders, headers, socket } = request
    const seen: Seen = { method: method!, target: target!, rawHeaders, headers, body, signature: this.#verify(method!, target!, rawHeaders, createHash('sha256').update(body).digest('hex')), socket, over }
    this.seen.push(seen)
    if (this.apiKey === undefined ? seen.signature instanceof SigV4Error : headers.authorization !== `Bearer ${this.apiKey}`) {
      if (this.apiKey !== undefined) return void response.writeHead(403, { 'Content-Type': 'application/json' }).end('{"Message":"Authentication failed: Please make sure your API Key is valid."}')
      response.writeHead(403, { 'x-amzn-ErrorType': 'InvalidSignatureException' }).end(JSON.stringify({ message: (seen.signature as SigV4Error).code }))
    } else {
      this.script(seen, response)
    }
    this.#waiting.shift()?.(seen)
  }

  #verify(method: string, target: string, raw: readonly string[], payloadHash: string): VerifiedRequest | SigV4Error {
    // Bedrock reads :authority as host.
    const headers = raw.flatMap((name, i) => (i % 2 === 0 && (name === ':authority' || !name.startsWith(':')) ? [[name === ':authority' ? 'host' : name, raw[i + 1]!] as const] : []))
    try {
      const verified = verifyRequest({ method, target, headers, payloadHash }, (id) => (id === ACCESS_KEY_ID ? SECRET_ACCESS_KEY : this.others?.(id)?.secretAccessKey), { nowMs: Date.now(), maxSkewMs: 300_000, region: REGION })
      if (verified.sessionToken !== (this.others?.(verified.accessKeyId)?.sessionToken ?? this.#sessionToken)) throw new SigV4Error('SIGV4_MISSING', 'the session token is not the one given')
      return verified
    } catch (error) {
      if (error instanceof SigV4Error) return error
      throw error
    }
  }
}

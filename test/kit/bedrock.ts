import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { SigV4Error, type VerifiedRequest, verifyRequest } from '../../src/sigv4/index.ts'
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
  /** Takes request bodies slowly: a pause after so many bytes. */
  pauses: { readonly everyBytes: number; readonly ms: number } | undefined
  /** Called with each request once its body is here. */
  #waiting: ((seen: Seen) => void)[] = []
  readonly #server: Server
  #sessionToken: string | undefined

  constructor(sessionToken?: string) {
    this.#sessionToken = sessionToken
    this.#server = createServer((request, response) => void this.#take(request, response))
    this.#server.on('connection', (socket: Socket) => {
      this.sockets.add(socket)
      socket.on('error', () => undefined).on('close', () => this.sockets.delete(socket))
    })
  }

  static async start(sessionToken?: string): Promise<FakeBedrock> {
    const bedrock = new FakeBedrock(sessionToken)
    bedrock.#server.listen(0, '127.0.0.1')
    await once(bedrock.#server, 'listening')
    return bedrock
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** The next request that comes. */
  next(): Promise<Seen> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    for (const socket of this.sockets) socket.destroy()
    await closed
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const over = new Promise<void>((resolve) => response.on('close', resolve))
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
    const seen: Seen = { method: method!, target: target!, rawHeaders, headers, body, signature: this.#verify(request, body), socket, over }
    this.seen.push(seen)
    if (seen.signature instanceof SigV4Error) {
      response.writeHead(403, { 'x-amzn-ErrorType': 'InvalidSignatureException' }).end(JSON.stringify({ message: seen.signature.code }))
    } else {
      this.script(seen, response)
    }
    this.#waiting.shift()?.(seen)
  }

  #verify(request: IncomingMessage, body: Buffer): VerifiedRequest | SigV4Error {
    const raw = request.rawHeaders
    const headers = raw.flatMap((name, i) => (i % 2 === 0 ? [[name, raw[i + 1]!] as const] : []))
    const payloadHash = createHash('sha256').update(body).digest('hex')
    try {
      const verified = verifyRequest({ method: request.method!, target: request.url!, headers, payloadHash }, (id) => (id === ACCESS_KEY_ID ? SECRET_ACCESS_KEY : undefined), { nowMs: Date.now(), maxSkewMs: 300_000, region: REGION })
      if (verified.sessionToken !== this.#sessionToken) throw new SigV4Error('SIGV4_MISSING', 'the session token is not the one given')
      return verified
    } catch (error) {
      if (error instanceof SigV4Error) return error
      throw error
    }
  }
}

import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { encodeMessage, eventMessage, EventStreamError, exceptionMessage, type Frame, Splitter } from '../eventstream/index.ts'
import { sourceOf, SUBPROTOCOL } from '../http/index.ts'
import { type ClientSide, type Exchange, fieldOf, messageOf, readFrame, type Said, type Sink, type Talk, unwrap } from '../proxy/index.ts'
import { type FrameError, type Opening, openingAnswer } from '../websocket/index.ts'
import { Peer, type PeerListener } from './peer.ts'
import { answerAndEnd } from './refusal.ts'
import type { Terms } from './terms.ts'

/** AWS may wait for a first event before it says whether it accepts, and no client sends one before we do. */
const MAX_WAIT_MS = 3000

/** What a client may say before it is answered. It should say nothing (RFC 6455 §4.1), but who does not read never hears that it left. */
const MAX_EARLY_BYTES = 16_384

/** Close codes by the exception that ended a conversation; any other is 1011, an error that was not the client's. */
const CLOSE_CODES: ReadonlyMap<string, number> = new Map([
  ['validationException', 1008],
  ['throttlingException', 1013],
  ['modelTimeoutException', 4408],
])

/**
 * A request that opens a WebSocket, and the conversation on it.
 *
 *     waiting ── AWS accepts, or says nothing for 3 s ──▶ open ── AWS ends, an error, the client leaves ──▶ closed
 *        └────── answer(): an HTTP answer, no WebSocket ──▶ closed
 *
 * Text is the model's own JSON, both ways; a binary message is one or more messages of the event stream, and who speaks
 * so first is answered so. An error is the last message, and the close code says its kind.
 */
export class WebSocketExchange implements Exchange, ClientSide, PeerListener {
  readonly id: string
  readonly protocol = '1.1'
  readonly method: string
  readonly target: string
  readonly fields: readonly string[]
  readonly source: string
  readonly hasBody = false
  readonly aheadBytes = 0
  readonly body: IncomingMessage
  onGone: (() => void) | undefined
  #gone = false
  readonly #socket: Socket
  /** What came behind the head of the request. */
  #early: Buffer
  readonly #opening: Opening
  readonly #terms: Terms
  #talk: Talk | undefined
  #patience: NodeJS.Timeout | undefined
  #peer: Peer | undefined
  /** The client is not to be read; one that is let in meanwhile is not either. */
  #held = false
  /** What the client spoke first. */
  #speaks: 'text' | 'binary' | undefined
  /** AWS's own last word. */
  #exception: string | undefined

  /** @param head - What came behind the head of the request. */
  constructor(request: IncomingMessage, socket: Socket, head: Buffer, opening: Opening, id: string, terms: Terms) {
    this.id = id
    this.method = request.method!
    this.target = request.url!
    this.fields = request.rawHeaders
    this.source = sourceOf(socket.remoteAddress ?? '', request.rawHeaders, terms.trustedProxies)
    this.body = request
    this.#socket = socket
    this.#early = head
    this.#opening = opening
    this.#terms = terms
    socket.on('error', () => undefined).on('close', () => {
      this.#gone = true
      clearTimeout(this.#patience)
      this.onGone?.()
    })
    socket.on('data', this.#onEarly).on('end', this.#onLeft)
  }

  get gone(): boolean {
    return this.#gone
  }

  continue(): void {}

  processing(): void {}

  begin(): Sink {
    throw new TypeError('a WebSocket has no answer but messages')
  }

  /** Once the WebSocket is open, what was to be an HTTP answer can only be its last message. */
  answer(status: number, fields: readonly string[], body: Buffer): void {
    this.#waitNoLonger()
    if (this.#peer === undefined) return answerAndEnd(this.#socket, status, fields, body)
    const type = fieldOf(fields, 'x-amzn-errortype') ?? 'unknown'
    // Streams name the same errors with a small letter, and without what may stand behind.
    this.#sayError(type.split(/[,:]/, 1)[0]!.replace(/^./, (letter) => letter.toLowerCase()), messageOf(body))
    this.#peer.close(status === 408 ? 4408 : status === 429 ? 1013 : status < 500 ? 1008 : 1011, '')
  }

  break(): void {
    this.#socket.destroy()
  }

  readonly join = (talk: Talk): ClientSide => {
    this.#talk = talk
    this.#patience = setTimeout(() => this.accepted(), MAX_WAIT_MS)
    return this
  }

  accepted(): void {
    if (this.#gone || this.#peer !== undefined) return
    this.#waitNoLonger()
    const lines = ['HTTP/1.1 101 Switching Protocols\r\n']
    const fields = openingAnswer(this.#opening, this.#opening.protocols.find((protocol) => protocol === SUBPROTOCOL))
    for (let i = 0; i < fields.length; i += 2) lines.push(`${fields[i]}: ${fields[i + 1]}\r\n`)
    this.#socket.write(`${lines.join('')}\r\n`)
    this.#peer = new Peer(this.#socket.pause(), this.#early, this.#terms.pingMs, this)
    if (this.#held) this.#peer.pause()
  }

  event(frame: Frame): boolean {
    const said = readFrame(frame)
    if (said.kind === 'exception') this.#exception = said.type
    if (this.#speaks === 'binary') return this.#peer!.send('binary', frame.bytes)
    const text = textOf(said)
    return text === undefined || this.#peer!.send('text', text)
  }

  pause(): void {
    this.#held = true
    this.#peer?.pause()
  }

  resume(): void {
    this.#held = false
    this.#peer?.resume()
  }

  end(): void {
    if (this.#exception === undefined) this.#peer?.close(1000, '')
    else this.#peer?.close(CLOSE_CODES.get(this.#exception) ?? 1011, '')
  }

  fail(exceptionType: string, message: string, code: string): void {
    this.#sayError(exceptionType, message)
    // 1012, a restart: come back, to whoever answers then.
    this.#peer?.close(code === 'DRAINING' ? 1012 : CLOSE_CODES.get(exceptionType) ?? 1011, exceptionType)
  }

  message(type: 'text' | 'binary', payload: Buffer): void {
    this.#speaks ??= type
    if (type === 'text') return this.#talk!.event(encodeMessage(eventMessage('chunk', Buffer.from(`{"bytes":"${payload.toString('base64')}"}`))))
    try {
      for (const event of eventsIn(payload)) event === undefined ? this.#talk!.end() : this.#talk!.event(event)
    } catch (error) {
      if (!(error instanceof EventStreamError)) throw error
      this.#talk!.broken('BAD_EVENT')
    }
  }

  alive(): void {
    this.#talk!.alive()
  }

  drained(): void {
    this.#talk!.drained()
  }

  closing(): void {
    this.#talk!.end()
  }

  broke({ code }: FrameError): void {
    this.#talk!.broken(code === 'WEBSOCKET_MESSAGE_TOO_LARGE' ? 'BODY_TOO_LARGE' : 'BAD_EVENT')
  }

  readonly #onEarly = (chunk: Buffer): void => {
    this.#early = Buffer.concat([this.#early, chunk])
    if (this.#early.length > MAX_EARLY_BYTES) this.#socket.pause()
  }

  // There are no half-open WebSockets, nor any halfway to one.
  readonly #onLeft = (): void => void this.#socket.destroy()

  #waitNoLonger(): void {
    clearTimeout(this.#patience)
    this.#socket.off('data', this.#onEarly).off('end', this.#onLeft)
  }

  #sayError(type: string, message: string): void {
    if (this.#speaks === 'binary') this.#peer?.send('binary', encodeMessage(exceptionMessage(type, Buffer.from(JSON.stringify({ message })))))
    else this.#peer?.send('text', errorText(type, message))
  }
}

/** The events of a binary message; `undefined` stands for the end of a signed stream. */
function* eventsIn(payload: Buffer): Generator<Buffer | undefined> {
  const splitter = new Splitter()
  for (const frame of splitter.push(payload)) yield unwrap(frame)
  splitter.end()
}

/** Text for a message of AWS; `undefined` where it is no news for those who speak JSON. */
function textOf(said: Said): Buffer | undefined {
  if (said.kind === 'model') return said.event
  return said.kind === 'exception' ? errorText(said.type, said.message) : undefined
}

const errorText = (type: string, message: string): Buffer => Buffer.from(JSON.stringify({ error: { type, message } }))

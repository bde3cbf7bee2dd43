import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { setTimeout as pause } from 'node:timers/promises'
import { encodeMessage, eventMessage, type Frame, Splitter } from '../eventstream/index.ts'
import { STREAMING_EVENTS, verifyEvent, verifyRequest } from '../sigv4/index.ts'

export interface ConversationOptions {
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Pause between two words. */
  readonly wordMs: number
  readonly words: readonly string[]
}

/**
 * Plays InvokeModelWithBidirectionalStream with the events of Nova Sonic: to each text of the user it says all its words.
 * The signature of the request and of every event is checked; a stream in which one does not fit is reset.
 */
export async function converse(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: readonly string[], options: ConversationOptions): Promise<void> {
  const chain = new Chain(verifiedSeed(headers, raw, options), options)
  stream.respond({ ':status': 200, 'content-type': 'application/vnd.amazon.eventstream', 'x-amzn-requestid': crypto.randomUUID() })
  const say = (name: string, content: object) => stream.write(chunk({ event: { [name]: content } }))
  say('completionStart', { sessionId: 'demo' })
  const splitter = new Splitter()
  let instructions: string | undefined
  for await (const bytes of stream) {
    for (const frame of splitter.push(bytes as Buffer)) {
      const { contentStart, textInput } = eventIn(chain.opened(frame))
      if (contentStart?.role === 'SYSTEM') instructions = contentStart.contentName
      if (textInput === undefined || (instructions !== undefined && textInput.contentName === instructions)) continue
      say('contentStart', { type: 'TEXT', role: 'ASSISTANT' })
      for (const content of options.words) {
        say('textOutput', { content, role: 'ASSISTANT' })
        await pause(options.wordMs)
      }
      say('contentEnd', { type: 'TEXT', stopReason: 'END_TURN' })
    }
  }
  say('completionEnd', { stopReason: 'END_TURN' })
  stream.end()
}

/** @throws SigV4Error - where the request is not signed as it must be. */
function verifiedSeed(headers: IncomingHttpHeaders, raw: readonly string[], { region, accessKeyId, secretAccessKey }: ConversationOptions): string {
  // What is signed as host comes as :authority.
  const pairs = raw.flatMap((name, i) => (i % 2 === 1 || (name.startsWith(':') && name !== ':authority') ? [] : [[name === ':authority' ? 'host' : name, raw[i + 1]!] as const]))
  const received = { method: headers[':method']!, target: headers[':path']!, headers: pairs, payloadHash: STREAMING_EVENTS }
  return verifyRequest(received, (id) => (id === accessKeyId ? secretAccessKey : undefined), { nowMs: Date.now(), maxSkewMs: 300_000, region }).signature
}

/** The chain of signatures, from that of the request on. */
class Chain {
  #prior: string
  readonly #options: ConversationOptions

  constructor(seed: string, options: ConversationOptions) {
    this.#prior = seed
    this.#options = options
  }

  /** The event within a signed frame; nothing in the last one. */
  opened({ bytes, headers, payload }: Frame): Buffer {
    const signature = headers.get(':chunk-signature')
    if (signature?.type !== 'binary') throw new TypeError('an event came without a signature')
    // `:date` stands first: 15 bytes after the prelude.
    const event = { dateHeader: bytes.subarray(12, 27), payload, signature: signature.value, priorSignature: this.#prior }
    const { region, secretAccessKey } = this.#options
    this.#prior = verifyEvent(event, secretAccessKey, { region, service: 'bedrock' }, { nowMs: Date.now(), maxSkewMs: 300_000 })
    return payload
  }
}

const chunk = (event: object): Buffer => encodeMessage(eventMessage('chunk', Buffer.from(JSON.stringify({ bytes: Buffer.from(JSON.stringify(event)).toString('base64') }))))

/** What counts here of an event of the client. */
interface Heard {
  readonly contentStart?: { readonly role?: string; readonly contentName?: string }
  readonly textInput?: { readonly contentName?: string }
}

function eventIn(message: Buffer): Heard {
  if (message.length === 0) return {}
  const [frame] = new Splitter().push(message)
  const { bytes = '' } = JSON.parse(frame!.payload.toString()) as { bytes?: string }
  const { event } = JSON.parse(Buffer.from(bytes, 'base64').toString()) as { event?: Heard }
  return event ?? {}
}

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exceptionFrame, isStream, type Speech, streamAnswer, TEXT, wholeAnswer } from './model.ts'
import { signatureFault } from './signature.ts'
import { errorEvent, serverSentEvents, surfaceError, SURFACES } from './surfaces.ts'
import { TOKENS } from './token.ts'

/** A request that reached the stand-in. */
export interface Received {
  readonly service: string
  readonly method: string
  readonly target: string
  readonly headers: IncomingHttpHeaders
  readonly sha256: string
  readonly text: () => string
  /** The last segment of the path; with `-stream` behind it where a member of the body asks for a stream. */
  readonly kind: string
  /** Resolves when the client has heard so many events of this answer. */
  readonly heard: (events: number) => Promise<void>
  /** Resolves when the answer is over, one way or another. */
  readonly over: Promise<void>
}

/** How a request is answered. */
export type Script = (received: Received, response: ServerResponse) => void | Promise<void>

/** Counts what happens, for those who wait for it to have happened so often. */
class Counter {
  #count = 0
  #waiting: { readonly count: number; readonly resolve: () => void }[] = []

  add(): void {
    this.#count++
    for (const { count, resolve } of this.#waiting) if (count === this.#count) resolve()
  }

  reach(count: number): Promise<void> {
    return new Promise((resolve) => (count <= this.#count ? resolve() : this.#waiting.push({ count, resolve })))
  }
}

/** All there is about one subject: a model's or a profile's id. */
class File {
  readonly requests: Received[] = []
  readonly arrived = new Counter()
  readonly heard = new Counter()
  script: Script = speak('words')
}

/**
 * What stands in for Bedrock. It checks the signature and the spelling of every request; what it finds wrong is
 * answered 403 and kept in `faults`, which must be empty at the end of a run.
 */
export class StandIn {
  readonly url: string
  /** Where Mantle is, which is a service of its own. */
  readonly mantleUrl: string
  readonly faults: string[] = []
  /** Told of each request that was in order. */
  onRequest: (received: Received) => void = () => undefined
  readonly #servers: readonly Server[]
  readonly #files = new Map<string, File>()

  private constructor(bedrock: Server, mantle: Server) {
    this.#servers = [bedrock, mantle]
    this.url = urlOf(bedrock)
    this.mantleUrl = urlOf(mantle)
    bedrock.on('request', (request, response) => void this.#take('bedrock', request, response))
    mantle.on('request', (request, response) => void this.#take('bedrock-mantle', request, response))
  }

  static async start(): Promise<StandIn> {
    return new StandIn(await listening(), await listening())
  }

  /** Says how requests about `subject`, a model's or a profile's id, are answered. Others get the model's words. */
  script(subject: string, script: Script): void {
    this.#file(subject).script = script
  }

  /** To be told of each event of a stream that a client has heard. */
  noteHeard(subject: string): void {
    this.#file(subject).heard.add()
  }

  /** The requests about `subject`. */
  of(subject: string): readonly Received[] {
    return this.#file(subject).requests
  }

  /** Waits until so many have come: a client may have given up before its request was read here. */
  reached(subject: string, requests: number): Promise<void> {
    return this.#file(subject).arrived.reach(requests)
  }

  stop(): void {
    for (const server of this.#servers) {
      server.close()
      server.closeAllConnections()
    }
  }

  async #take(service: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer)
    } catch {
      return void this.faults.push(`${request.method} ${request.url}: its body broke off`)
    }
    const body = Buffer.concat(chunks)
    const wire = { service, method: request.method!, target: request.url!, rawHeaders: request.rawHeaders, body }
    response.setHeader('Set-Cookie', 'AWSALB=1; Path=/')
    const fault = await signatureFault(wire) ?? spellingFault(wire.target) ?? leakFault(wire.rawHeaders)
    if (fault !== undefined) {
      this.faults.push(`${wire.method} ${wire.target}: ${fault}`)
      return refuse(403, 'InvalidSignatureException', fault)({} as Received, response)
    }
    const { subject, kind } = topicOf(wire.target, body)
    const file = this.#file(subject)
    const received: Received = {
      service, method: wire.method, target: wire.target, headers: request.headers, kind,
      sha256: createHash('sha256').update(body).digest('hex'), text: () => body.toString('utf8'), heard: (events) => file.heard.reach(events),
      over: new Promise((resolve) => response.once('close', resolve)),
    }
    file.requests.push(received)
    file.arrived.add()
    this.onRequest(received)
    await file.script(received, response)
  }

  #file(subject: string): File {
    const file = this.#files.get(subject) ?? new File()
    this.#files.set(subject, file)
    return file
  }
}

async function listening(): Promise<Server> {
  const server = createServer({ keepAliveTimeout: 0 }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

const urlOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`

/** Where the model is in the path, or in the body. */
function topicOf(target: string, body: Buffer): { readonly subject: string; readonly kind: string } {
  const kind = target.split('?', 1)[0]!.split('/').at(-1)!
  if (!SURFACES.has(kind)) return { kind, subject: decodeURIComponent(labelOf(target) ?? '') }
  const { model, stream } = JSON.parse(body.toString()) as { model: string; stream?: boolean }
  return { kind: stream === true ? `${kind}-stream` : kind, subject: model }
}

/** `/model/LABEL/invoke`, `/inference-profiles/LABEL` */
const labelOf = (target: string): string | undefined => /^\/[^/]+\/([^/?]+)/.exec(target)?.[1]

function spellingFault(target: string): string | undefined {
  const label = labelOf(target)
  if (label === undefined) return undefined
  const canonical = encodeURIComponent(decodeURIComponent(label)).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
  return label === canonical ? undefined : `the path is not in its canonical spelling, ${canonical}`
}

function leakFault(rawHeaders: readonly string[]): string | undefined {
  const all = rawHeaders.join('\n')
  return Object.values(TOKENS).some((token) => token !== undefined && all.includes(token)) ? 'the token of the client came along' : undefined
}

/** Answers with the model's words, or its call of a tool, whole or as a stream, as the operation has it. */
export function speak(speech: Speech): Script {
  return ({ kind }, response) => {
    const surface = SURFACES.get(kind)
    if (surface !== undefined) return sendJson(response, 200, surface.whole(speech))
    if (kind === 'invoke' || kind === 'converse') return sendJson(response, 200, wholeAnswer(kind, speech))
    if (!isStream(kind)) return sendJson(response, 200, OTHER_ANSWERS)
    beginStream(kind, response)
    response.end(Buffer.concat(eventsOf(kind, speech)))
  }
}

/** A stream as the surface has it. */
export const eventsOf = (kind: string, speech: Speech): Uint8Array[] => (isSurface(kind) ? serverSentEvents(kind, speech) : streamAnswer(kind, speech))

/** A stream of which each event is sent when the client has heard the one before: whoever keeps one back waits for ever. */
export function speakInTurn(speech: Speech): Script {
  return async ({ kind, heard }, response) => {
    beginStream(kind, response)
    for (const [i, frame] of eventsOf(kind, speech).entries()) {
      await heard(i)
      response.write(frame)
    }
    response.end()
  }
}

/** What the operations that do not ask a model have in their answers. */
const OTHER_ANSWERS = { inferenceProfileName: TEXT, inferenceProfileSummaries: [], modelSummaries: [], modelDetails: {}, inputTokens: 7 }

/** Answers with JSON. */
export function reply(json: object): Script {
  return (_received, response) => sendJson(response, 200, json)
}

/** Answers with an error as AWS words it; `capital` as its access management does. */
export function refuse(status: number, type: string, message: string, { capital = false, headers = {} as Record<string, string> } = {}): Script {
  return ({ kind = '' }, response) => {
    response.setHeader('x-amzn-ErrorType', `${type}:http://internal.amazon.com/coral/com.amazon.bedrock/`)
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    sendJson(response, status, isSurface(kind) ? surfaceError(kind, type, message) : capital ? { Message: message } : { message })
  }
}

/** Sends the first `events` of a stream, and when the client has heard them, does something else. */
export function beginThen(events: number, then: (response: ServerResponse, next: Uint8Array, kind: string) => void): Script {
  return async ({ kind, heard }, response) => {
    const frames = eventsOf(kind, 'words')
    beginStream(kind, response)
    response.write(Buffer.concat(frames.slice(0, events)))
    await heard(events)
    then(response, frames[events]!, kind)
  }
}

/** Begins a stream that AWS then ends with an exception. */
export function beginThenFail(type: string, message: string): Script {
  return beginThen(3, (response, _next, kind) => response.end(isSurface(kind) ? errorEvent(kind, type, message) : exceptionFrame(type, message)))
}

/** Never answers. */
export const keepSilent: Script = () => undefined

function beginStream(kind: string, response: ServerResponse): void {
  const type = isSurface(kind) ? { 'Content-Type': 'text/event-stream' } : { 'Content-Type': 'application/vnd.amazon.eventstream', 'X-Amzn-Bedrock-Content-Type': 'application/json' }
  response.writeHead(200, { ...type, 'x-amzn-RequestId': crypto.randomUUID() })
}

const isSurface = (kind: string): boolean => SURFACES.has(kind.replace(/-stream$/, ''))

function sendJson(response: ServerResponse, status: number, json: object): void {
  const body = Buffer.from(JSON.stringify(json))
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.length, 'x-amzn-RequestId': crypto.randomUUID() }).end(body)
}

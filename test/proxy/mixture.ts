import { Agent, type OutgoingHttpHeaders, request, type ServerResponse } from 'node:http'
import { type ClientHttp2Session, connect } from 'node:http2'
import { encodeMessage, eventMessage } from '../../src/eventstream/index.ts'
import type { Script } from '../kit/bedrock.ts'
import { token } from '../kit/proxy.ts'

/** A whole number from 0, the same ones for the same seed. */
export type Random = (below: number) => number
export const oneOf = <T>(random: Random, all: readonly T[]): T => all[random(all.length)]!

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
const chunkOf = (event: object): Buffer => encodeMessage(eventMessage('chunk', json({ bytes: json(event).toString('base64') })))
const event = (type: string, payload: object): Buffer => encodeMessage(eventMessage(type, json(payload)))
const lines = (events: readonly object[]): Buffer[] => events.map((one) => Buffer.from(`data: ${JSON.stringify(one)}\n\n`))

interface Counts { readonly i: number; readonly o: number; readonly r: number; readonly w: number }
interface Answer { readonly type: string; readonly parts: readonly Buffer[] }

const JSON_TYPE = 'application/json'
const FRAMES = 'application/vnd.amazon.eventstream'
const anthropic = ({ i, o, r, w }: Counts) => ({ input_tokens: i, output_tokens: o, cache_read_input_tokens: r, cache_creation_input_tokens: w })
const bedrockUsage = ({ i, o, r, w }: Counts) => ({ inputTokens: i, outputTokens: o, cacheReadInputTokens: r, cacheWriteInputTokens: w })
const openai = ({ i, o, r }: Counts) => ({ prompt_tokens: i + r, completion_tokens: o, prompt_tokens_details: { cached_tokens: r } })
const said = (c: Counts) => [
  { type: 'message_start', message: { usage: { ...anthropic(c), output_tokens: 1 } } }, { type: 'content_block_delta', delta: { text: 'hello' } },
  { type: 'message_delta', usage: { output_tokens: c.o } }, { type: 'message_stop', 'amazon-bedrock-invocationMetrics': { inputTokenCount: c.i, outputTokenCount: c.o } },
]

/** What is asked, and how Bedrock would answer; its model, where that is not in the body. */
interface Topic {
  readonly method?: 'GET'
  readonly path: (model: string) => string
  readonly body?: (model: string, filler: string) => string
  readonly answer: (counts: Counts) => Answer
}

const prompt = (_model: string, filler: string) => JSON.stringify({ max_tokens: 30, prompt: filler })
const chat = (model: string, filler: string) => JSON.stringify({ max_tokens: 30, messages: [filler], model })
export const TOPICS: readonly Topic[] = [
  { path: (model) => `/model/${model}/invoke`, body: prompt, answer: (c) => ({ type: JSON_TYPE, parts: [json({ content: 'hello', usage: anthropic(c) })] }) },
  { path: (model) => `/model/${model}/invoke-with-response-stream`, body: prompt, answer: (c) => ({ type: FRAMES, parts: said(c).map(chunkOf) }) },
  { path: (model) => `/model/${model}/converse`, body: prompt, answer: (c) => ({ type: JSON_TYPE, parts: [json({ output: {}, usage: bedrockUsage(c) })] }) },
  {
    path: (model) => `/model/${model}/converse-stream`, body: prompt,
    answer: (c) => ({ type: FRAMES, parts: [event('messageStart', { role: 'assistant' }), event('contentBlockDelta', { delta: { text: 'hello' } }), event('metadata', { usage: bedrockUsage(c) })] }),
  },
  { path: () => '/openai/v1/chat/completions', body: chat, answer: (c) => ({ type: 'text/event-stream', parts: lines([{ choices: [{}] }, { choices: [{}] }, { usage: openai(c) }]) }) },
  { path: () => '/anthropic/v1/messages', body: chat, answer: (c) => ({ type: 'text/event-stream; charset=utf-8', parts: lines(said(c)) }) },
  { path: (model) => `/model/${model}/count-tokens`, body: prompt, answer: ({ i }) => ({ type: JSON_TYPE, parts: [json({ inputTokens: i })] }) },
  { method: 'GET', path: () => '/inference-profiles', answer: () => ({ type: JSON_TYPE, parts: [json({ inferenceProfileSummaries: [] })] }) },
]

/** What becomes of a call at Bedrock, by the word with which it is asked to. */
export const FATES: Readonly<Record<string, (response: ServerResponse, answer: Answer) => void>> = {
  well: (response, { type, parts }) => response.writeHead(200, head(type)).end(Buffer.concat(parts)),
  measured: (response, { type, parts }) => response.writeHead(200, { ...head(type), 'Content-Length': Buffer.concat(parts).length }).end(Buffer.concat(parts)),
  slowly: (response, answer) => slowly(response, answer, answer.parts.length, () => response.end()),
  late: (response, answer) => void setTimeout(() => FATES['well']!(response, answer), 30),
  refused: (response) => response.writeHead(400, { ...head(JSON_TYPE), 'x-amzn-ErrorType': 'ValidationException' }).end('{"message":"no"}'),
  throttled: (response) => response.writeHead(429, { ...head(JSON_TYPE), 'x-amzn-ErrorType': 'ThrottlingException' }).end('{"message":"no"}'),
  failed: (response) => response.writeHead(500, { ...head(JSON_TYPE), 'x-amzn-ErrorType': 'InternalServerException' }).end('{"message":"no"}'),
  denied: (response) => response.writeHead(403, { ...head(JSON_TYPE), 'x-amzn-ErrorType': 'AccessDeniedException' }).end('{"message":"no"}'),
  'our keys': (response) => response.writeHead(403, { ...head(JSON_TYPE), 'x-amzn-ErrorType': 'UnrecognizedClientException' }).end('{}'),
  reset: (response) => void response.socket?.destroy(),
  'breaks off': (response, answer) => slowly(response, answer, Math.ceil(answer.parts.length / 2), () => response.socket?.destroy()),
  'ends inside': (response, { type, parts }) => response.writeHead(200, head(type)).end(Buffer.concat(parts).subarray(0, -3)),
  noise: (response, { type }) => response.writeHead(200, head(type)).end('x'.repeat(500)),
  silent: () => undefined,
  stalls: (response, answer) => slowly(response, answer, 1, () => undefined),
}

let ids = 0
const head = (type: string) => ({ 'Content-Type': type, 'x-amzn-RequestId': `aws-${ids++}` })

function slowly(response: ServerResponse, { type, parts }: Answer, until: number, then: () => void): void {
  if (!response.headersSent) response.writeHead(200, head(type)).flushHeaders()
  let at = 0
  const step = (): void => {
    if (response.destroyed) return
    const part = parts[at++]
    // In two pieces, neither of which is a frame.
    if (at > until || part === undefined) return then()
    response.write(part.subarray(0, part.length >> 1))
    response.write(part.subarray(part.length >> 1))
    setTimeout(step, 5)
  }
  step()
}

/** Answers each call with the fate, and with the counts, that its header lines ask for. */
export const fateful: Script = ({ headers }, response) => {
  const [i, o, r, w] = String(headers['x-counts']).split(',').map(Number) as [number, number, number, number]
  const topic = TOPICS[Number(headers['x-topic'])]!
  FATES[String(headers['x-fate'])]!(response, topic.answer({ i, o, r, w }))
}

/** What a client does. `leave`: it goes while its body is on its way, so many milliseconds later, or at the first byte. */
export interface Call {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  readonly leave: 'in its body' | 'amid' | number | undefined
}

export const USERS = ['ann', 'bob', 'cyd', 'dan', 'eve', 'fay', 'gus', 'narrow', 'slow', 'poor', 'short', 'mallory']
const MODELS = ['anthropic.claude-haiku-4-5-v1:0', 'us.anthropic.claude-sonnet-4-v1:0', 'amazon.nova-pro-v1:0', 'meta.llama3-8b-instruct-v1:0']
const tokens = new Map(USERS.map((user) => [user, token({ sub: user })]))
export const bearer = (user: string) => ({ authorization: `Bearer ${tokens.get(user)}` })

const GOOD_FATES = ['well', 'measured', 'slowly', 'late']
const BAD_FATES = Object.keys(FATES).filter((fate) => ![...GOOD_FATES, 'silent', 'stalls'].includes(fate))

/** As whose it is known in every line, even in one that is written before it goes up. */
const addressOf = (n: number): string => `10.0.${n >> 8}.${n & 255}`
export function numberOf({ source }: { readonly source?: unknown }): number | undefined {
  const [ten, , high, low] = String(source).split('.').map(Number)
  return ten === 10 ? high! * 256 + low! : undefined
}

/** What most go through, and now and then what goes wrong on either side. */
export function callOf(n: number, random: Random): Call {
  const topic = oneOf(random, TOPICS)
  const [model, user] = [oneOf(random, MODELS), oneOf(random, USERS)]
  // Silence takes its time.
  const fate = random(150) === 0 ? oneOf(random, ['silent', 'stalls']) : oneOf(random, random(10) < 6 ? GOOD_FATES : BAD_FATES)
  const headers = {
    ...bearer(user), 'x-forwarded-for': addressOf(n), 'x-number': String(n), 'x-topic': String(TOPICS.indexOf(topic)), 'x-fate': fate, 'content-type': 'application/json',
    'x-counts': [random(2000), random(500), random(3) * 1000, random(3) * 100].join(), ...(random(4) === 0 && { accept: 'text/event-stream' }),
  }
  const body = topic.body?.(model, 'x'.repeat(random(3) === 0 ? random(20_000) : 20))
  const call: Call = { method: topic.method ?? 'POST', path: topic.path(model), headers, body, leave: undefined }
  return random(10) < 7 ? call : oneOf(random, SPOILED)(call, random)
}

const SPOILED: readonly ((call: Call, random: Random) => Call)[] = [
  (call, random) => ({ ...call, leave: random(20) }), (call, random) => ({ ...call, leave: random(60) }), (call) => ({ ...call, leave: 'amid' }),
  (call) => (call.body === undefined ? call : { ...call, leave: 'in its body' }),
  (call) => ({ ...call, headers: { ...call.headers, authorization: 'Bearer no.token.atall' } }),
  (call) => ({ ...call, path: '/nowhere' }), (call) => ({ ...call, method: 'DELETE' }),
  (call) => ({ ...call, path: '/model/anthropic.claude-opus-4-1-v1:0/converse' }),
  (call) => ({ ...call, path: '/openai/v1/chat/completions', body: '{"model":"a.b","model":"c.d"}' }),
  (call) => ({ ...call, body: call.body && 'y'.repeat(70_000) }), (call) => ({ ...call, body: call.body && '{"max_tokens":' }),
  (call) => ({ ...call, headers: { ...call.headers, 'x-fate': 'our keys' } }),
]

/** The status, where the head of an answer came, and whether all of the rest did. */
export interface Outcome {
  readonly status: number | undefined
  readonly complete: boolean
}

/** Clients of both protocols, on connections that are used again. */
export class Clients {
  readonly #port: number
  readonly #agent = new Agent({ keepAlive: true, maxSockets: Infinity })
  readonly #sessions: (ClientHttp2Session | undefined)[] = new Array(4).fill(undefined)

  constructor(port: number) {
    this.#port = port
  }

  overH1({ method, path, headers, body, leave }: Call): Promise<Outcome> {
    return new Promise((resolve) => {
      const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
      const sent = request({ host: '127.0.0.1', port: this.#port, path, method, headers: { ...length, ...headers }, agent: this.#agent })
      const done = (outcome: Outcome) => resolve(outcome)
      sent.on('error', () => done({ status: undefined, complete: false }))
      sent.on('response', (answer) => {
        answer.on('data', () => { if (leave === 'amid') sent.destroy() }).on('error', () => undefined)
        answer.on('close', () => done({ status: answer.statusCode!, complete: answer.complete }))
      })
      if (typeof leave === 'number') setTimeout(() => sent.destroy(), leave)
      if (leave !== 'in its body') return void sent.end(body)
      sent.write(body!.slice(0, 10))
      setTimeout(() => sent.destroy(), 5)
    })
  }

  overH2({ method, path, headers, body, leave }: Call, at: number): Promise<Outcome> {
    return new Promise((resolve) => {
      const stream = this.#session(at).request({ ':method': method, ':path': path, ...headers } as OutgoingHttpHeaders, { endStream: body === undefined })
      let [status, ended] = [undefined as number | undefined, false]
      stream.on('response', (fields) => { status = fields[':status'] })
      stream.on('data', () => { if (leave === 'amid') stream.close(8) }).on('end', () => { ended = true }).on('error', () => undefined)
      stream.on('close', () => resolve({ status, complete: ended && stream.rstCode === 0 }))
      if (typeof leave === 'number') setTimeout(() => stream.close(8), leave)
      if (leave === 'in its body') {
        stream.write(body!.slice(0, 10))
        setTimeout(() => stream.close(8), 5)
      } else if (body !== undefined) stream.end(body)
    })
  }

  close(): void {
    this.#agent.destroy()
    for (const session of this.#sessions) session?.close()
  }

  #session(at: number): ClientHttp2Session {
    const known = this.#sessions[at % this.#sessions.length]
    if (known !== undefined && !known.closed && !known.destroyed) return known
    return (this.#sessions[at % this.#sessions.length] = connect(`http://127.0.0.1:${this.#port}`).on('error', () => undefined))
  }
}

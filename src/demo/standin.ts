import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createH2Server, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { encodeMessage, eventMessage } from '../eventstream/index.ts'
import { sniff } from '../server/index.ts'
import { SigV4Error, verifyRequest } from '../sigv4/index.ts'
import { converse as converseOverH2 } from './conversation.ts'

export interface StandInOptions {
  /** Of loopback; any free one where it is left out. */
  readonly port?: number
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Pause between two words of a stream. */
  readonly wordMs: number
}

/** A running stand-in. */
export interface StandIn {
  readonly url: string
  close(): Promise<void>
}

/**
 * Something that looks like Bedrock to a proxy, on loopback: it verifies every signature, and answers with the shapes
 * that the models of Anthropic and Amazon have. It thinks nothing.
 */
export async function startStandIn(options: StandInOptions): Promise<StandIn> {
  const server: Server = createServer((request, response) => {
    answer(request, response, options).catch(() => response.destroy())
  })
  const sockets = takeConversations(server, options)
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
      for (const socket of sockets) socket.destroy()
    }),
  }
}

/** Conversations come over HTTP/2, on the same port. */
function takeConversations(server: Server, options: StandInOptions): ReadonlySet<Socket> {
  const h2 = createH2Server()
  const sockets = new Set<Socket>()
  const [serve] = server.listeners('connection') as ((socket: Socket) => void)[]
  h2.on('session', (session) => session.on('error', () => undefined))
  h2.on('stream', (stream, headers, _flags, raw) => {
    stream.on('error', () => undefined)
    converseOverH2(stream as ServerHttp2Stream, headers, raw, { ...options, words: WORDS }).catch((error: Error) => stream.destroy(error))
  })
  server.removeAllListeners('connection').on('connection', (socket: Socket) => sniff(socket, FIRST_BYTE_MS, (socket, isH2) => {
    if (!isH2) return void serve!.call(server, socket)
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    h2.emit('connection', socket)
  }))
  return sockets
}

const FIRST_BYTE_MS = 10_000

async function answer(request: IncomingMessage, response: ServerResponse, options: StandInOptions): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks)
  response.setHeader('x-amzn-RequestId', crypto.randomUUID())
  const refusal = signatureProblem(request, body, options)
  if (refusal !== undefined) return sendError(response, 403, 'InvalidSignatureException', refusal)
  const path = request.url!.split('?', 1)[0]!
  const operation = OPERATIONS.find(({ method, pattern }) => method === request.method && pattern.test(path))
  if (operation === undefined) return sendError(response, 404, 'UnknownOperationException', 'the stand-in does not play this operation')
  await operation.play(response, options)
}

function signatureProblem(request: IncomingMessage, body: Buffer, { region, accessKeyId, secretAccessKey }: StandInOptions): string | undefined {
  const raw = request.rawHeaders
  const headers = raw.flatMap((name, i) => (i % 2 === 0 ? [[name, raw[i + 1]!] as const] : []))
  const received = { method: request.method!, target: request.url!, headers, payloadHash: createHash('sha256').update(body).digest('hex') }
  try {
    verifyRequest(received, (id) => (id === accessKeyId ? secretAccessKey : undefined), { nowMs: Date.now(), maxSkewMs: 300_000, region })
    return undefined
  } catch (error) {
    if (error instanceof SigV4Error) return `${error.code}: ${error.message}`
    throw error
  }
}

const WORDS = 'This is not a model. It only looks like one, so that you can try the proxy without an AWS account.'.split(/(?<= )/)
const USAGE = { inputTokens: 11, outputTokens: WORDS.length, totalTokens: 11 + WORDS.length }

interface Played {
  readonly method: string
  readonly pattern: RegExp
  readonly play: (response: ServerResponse, options: StandInOptions) => Promise<void> | void
}

const OPERATIONS: readonly Played[] = [
  { method: 'POST', pattern: /^\/model\/[^/]+\/invoke$/, play: invoke },
  { method: 'POST', pattern: /^\/model\/[^/]+\/invoke-with-response-stream$/, play: invokeStream },
  { method: 'POST', pattern: /^\/model\/[^/]+\/converse$/, play: converse },
  { method: 'POST', pattern: /^\/model\/[^/]+\/converse-stream$/, play: converseStream },
  { method: 'POST', pattern: /^\/model\/[^/]+\/count-tokens$/, play: (response) => sendJson(response, { inputTokens: USAGE.inputTokens }) },
  { method: 'GET', pattern: /^\/inference-profiles$/, play: (response) => sendJson(response, { inferenceProfileSummaries: [] }) },
  { method: 'GET', pattern: /^\/foundation-models$/, play: (response) => sendJson(response, { modelSummaries: [] }) },
]

function invoke(response: ServerResponse): void {
  response.setHeader('X-Amzn-Bedrock-Input-Token-Count', USAGE.inputTokens)
  response.setHeader('X-Amzn-Bedrock-Output-Token-Count', USAGE.outputTokens)
  const usage = { input_tokens: USAGE.inputTokens, output_tokens: USAGE.outputTokens }
  sendJson(response, { id: 'msg_demo', type: 'message', role: 'assistant', model: 'demo', content: [{ type: 'text', text: WORDS.join('') }], stop_reason: 'end_turn', stop_sequence: null, usage })
}

async function invokeStream(response: ServerResponse, { wordMs }: StandInOptions): Promise<void> {
  response.setHeader('X-Amzn-Bedrock-Content-Type', 'application/json')
  const send = (event: object) => response.write(encodeMessage(eventMessage('chunk', jsonBytes({ bytes: jsonBytes(event).toString('base64'), p: 'abcdefgh' }))))
  const message = { id: 'msg_demo', type: 'message', role: 'assistant', model: 'demo', content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: USAGE.inputTokens, output_tokens: 1 } }
  beginStream(response)
  send({ type: 'message_start', message })
  send({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } })
  for (const text of WORDS) {
    send({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })
    await pause(wordMs)
  }
  send({ type: 'content_block_stop', index: 0 })
  send({ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: USAGE.outputTokens } })
  send({ type: 'message_stop', 'amazon-bedrock-invocationMetrics': { inputTokenCount: USAGE.inputTokens, outputTokenCount: USAGE.outputTokens, invocationLatency: 1, firstByteLatency: 1 } })
  response.end()
}

function converse(response: ServerResponse): void {
  sendJson(response, { metrics: { latencyMs: 1 }, output: { message: { content: [{ text: WORDS.join('') }], role: 'assistant' } }, stopReason: 'end_turn', usage: USAGE })
}

async function converseStream(response: ServerResponse, { wordMs }: StandInOptions): Promise<void> {
  const send = (type: string, payload: object) => response.write(encodeMessage(eventMessage(type, jsonBytes({ ...payload, p: 'abcdefgh' }))))
  beginStream(response)
  send('messageStart', { role: 'assistant' })
  for (const text of WORDS) {
    send('contentBlockDelta', { contentBlockIndex: 0, delta: { text } })
    await pause(wordMs)
  }
  send('contentBlockStop', { contentBlockIndex: 0 })
  send('messageStop', { stopReason: 'end_turn' })
  send('metadata', { metrics: { latencyMs: 1 }, usage: USAGE })
  response.end()
}

function beginStream(response: ServerResponse): void {
  response.writeHead(200, { 'Content-Type': 'application/vnd.amazon.eventstream' })
}

function sendJson(response: ServerResponse, json: object, status = 200): void {
  const body = jsonBytes(json)
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.length }).end(body)
}

function sendError(response: ServerResponse, status: number, type: string, message: string): void {
  response.setHeader('x-amzn-ErrorType', `${type}:http://internal.amazon.com/coral/com.amazon.bedrock/`)
  sendJson(response, { message }, status)
}

const jsonBytes = (value: object): Buffer => Buffer.from(JSON.stringify(value))

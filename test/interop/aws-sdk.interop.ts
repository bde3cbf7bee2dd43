import assert from 'node:assert/strict'
import { Agent } from 'node:https'
import { test } from 'node:test'
import {
  BedrockRuntimeClient, type BedrockRuntimeClientConfig, ConverseCommand, ConverseStreamCommand, InvokeModelCommand, InvokeModelWithResponseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime'
import { ChatBedrockConverse } from '@langchain/aws'
import type { AIMessageChunk } from '@langchain/core/messages'
import { NodeHttp2Handler, NodeHttpHandler } from '@smithy/node-http-handler'
import { awsConfig, awsShow, listen } from './kit/aws.ts'
import type { Ask, Client, Said } from './kit/client.ts'
import { TEXT, TOOL } from './kit/model.ts'
import { REGION } from './kit/signature.ts'
import { type Expectations, type Expected, interop } from './kit/suite.ts'
import { TOKENS } from './kit/token.ts'
import { program } from './kit/world.ts'

/** How the SDK gets to the proxy. Without a word from its user it speaks HTTP/2: with prior knowledge on http://, by ALPN on https://. */
const TRANSPORTS = {
  'h2c': { secure: false, handler: () => undefined },
  'h2 over TLS': { secure: true, handler: (ca?: string) => new NodeHttp2Handler({ disableConcurrentStreams: true, nodeHttp2ConnectOptions: { ca } }) },
  'HTTP/1.1': { secure: false, handler: () => new NodeHttpHandler() },
  'HTTP/1.1 over TLS': { secure: true, handler: (ca?: string) => new NodeHttpHandler({ httpsAgent: new Agent({ ca }) }) },
} as const

const SCHEMA = { type: 'object', properties: { city: { type: 'string' }, days: { type: 'number' } } }

function runtime(ask: Ask, transport: keyof typeof TRANSPORTS): BedrockRuntimeClient {
  const requestHandler = TRANSPORTS[transport].handler(ask.ca)
  const client = new BedrockRuntimeClient({ ...awsConfig(ask), ...(requestHandler && { requestHandler }) } as BedrockRuntimeClientConfig)
  return listen(client, ask.tap)
}

/** InvokeModel with the Messages API of Anthropic. */
function invoke(transport: keyof typeof TRANSPORTS): Client {
  const body = ({ prompt, tool }: Ask) => JSON.stringify({
    anthropic_version: 'bedrock-2023-05-31', max_tokens: 100, messages: [{ role: 'user', content: prompt }],
    ...(tool && { tools: [{ name: TOOL.name, input_schema: SCHEMA }] }),
  })
  return {
    name: `invoke, ${transport}`, secure: TRANSPORTS[transport].secure, sendsBodies: true, show: awsShow,
    matrix: { whole: 'js-sdk InvokeModel', stream: 'js-sdk InvokeModelWithResponseStream' },
    async say(ask) {
      const client = runtime(ask, transport)
      const { body: answer } = await client.send(new InvokeModelCommand({ modelId: ask.model, contentType: 'application/json', body: body(ask) })).finally(() => client.destroy())
      const { content } = JSON.parse(answer.transformToString()) as { content: { text?: string; name?: string; input?: unknown }[] }
      return { text: content[0]?.text ?? '', tool: content[0]?.name === undefined ? undefined : { name: content[0].name, input: content[0].input } }
    },
    async stream(ask, heard) {
      const client = runtime(ask, transport)
      const leaving = new AbortController()
      try {
        const { body: answer } = await client.send(new InvokeModelWithResponseStreamCommand({ modelId: ask.model, contentType: 'application/json', body: body(ask) }), { abortSignal: leaving.signal })
        const said = new Collector()
        for await (const { chunk } of answer!) {
          heard()
          const event = JSON.parse(Buffer.from(chunk!.bytes!).toString()) as { content_block?: { name?: string }; delta?: { text?: string; partial_json?: string } }
          said.add({ text: event.delta?.text, name: event.content_block?.name, input: event.delta?.partial_json })
        }
        return said.all()
      } finally {
        // Over HTTP/2 neither a "break" out of the loop nor destroy() closes the connection of a stream.
        leaving.abort()
        client.destroy()
      }
    },
  }
}

/** Converse, which is the same for every model. */
function converse(transport: keyof typeof TRANSPORTS): Client {
  const input = ({ model, prompt, tool }: Ask) => ({
    modelId: model, messages: [{ role: 'user' as const, content: [{ text: prompt }] }],
    ...(tool && { toolConfig: { tools: [{ toolSpec: { name: TOOL.name, inputSchema: { json: SCHEMA } } }] } }),
  })
  return {
    name: `converse, ${transport}`, secure: TRANSPORTS[transport].secure, sendsBodies: true, show: awsShow,
    async say(ask) {
      const client = runtime(ask, transport)
      const { output } = await client.send(new ConverseCommand(input(ask))).finally(() => client.destroy())
      const { text = '', toolUse } = output!.message!.content![0]!
      return { text, tool: toolUse && { name: toolUse.name!, input: toolUse.input } }
    },
    async stream(ask, heard) {
      const client = runtime(ask, transport)
      const leaving = new AbortController()
      try {
        const { stream } = await client.send(new ConverseStreamCommand(input(ask)), { abortSignal: leaving.signal })
        const said = new Collector()
        for await (const event of stream!) {
          heard()
          const { delta } = event.contentBlockDelta ?? {}
          said.add({ text: delta?.text, name: event.contentBlockStart?.start?.toolUse?.name, input: delta?.toolUse?.input })
        }
        return said.all()
      } finally {
        // Over HTTP/2 neither a "break" out of the loop nor destroy() closes the connection of a stream.
        leaving.abort()
        client.destroy()
      }
    },
  }
}

/** What LangChain makes of Converse. */
function langchain(transport: keyof typeof TRANSPORTS): Client {
  const chat = (ask: Ask, client: BedrockRuntimeClient) => new ChatBedrockConverse({ client: client as never, model: ask.model, region: REGION })
    .withConfig(ask.tool ? { tools: [{ type: 'function', function: { name: TOOL.name, parameters: SCHEMA } }] } as never : {})
  const understood = ({ content, tool_calls: [call] = [] }: AIMessageChunk): Said => ({
    text: typeof content === 'string' ? content : content.map((block) => (block.type === 'text' ? String(block.text) : '')).join(''),
    tool: call && { name: call.name, input: call.args },
  })
  return {
    name: `LangChain, ${transport}`, secure: TRANSPORTS[transport].secure, sendsBodies: true, show: awsShow,
    async say(ask) {
      const client = runtime(ask, transport)
      return understood(await chat(ask, client).invoke(ask.prompt).finally(() => client.destroy()))
    },
    async stream(ask, heard) {
      const client = runtime(ask, transport)
      const leaving = new AbortController()
      try {
        let whole: AIMessageChunk | undefined
        for await (const chunk of await chat(ask, client).stream(ask.prompt, { signal: leaving.signal })) {
          // Its generator does not return before the next event comes: to leave is to abort.
          try {
            heard()
          } catch (enough) {
            leaving.abort()
            throw enough
          }
          whole = whole === undefined ? chunk : whole.concat(chunk)
        }
        return understood(whole!)
      } finally {
        client.destroy()
      }
    },
  }
}

/** Puts the pieces of a streamed answer together. */
class Collector {
  #text = ''
  #name: string | undefined
  #input = ''

  add(piece: { text: string | undefined; name: string | undefined; input: string | undefined }): void {
    this.#text += piece.text ?? ''
    this.#name ??= piece.name
    this.#input += piece.input ?? ''
  }

  all(): Said {
    return { text: this.#text, tool: this.#name === undefined ? undefined : { name: this.#name, input: JSON.parse(this.#input) as unknown } }
  }
}

const EXPECTED: Expectations = {
  'no token': ['UnrecognizedClientException', 1],
  'no token, stream': ['UnrecognizedClientException', 1],
  'forged token': ['UnrecognizedClientException', 1],
  'expired token': ['UnrecognizedClientException', 1],
  'expired token, stream': ['UnrecognizedClientException', 1],
  'AWS says AccessDenied': ['AccessDeniedException', 1],
  'AWS says Throttling': ['ThrottlingException', 3],
  'AWS says Validation': ['ValidationException', 1],
  'AWS says InternalServer': ['InternalServerException', 3],
  'body too large': ['ValidationException', 1],
  'bad model id': ['ValidationException', 1],
  'unknown path': ['UnknownOperationException', 1],
  'policy says no': ['AccessDeniedException', 1],
  'budget used up': ['ServiceQuotaExceededException', 1],
  'rate limited': ['ThrottlingException', 3],
  'rate limited, stream': ['ThrottlingException', 3],
  'keys refused: UnrecognizedClient': ['ServiceUnavailableException', 3],
  'keys refused: ExpiredToken': ['ServiceUnavailableException', 3],
  'keys refused: InvalidSignature': ['ServiceUnavailableException', 3],
  'no keys': ['ServiceUnavailableException', 3],
  'AWS unreachable': ['ServiceUnavailableException', 3],
  'AWS unreachable, stream': ['ServiceUnavailableException', 3],
  'AWS silent': ['ModelTimeoutException', 1],
  'AWS silent, stream': ['ModelTimeoutException', 1],
  'stream cut between messages': ['ModelStreamErrorException', 1],
  'stream falls silent': ['ModelTimeoutException', 1],
  'shutdown amid a stream': ['ServiceUnavailableException', 1],
  'AWS ends a stream: throttling': ['ThrottlingException', 1],
  'AWS ends a stream: internal': ['InternalServerException', 1],
}

/** One question over a client of one's own making. */
async function heard(model: string, config: object): Promise<unknown> {
  const { url: endpoint } = await program('usual', false)
  const client = new BedrockRuntimeClient({ region: REGION, endpoint, ...config })
  const { output } = await client.send(new ConverseCommand({ modelId: model, messages: [] })).finally(() => client.destroy())
  return output?.message?.content?.[0]?.text
}

test('AWS_BEARER_TOKEN_BEDROCK is all that it takes', async () => {
  process.env.AWS_BEARER_TOKEN_BEDROCK = TOKENS.good
  assert.equal(await heard('interop.environment', {}).finally(() => delete process.env.AWS_BEARER_TOKEN_BEDROCK), TEXT)
})

test('a client that can only sign has the token for its session token', async () => {
  const credentials = { accessKeyId: 'AKIDOFNOBODY', secretAccessKey: 'of nobody', sessionToken: TOKENS.good }
  assert.equal(await heard('interop.session-token', { credentials }), TEXT)
  assert.equal(await heard('interop.session-token', { credentials, requestHandler: new NodeHttpHandler() }), TEXT)
})

test('fifty calls at once over one HTTP/2 connection', async () => {
  const { url } = await program('usual', false)
  const client = new BedrockRuntimeClient({ ...awsConfig({ url, token: TOKENS.good }), requestHandler: new NodeHttp2Handler() })
  const calls = Array.from({ length: 50 }, async (_, i) => {
    const { stream } = await client.send(new ConverseStreamCommand({ modelId: `interop.crowd-${i}`, messages: [] }))
    let text = ''
    for await (const event of stream!) text += event.contentBlockDelta?.delta?.text ?? ''
    return text
  })
  assert.deepEqual(new Set(await Promise.all(calls)), new Set([TEXT]))
  client.destroy()
})

/** What was a message's beginning can only be taken back by breaking off. */
const brokenOff = (name: string): Expected => (name.includes('HTTP/1.1') ? ['Error', 1, 'aborted'] : ['Error', 1, /NGHTTP2_INTERNAL_ERROR/])

const clients = [invoke('h2c'), invoke('h2 over TLS'), invoke('HTTP/1.1'), invoke('HTTP/1.1 over TLS'), converse('h2c'), converse('HTTP/1.1'), langchain('h2c')]
interop('@aws-sdk/client-bedrock-runtime', clients, ({ name }) => ({
  ...EXPECTED,
  'stream cut inside a message': brokenOff(name),
  'stream ends inside a message': brokenOff(name),
  // The union of ConverseStream knows no modelTimeoutException.
  ...(!name.startsWith('invoke') && { 'stream falls silent': ['ModelStreamErrorException', 1] as const }),
}))

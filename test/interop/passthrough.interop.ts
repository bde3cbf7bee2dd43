import assert from 'node:assert/strict'
import { test } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import { AnthropicBedrockMantle } from '@anthropic-ai/bedrock-sdk'
import OpenAI from 'openai'
import { Agent, fetch as fetchOverTls } from 'undici'
import type { Ask, Client, Said } from './kit/client.ts'
import { Driver, showRaised } from './kit/driver.ts'
import { TOOL } from './kit/model.ts'
import { REGION } from './kit/signature.ts'
import { eventsOf, reply } from './kit/standin.ts'
import { type Expectations, type Expected, interop, literally, UNNOTICED } from './kit/suite.ts'
import { TOKENS } from './kit/token.ts'
import { bedrock, program } from './kit/world.ts'

type Fetch = (url: string, init: { body?: string }) => Promise<Response>

function tapped({ ca, tap }: Ask): Fetch {
  const inner = (ca === undefined ? fetch : (url: string, init: object) => fetchOverTls(url, { ...init, dispatcher: new Agent({ connect: { ca } }) })) as Fetch
  return async (url, init) => {
    tap.sent(init.body)
    const response = await inner(url, init)
    tap.answered(response.status, Object.fromEntries(response.headers))
    return response
  }
}

const SCHEMA = { type: 'object' as const, properties: { city: { type: 'string' }, days: { type: 'number' } } }
const show: Client['show'] = (error) => ({ error: (error as Error).constructor.name, message: (error as Error).message })
// The clients of Anthropic show the bodies of errors as they came.
const words: NonNullable<Client['words']> = ({ status, message }) => new RegExp(`^(?:Error code: )?${status} .*${literally(message)}`)
const call = (name: string | undefined, input: string): Said['tool'] => (name === undefined ? undefined : { name, input: JSON.parse(input) as unknown })

// Without a key it does not start: who has none sends one that is nobody's.
const openai = (ask: Ask, path: string) => new OpenAI({ baseURL: ask.url + path, apiKey: ask.token ?? 'none', fetch: tapped(ask) as never })

function chat(name: string, path: string, secure: boolean): Client {
  const question = ({ model, prompt, tool }: Ask) => ({
    model, messages: [{ role: 'user' as const, content: prompt }], ...(tool && { tools: [{ type: 'function' as const, function: { name: TOOL.name, parameters: SCHEMA } }] }),
  })
  return {
    name, secure, sendsBodies: true, modelInBody: true, show, words,
    async say(ask) {
      const { message } = (await openai(ask, path).chat.completions.create(question(ask))).choices[0]!
      const made = message.tool_calls?.[0]
      return { text: message.content ?? '', tool: made?.type === 'function' ? call(made.function.name, made.function.arguments) : undefined }
    },
    async stream(ask, heard) {
      let [text, name, input]: [string, string | undefined, string] = ['', undefined, '']
      for await (const { choices } of await openai(ask, path).chat.completions.create({ ...question(ask), stream: true })) {
        heard()
        const { content, tool_calls: [made] = [] } = choices[0]!.delta
        text += content ?? ''
        name ??= made?.function?.name
        input += made?.function?.arguments ?? ''
      }
      return { text, tool: call(name, input) }
    },
  }
}

function responses(name: string, path: string, secure: boolean): Client {
  const question = ({ model, prompt, tool }: Ask) => ({
    model, input: prompt, ...(tool && { tools: [{ type: 'function' as const, name: TOOL.name, parameters: SCHEMA, strict: false }] }),
  })
  return {
    name, secure, sendsBodies: true, modelInBody: true, show, words,
    async say(ask) {
      const { output, output_text } = await openai(ask, path).responses.create(question(ask))
      const made = output[0]!
      return { text: output_text, tool: made.type === 'function_call' ? call(made.name, made.arguments) : undefined }
    },
    async stream(ask, heard) {
      let [text, name, input]: [string, string | undefined, string] = ['', undefined, '']
      for await (const event of await openai(ask, path).responses.create({ ...question(ask), stream: true })) {
        heard()
        if (event.type === 'response.output_text.delta') text += event.delta
        else if (event.type === 'response.output_item.added' && event.item.type === 'function_call') name = event.item.name
        else if (event.type === 'response.function_call_arguments.delta') input += event.delta
      }
      return { text, tool: call(name, input) }
    },
  }
}

function messages(name: string, secure: boolean, client: (ask: Ask) => Pick<Anthropic, 'messages'>): Client {
  const question = ({ model, prompt, tool }: Ask) => ({
    model, max_tokens: 100, messages: [{ role: 'user' as const, content: prompt }], ...(tool && { tools: [{ name: TOOL.name, input_schema: SCHEMA }] }),
  })
  return {
    name, secure, sendsBodies: true, modelInBody: true, show, words,
    async say(ask) {
      const block = (await client(ask).messages.create(question(ask))).content[0]!
      return { text: block.type === 'text' ? block.text : '', tool: block.type === 'tool_use' ? { name: block.name, input: block.input } : undefined }
    },
    async stream(ask, heard) {
      let [text, name, input]: [string, string | undefined, string] = ['', undefined, '']
      for await (const event of await client(ask).messages.create({ ...question(ask), stream: true })) {
        heard()
        if (event.type === 'content_block_start' && event.content_block.type === 'tool_use') name = event.content_block.name
        else if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') text += event.delta.text
        else if (event.type === 'content_block_delta' && event.delta.type === 'input_json_delta') input += event.delta.partial_json
      }
      return { text, tool: call(name, input) }
    },
  }
}

const anthropic = (ask: Ask) => new Anthropic({ baseURL: `${ask.url}/anthropic`, apiKey: null, authToken: ask.token ?? 'none', fetch: tapped(ask) as never })

/** Who has no token signs, which is nothing to the proxy; who has one can sign too, with the token for a session token. */
const mantle = (ask: Ask) => new AnthropicBedrockMantle({
  baseURL: `${ask.url}/anthropic`, awsRegion: REGION, fetch: tapped(ask) as never, awsAccessKey: 'AKIDOFTHEUSER', awsSecretAccessKey: 'of the user', awsSessionToken: ask.token ?? null,
}) as unknown as Pick<Anthropic, 'messages'>

function python(name: string, script: string): Client {
  const driver = Driver.python(script, 'bearer')
  return {
    name, secure: true, sendsBodies: true, modelInBody: true, show: showRaised, words,
    say: (ask) => driver.ask(name, 'say', ask),
    stream: (ask, heard) => driver.ask(name, 'stream', ask, heard),
  }
}

/** What differs from one family of clients to another. */
interface Family {
  readonly clients: readonly Client[]
  readonly tooLarge: string
  readonly unavailable: string
  readonly timeout: string
  /** Broken off amid a stream: nothing can be said within one that is not ours. */
  readonly broken: Expected
  /** An error amid a stream. */
  readonly inStream: (type: string, message: string) => Expected
  /** A stream that ends well in the eyes of HTTP, inside an event. */
  readonly endsInside: Expected
}

const taken = (evidence: string): Expected => [UNNOTICED, 1, `${evidence}: the bytes are AWS's own, and end as AWS ended them`]
const BAD_TOKEN = /The token of your single sign-on was not accepted\./

const OPENAI: Family = {
  clients: [chat('openai, chat, /openai/v1', '/openai/v1', false), responses('openai, responses, /mantle/v1', '/mantle/v1', true)],
  tooLarge: 'APIError', unavailable: 'InternalServerError', timeout: 'APIError',
  broken: ['TypeError', 1, 'terminated'],
  inStream: (_type, message) => ['APIError', 1, message],
  endsInside: ['SyntaxError', 1, 'Error reading response: malformed server-sent event JSON.'],
}
const OPENAI_PYTHON: Family = {
  clients: [python('openai-python', 'openai_sdk.py')],
  tooLarge: 'APIStatusError', unavailable: 'InternalServerError', timeout: 'APIStatusError',
  broken: ['APIConnectionError', 1, 'Connection error.'],
  inStream: (_type, message) => ['APIError', 1, message],
  endsInside: taken('openai-python drops half an event and does not wait for [DONE]'),
}
const ANTHROPIC: Family = {
  clients: [messages('@anthropic-ai/sdk', false, anthropic), messages('AnthropicBedrockMantle, session token', true, mantle)],
  tooLarge: 'ContentTooLargeError', unavailable: 'ServiceUnavailableError', timeout: 'RequestTimeoutError',
  broken: ['TypeError', 1, 'terminated'],
  inStream: (type, message) => ['APIError', 1, JSON.stringify({ type: 'error', error: { type, message } })],
  endsInside: taken('create({ stream: true }) drops half an event and does not wait for message_stop'),
}
const ANTHROPIC_PYTHON: Family = {
  clients: [python('mantle, anthropic-python', 'anthropic_sdk.py')],
  tooLarge: 'ContentTooLargeError', unavailable: 'ServiceUnavailableError', timeout: 'RequestTimeoutError',
  broken: ['RemoteProtocolError', 1, 'peer closed connection without sending complete message body (incomplete chunked read)'],
  inStream: (type, message) => ['APIStatusError', 1, `{'type': 'error', 'error': {'type': '${type}', 'message': '${message}'}}`],
  endsInside: ANTHROPIC.endsInside,
}
const FAMILIES = [OPENAI, ANTHROPIC, OPENAI_PYTHON, ANTHROPIC_PYTHON]

function expected({ tooLarge, unavailable, timeout, broken, inStream, endsInside }: Family, { name }: Client): Expectations {
  // All but one send a token that is none.
  const none: Expected = name.includes('session token') ? ['AuthenticationError', 1] : ['AuthenticationError', 1, BAD_TOKEN]
  return {
    'no token': none,
    'no token, stream': none,
    'forged token': ['AuthenticationError', 1],
    'expired token': ['AuthenticationError', 1],
    'expired token, stream': ['AuthenticationError', 1],
    'AWS says AccessDenied': ['PermissionDeniedError', 1],
    'AWS says Throttling': ['RateLimitError', 3],
    'AWS says Validation': ['BadRequestError', 1],
    'AWS says InternalServer': ['InternalServerError', 3],
    'body too large': [tooLarge, 1],
    'unknown path': ['NotFoundError', 1],
    'policy says no': ['PermissionDeniedError', 1],
    'budget used up': ['BadRequestError', 1],
    'rate limited': ['RateLimitError', 3],
    'rate limited, stream': ['RateLimitError', 3],
    'keys refused: UnrecognizedClient': [unavailable, 3],
    'keys refused: ExpiredToken': [unavailable, 3],
    'keys refused: InvalidSignature': [unavailable, 3],
    'no keys': [unavailable, 3],
    'AWS unreachable': [unavailable, 3],
    'AWS unreachable, stream': [unavailable, 3],
    // They repeat a 408 unless told not to.
    'AWS silent': [timeout, 1],
    'AWS silent, stream': [timeout, 1],
    'stream cut between messages': broken,
    'stream cut inside a message': broken,
    'stream ends inside a message': endsInside,
    'stream falls silent': broken,
    'shutdown amid a stream': broken,
    'AWS ends a stream: throttling': inStream('throttlingException', 'Too many tokens'),
    'AWS ends a stream: internal': inStream('internalServerException', 'Something broke'),
  }
}

/** What is asked here, where it arrives, and at which service. */
const PATHS = [
  ['/openai/v1/chat/completions?b=2&a=x%20y', '/openai/v1/chat/completions?a=x%20y&b=2', 'bedrock'],
  ['/openai/v1/responses', '/openai/v1/responses', 'bedrock'],
  ['/anthropic/v1/messages?beta=true', '/anthropic/v1/messages?beta=true', 'bedrock-mantle'],
  ['/mantle/v1/chat/completions', '/v1/chat/completions', 'bedrock-mantle'],
  ['/mantle/openai/v1/responses', '/openai/v1/responses', 'bedrock-mantle'],
  ['/mantle/anthropic/v1/messages', '/anthropic/v1/messages', 'bedrock-mantle'],
] as const

for (const [path, target, service] of PATHS) {
  test(`${path} is ${target} of ${service}; bodies and server-sent events pass byte by byte`, async () => {
    const { url } = await program('usual', false)
    const model = `interop.bytes${path}`
    // Members in an order, and with spaces, that nobody would give them anew.
    const body = ` {"stream":true,\r\n "model" : ${JSON.stringify(model)}, "x": 1.0e+2, "ü": "\\u00fc" } `
    const answer = await fetch(url + path, { method: 'POST', body, headers: { 'authorization': `Bearer ${TOKENS.good}`, 'content-type': 'application/json' } })
    const bytes = Buffer.from(await answer.arrayBuffer())
    assert.equal(answer.headers.get('content-type'), 'text/event-stream')
    const [received] = bedrock.of(model)
    assert.deepEqual([received?.service, received?.method, received?.target, received?.text()], [service, 'POST', target, body])
    assert.deepEqual(bytes, Buffer.concat(eventsOf(received!.kind, 'words')))
  })
}

test('what has no model in it: lists of models, and tokens counted', async () => {
  const { url } = await program('usual', false)
  const ask: Ask = { url, ca: undefined, token: TOKENS.good, model: '', prompt: '', tool: false, tap: { sent: () => undefined, answered: () => undefined } }
  bedrock.script('v1', reply({ object: 'list', data: [{ id: 'openai.gpt-oss-120b', object: 'model' }], input_tokens: 7 }))
  assert.deepEqual((await openai(ask, '/openai/v1').models.list()).data.map(({ id }) => id), ['openai.gpt-oss-120b'])
  assert.equal((await anthropic(ask).messages.countTokens({ model: 'anthropic.claude-sonnet-4', messages: [{ role: 'user', content: 'x' }] })).input_tokens, 7)
  assert.deepEqual(bedrock.of('v1').map(({ service, method, target }) => [service, method, target]), [['bedrock', 'GET', '/openai/v1/models'], ['bedrock-mantle', 'POST', '/anthropic/v1/messages/count_tokens']])
})

interop('OpenAI and Anthropic', FAMILIES.flatMap(({ clients }) => clients), (client) => expected(FAMILIES.find(({ clients }) => clients.includes(client))!, client))

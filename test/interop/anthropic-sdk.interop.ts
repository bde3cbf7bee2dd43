import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AnthropicBedrock } from '@anthropic-ai/bedrock-sdk'
import { Agent, fetch as fetchOverTls } from 'undici'
import type { Ask, Client } from './kit/client.ts'
import { TEXT, TOOL } from './kit/model.ts'
import { REGION } from './kit/signature.ts'
import { type Expectations, type Expected, interop } from './kit/suite.ts'
import { TOKENS } from './kit/token.ts'
import { program } from './kit/world.ts'

type Fetch = (url: string, init: { body?: string }) => Promise<Response>

/** The SDK for people who have a token: it goes out as a Bedrock API key. */
function anthropic({ url, ca, token, tap }: Ask): AnthropicBedrock {
  // The fetch that Node carries takes authorities from its environment only.
  const inner = (ca === undefined ? fetch : (url: string, init: object) => fetchOverTls(url, { ...init, dispatcher: new Agent({ connect: { ca } }) })) as Fetch
  const tapped: Fetch = async (url, init) => {
    tap.sent(init.body)
    const response = await inner(url, init)
    tap.answered(response.status, Object.fromEntries(response.headers))
    return response
  }
  return new AnthropicBedrock({ baseURL: url, awsRegion: REGION, fetch: tapped as never, ...(token === undefined ? { skipAuth: true } : { apiKey: token }) })
}

function messages({ model, prompt, tool }: Ask) {
  const tools = [{ name: TOOL.name, input_schema: { type: 'object' as const, properties: { city: { type: 'string' }, days: { type: 'number' } } } }]
  return { model, max_tokens: 100, messages: [{ role: 'user' as const, content: prompt }], ...(tool && { tools }) }
}

function client(name: string, secure: boolean): Client {
  return {
    name, secure, sendsBodies: true, matrix: { whole: 'anthropic-bedrock-sdk js', stream: 'anthropic-bedrock-sdk js' },
    async say(ask) {
      const { content } = await anthropic(ask).messages.create(messages(ask))
      return understood(content[0])
    },
    async stream(ask, heard) {
      const stream = anthropic(ask).messages.stream(messages(ask))
      for await (const _event of stream) heard()
      return understood((await stream.finalMessage()).content[0])
    },
    show(error) {
      const { name, message } = error as Error
      return { error: name, message }
    },
    words: ({ status, message }) => `${status} ${message}`,
  }
}

function understood(block: { type: string; text?: string; name?: string; input?: unknown } | undefined) {
  return { text: block?.text ?? '', tool: block?.type === 'tool_use' ? { name: block.name!, input: block.input } : undefined }
}

const eventError = (type: string, message: string): Expected => ['APIError', 1, JSON.stringify({ type: 'error', error: { type, message } })]

const EXPECTED: Expectations = {
  'no token': ['AuthenticationError', 1],
  'no token, stream': ['AuthenticationError', 1],
  'forged token': ['AuthenticationError', 1],
  'expired token': ['AuthenticationError', 1],
  'expired token, stream': ['AuthenticationError', 1],
  // It knows `message` only, and shows AWS's own `Message` as it came.
  'AWS says AccessDenied': ['PermissionDeniedError', 1, /^403 \{"Message":"User: arn:aws:sts::/],
  'AWS says Throttling': ['RateLimitError', 3],
  'AWS says Validation': ['BadRequestError', 1],
  'AWS says InternalServer': ['InternalServerError', 3],
  'body too large': ['ContentTooLargeError', 1],
  'bad model id': ['BadRequestError', 1],
  'unknown path': ['NotFoundError', 1],
  'policy says no': ['PermissionDeniedError', 1],
  'budget used up': ['BadRequestError', 1],
  'rate limited': ['RateLimitError', 3],
  'rate limited, stream': ['RateLimitError', 3],
  'keys refused: UnrecognizedClient': ['ServiceUnavailableError', 3],
  'keys refused: ExpiredToken': ['ServiceUnavailableError', 3],
  'keys refused: InvalidSignature': ['ServiceUnavailableError', 3],
  'no keys': ['ServiceUnavailableError', 3],
  'AWS unreachable': ['ServiceUnavailableError', 3],
  'AWS unreachable, stream': ['ServiceUnavailableError', 3],
  // It repeats a 408 unless told not to.
  'AWS silent': ['RequestTimeoutError', 1],
  'AWS silent, stream': ['RequestTimeoutError', 1],
  'stream cut between messages': eventError('modelStreamErrorException', 'The answer of AWS Bedrock broke off.'),
  'stream cut inside a message': ['AnthropicError', 1, 'terminated'],
  'stream ends inside a message': ['AnthropicError', 1, 'terminated'],
  'stream falls silent': eventError('modelTimeoutException', 'The model stopped answering.'),
  'shutdown amid a stream': eventError('serviceUnavailableException', 'The proxy is shutting down.'),
  'AWS ends a stream: throttling': eventError('throttlingException', 'Too many tokens'),
  'AWS ends a stream: internal': eventError('internalServerException', 'Something broke'),
}

test('a client that can only sign has the token for its session token', async () => {
  const { url: baseURL } = await program('usual', false)
  const signing = new AnthropicBedrock({ baseURL, awsRegion: REGION, awsAccessKey: 'AKIDOFNOBODY', awsSecretKey: 'of nobody', awsSessionToken: TOKENS.good })
  const { content } = await signing.messages.create({ model: 'interop.session-token', max_tokens: 1, messages: [] })
  assert.equal(understood(content[0]).text, TEXT)
})

test('an error carries the request id under which the proxy logged it', async () => {
  const running = await program('usual', false)
  const stranger = new AnthropicBedrock({ baseURL: running.url, awsRegion: REGION, apiKey: TOKENS.forged })
  const error = await stranger.messages.create({ model: 'interop.request-id', max_tokens: 1, messages: [] }).then(() => undefined, (error: { requestID: string }) => error)
  assert.equal((await running.line(({ model }) => model === 'interop.request-id')).request_id, error?.requestID)
})

interop('@anthropic-ai/bedrock-sdk', [client('HTTP/1.1', false), client('HTTP/1.1 over TLS', true)], () => EXPECTED)

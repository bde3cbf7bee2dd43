import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeMessage, eventMessage, exceptionMessage } from '../../src/eventstream/index.ts'
import { type Usage, UsageTap } from '../../src/usage/index.ts'
import { cuttings } from '../kit/pieces.ts'

const JSON_TYPE = 'application/json'
const SSE = 'text/event-stream; charset=utf-8'
const FRAMES = 'application/vnd.amazon.eventstream'

const usage = (input: number, output: number, cacheRead = 0, cacheWrite = 0, partial = false): Usage => ({ input, output, cacheRead, cacheWrite, partial })

function metered(type: string, body: string | Buffer, complete = true): Usage {
  const found = [...cuttings(Buffer.from(body as string))].map(([, chunks]) => {
    const tap = new UsageTap(200, ['X-Other', 'oken', 'Content-Type', type])
    for (const chunk of chunks) tap.push(chunk)
    return tap.end(complete)
  })
  for (const one of found) assert.deepEqual(one, found[0])
  return found[0]!
}

const events = (...data: readonly unknown[]) => data.map((one) => `event: x\ndata: ${typeof one === 'string' ? one : JSON.stringify(one)}\n\n`).join('')
/** As Mantle writes them: the name behind the data, lines that end in CR LF. */
const otherEvents = (...data: readonly unknown[]) => data.map((one) => `data:${typeof one === 'string' ? one : JSON.stringify(one)}\r\nevent: x\r\n\r\n`).join('')
const chunk = (inner: unknown) => encodeMessage(eventMessage('chunk', Buffer.from(JSON.stringify({ bytes: Buffer.from(JSON.stringify(inner)).toString('base64'), p: 'abcdef' }))))

const CHAT = { id: 'x', choices: [{ message: { content: 'the "usage" of tokens: {}' } }], usage: { prompt_tokens: 30, completion_tokens: 9, total_tokens: 39 } }
const CACHED_CHAT = { ...CHAT, usage: { ...CHAT.usage, prompt_tokens_details: { cached_tokens: 20 } } }
const RESPONSE_USAGE = { input_tokens: 100, input_tokens_details: { cached_tokens: 60, cache_write_tokens: 10 }, output_tokens: 7, output_tokens_details: { reasoning_tokens: 3 }, total_tokens: 107 }
const START = { type: 'message_start', message: { usage: { input_tokens: 25, cache_creation_input_tokens: 5, cache_read_input_tokens: 7, output_tokens: 1 } } }
const TEXT = { type: 'content_block_delta', delta: { type: 'text_delta', text: '"usage":{"output_tokens":9999} token 🌍' } }
const DELTA = { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 12 } }

const ROWS: readonly (readonly [name: string, type: string, body: string, usage: Usage])[] = [
  ['OpenAI chat', JSON_TYPE, JSON.stringify(CHAT), usage(30, 9)],
  ['OpenAI chat with a cached prompt', JSON_TYPE, JSON.stringify(CACHED_CHAT), usage(10, 9, 20)],
  ['OpenAI response', JSON_TYPE, JSON.stringify({ output: [], usage: RESPONSE_USAGE }), usage(30, 7, 60, 10)],
  ['OpenAI chat stream', SSE, events({ choices: [{ delta: { content: 'a token' } }], usage: null }, { choices: [], usage: CHAT.usage }, '[DONE]'), usage(30, 9)],
  ['OpenAI chat stream as Mantle writes it', SSE, otherEvents({ choices: [], usage: CACHED_CHAT.usage }, '[DONE]'), usage(10, 9, 20)],
  ['OpenAI chat stream that does not say', SSE, events({ choices: [{ delta: { content: 'a token' } }] }, '[DONE]'), usage(0, 0, 0, 0, true)],
  ['OpenAI response stream', SSE, otherEvents({ type: 'response.created', response: { max_output_tokens: 5, usage: null } }, { type: 'response.completed', response: { output: [{ text: 'x'.repeat(1000) }], usage: RESPONSE_USAGE } }), usage(30, 7, 60, 10)],
  ['Anthropic message', JSON_TYPE, JSON.stringify({ type: 'message', content: [TEXT], usage: { ...START.message.usage, output_tokens: 12, cache_creation: { ephemeral_5m_input_tokens: 5 } } }), usage(25, 12, 7, 5)],
  ['Anthropic stream', SSE, events(START, TEXT, DELTA, { type: 'message_stop' }), usage(25, 12, 7, 5)],
  ['Anthropic stream without its last line break', SSE, events(START, TEXT, DELTA).trimEnd(), usage(25, 12, 7, 5)],
  ['Anthropic stream that is cut', SSE, events(START, TEXT), usage(25, 1, 7, 5, true)],
  ['Anthropic count of tokens', JSON_TYPE, '{"input_tokens":14}', usage(0, 0, 0, 0, true)],
  ['Llama', JSON_TYPE, '{"generation":"Hi","prompt_token_count":5,"generation_token_count":3,"stop_reason":"stop"}', usage(5, 3)],
  ['Titan', JSON_TYPE, '{"inputTextTokenCount":5,"results":[{"tokenCount":10,"outputText":"x"},{"tokenCount":4,"outputText":"y"}]}', usage(5, 14)],
  ['Titan embedding', JSON_TYPE, '{"embedding":[0.1,2e-3],"inputTextTokenCount":5}', usage(5, 0)],
  ['counts by two names', JSON_TYPE, '{"usage":{"inputTokens":3,"outputTokens":2,"cacheReadInputTokens":7,"cacheReadInputTokenCount":8,"totalTokens":99}}', usage(3, 2, 8)],
  ['counts that are none', JSON_TYPE, '{"usage":{"inputTokens":-1,"outputTokens":1.5,"cacheReadInputTokens":"7","cacheWriteInputTokens":1e300}}', usage(0, 0, 0, 0, true)],
  ['no counts', JSON_TYPE, '{"images":["AAAA"]}', usage(0, 0, 0, 0, true)],
  ['no object', JSON_TYPE, '[1]', usage(0, 0, 0, 0, true)],
  ['no JSON', JSON_TYPE, '<html>', usage(0, 0, 0, 0, true)],
  ['another type', 'image/png', '{"usage":{"inputTokens":1,"outputTokens":2}}', usage(0, 0, 0, 0, true)],
]

for (const [name, type, body, wanted] of ROWS) test(`UsageTap counts: ${name}`, () => assert.deepEqual(metered(type, body), wanted))

test('UsageTap counts an Anthropic stream as far as it came, and calls it partial until the last count', () => {
  const body = events(START, TEXT, DELTA, { type: 'message_stop' })
  const [first, last] = [events(START).length, events(START, TEXT, DELTA).length + Buffer.byteLength('🌍') - 2]
  for (let end = 0; end <= Buffer.byteLength(body); end++) {
    const tap = new UsageTap(200, ['content-type', SSE])
    tap.push(Buffer.from(body).subarray(0, end))
    const wanted = end < first - 1 ? usage(0, 0, 0, 0, true) : end < last - 1 ? usage(25, 1, 7, 5, true) : usage(25, 12, 7, 5)
    assert.deepEqual(tap.end(false), wanted, String(end))
  }
})

test('UsageTap takes running counts for all there is only where the stream came to its end', () => {
  const llama = (count: number) => chunk({ generation: 'x', prompt_token_count: count === 1 ? 5 : null, generation_token_count: count, stop_reason: null })
  const stream = Buffer.concat([llama(1), llama(2), llama(3)])
  assert.deepEqual(metered(FRAMES, stream), usage(5, 3))
  assert.deepEqual(metered(FRAMES, stream, false), usage(5, 3, 0, 0, true))
  const exception = encodeMessage(exceptionMessage('modelStreamErrorException', Buffer.from('{"message":"x"}')))
  assert.deepEqual(metered(FRAMES, Buffer.concat([stream, exception])), usage(5, 3, 0, 0, true))
  assert.deepEqual(metered(FRAMES, stream.subarray(0, -1)), usage(5, 2, 0, 0, true))
  const broken = Buffer.from(stream)
  broken[stream.length - 5]! ^= 1
  assert.deepEqual(metered(FRAMES, broken), usage(5, 2, 0, 0, true))
})

test('UsageTap finds counts wherever in a frame its event stands, and takes none of what follows that', () => {
  const bytes = Buffer.from(JSON.stringify(DELTA)).toString('base64')
  const payloads = [{ bytes, p: 'abcdef' }, { p: 'abcdef', bytes }, { p: '"}{"bytes":"', bytes }, { bytes, usage: { output_tokens: 99 } }, DELTA]
  for (const payload of payloads) assert.deepEqual(metered(FRAMES, encodeMessage(eventMessage('chunk', Buffer.from(JSON.stringify(payload))))), usage(0, 12), JSON.stringify(payload))
  const [wrong, exception] = [{ bytes: '"' }, exceptionMessage('throttlingException', Buffer.from('{"message":"tokens"}'))]
  for (const last of [eventMessage('chunk', Buffer.from(JSON.stringify({ ...wrong, p: 'oken' }))), exception]) {
    assert.deepEqual(metered(FRAMES, Buffer.concat([chunk({ generation_token_count: 3 }), encodeMessage(last), chunk(DELTA)])), usage(0, 3, 0, 0, true))
  }
})

test('UsageTap takes no chunk for the frame that ends in it, though it is as long', () => {
  const [first, second] = [chunk({ generation_token_count: 3 }), chunk({ generation_token_count: 4 })]
  assert.equal(first.length, second.length)
  const both = Buffer.concat([first, second])
  for (let cut = 1; cut < first.length; cut++) {
    const tap = new UsageTap(200, ['Content-Type', FRAMES])
    // Each in memory of its own, as what is read of a socket can be.
    for (const piece of [both.subarray(0, cut), both.subarray(cut, cut + first.length), both.subarray(cut + first.length)]) tap.push(Buffer.from(new Uint8Array(piece).buffer))
    assert.equal(tap.end(true).output, 4, `cut at ${cut}`)
  }
})

test('UsageTap keeps what it saw before a frame that no JSON is in, and looks no further', () => {
  const odd = encodeMessage(eventMessage('chunk', Buffer.from('{"bytes":"oken')))
  const metrics = chunk({ 'amazon-bedrock-invocationMetrics': { inputTokenCount: 99, outputTokenCount: 99 } })
  assert.deepEqual(metered(FRAMES, Buffer.concat([chunk(START), odd, metrics])), usage(25, 1, 7, 5, true))
})

test('UsageTap counts nothing of an error', () => {
  for (const status of [400, 403, 429, 500]) {
    const tap = new UsageTap(status, ['content-type', JSON_TYPE, 'X-Amzn-Bedrock-Input-Token-Count', '5'])
    tap.push(Buffer.from(JSON.stringify(CHAT)))
    assert.deepEqual(tap.end(true), usage(0, 0))
  }
})

test('UsageTap believes the head of an answer, however its names are spelt, and a body besides only where that is silent', () => {
  const counted = (fields: readonly string[]) => {
    const tap = new UsageTap(200, ['content-type', JSON_TYPE, ...fields])
    tap.push(Buffer.from(JSON.stringify(CHAT)))
    return tap.end(true)
  }
  assert.deepEqual(counted(['X-Amzn-Bedrock-Input-Token-Count', '5', 'x-amzn-bedrock-output-token-count', '6', 'X-AMZN-BEDROCK-CACHE-READ-INPUT-TOKEN-COUNT', '7']), usage(5, 6, 7))
  assert.deepEqual(counted(['x-amzn-bedrock-input-token-count', '5']), usage(5, 0))
  assert.deepEqual(counted(['x-amzn-bedrock-invocation-latency', '5']), usage(30, 9))
  assert.deepEqual(counted(['x-amzn-bedrock-input-token-count', 'many']), usage(0, 0, 0, 0, true))
})

test('UsageTap keeps no more of a line than a few megabytes, and goes on behind it', () => {
  const tap = new UsageTap(200, ['content-type', SSE])
  tap.push(Buffer.from('data: {"usage":{"input_tokens":99,"x":"'))
  for (let i = 0; i < 80; i++) tap.push(Buffer.alloc(65_536, 'x'))
  tap.push(Buffer.from(`"}}\n\n${events(START, DELTA)}`))
  assert.deepEqual(tap.end(true), usage(25, 12, 7, 5))
})

import { EventStreamCodec } from '@smithy/eventstream-codec'

/** What the stand-in's model has to say: words, or the call of a tool. */
export type Speech = 'words' | 'tool'

export const WORDS = ['Grüße ', 'from ', 'a ', 'model ', '🙂']
export const TEXT = WORDS.join('')
export const TOOL = { name: 'get_weather', input: { city: 'Zürich', days: 3 } }
export const TOOL_JSON = ['{"city":', ' "Zürich", ', '"days": 3}']
const TOOL_USE_ID = 'tooluse_1'

/** Whether an operation, named by the last segment of its path, answers with a stream. */
export const isStream = (kind: string): boolean => kind.endsWith('-stream')

/** A whole answer. */
export function wholeAnswer(kind: 'invoke' | 'converse', speech: Speech): object {
  if (kind === 'invoke') {
    const content = speech === 'words' ? { type: 'text', text: TEXT } : { type: 'tool_use', id: TOOL_USE_ID, ...TOOL }
    return message([content], speech === 'words' ? 'end_turn' : 'tool_use', 9)
  }
  const content = speech === 'words' ? { text: TEXT } : { toolUse: { toolUseId: TOOL_USE_ID, ...TOOL } }
  const stopReason = speech === 'words' ? 'end_turn' : 'tool_use'
  return { metrics: { latencyMs: 12 }, output: { message: { content: [content], role: 'assistant' } }, stopReason, usage: USAGE }
}

/** The same answer as the messages of an event stream. */
export function streamAnswer(kind: string, speech: Speech): Uint8Array[] {
  return kind === 'converse-stream' ? converseEvents(speech) : invokeEvents(speech)
}

const USAGE = { inputTokens: 7, outputTokens: 9, totalTokens: 16 }
const METRICS = { inputTokenCount: 7, outputTokenCount: 9, invocationLatency: 34, firstByteLatency: 12 }

export function message(content: object[], stopReason: string | null, outputTokens: number): object {
  return { id: 'msg_1', type: 'message', role: 'assistant', model: 'stand-in', content, stop_reason: stopReason, stop_sequence: null, usage: { input_tokens: 7, output_tokens: outputTokens } }
}

function invokeEvents(speech: Speech): Uint8Array[] {
  return messageEvents(speech).map((event) => eventFrame('chunk', { bytes: Buffer.from(JSON.stringify(event)).toString('base64'), p: 'abcdefgh' }))
}

/** A stream of Anthropic's Messages API. */
export function messageEvents(speech: Speech): readonly object[] {
  const block = speech === 'words' ? { type: 'text', text: '' } : { type: 'tool_use', id: TOOL_USE_ID, name: TOOL.name, input: {} }
  const deltas = speech === 'words' ? WORDS.map((text) => ({ type: 'text_delta', text })) : TOOL_JSON.map((partial_json) => ({ type: 'input_json_delta', partial_json }))
  return [
    { type: 'message_start', message: message([], null, 1) },
    { type: 'content_block_start', index: 0, content_block: block },
    ...deltas.map((delta) => ({ type: 'content_block_delta', index: 0, delta })),
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: speech === 'words' ? 'end_turn' : 'tool_use', stop_sequence: null }, usage: { output_tokens: 9 } },
    { type: 'message_stop', 'amazon-bedrock-invocationMetrics': METRICS },
  ]
}

function converseEvents(speech: Speech): Uint8Array[] {
  const contentBlockIndex = 0
  const deltas = speech === 'words' ? WORDS.map((text) => ({ text })) : TOOL_JSON.map((input) => ({ toolUse: { input } }))
  return [
    eventFrame('messageStart', { p: 'abc', role: 'assistant' }),
    ...(speech === 'words' ? [] : [eventFrame('contentBlockStart', { contentBlockIndex, start: { toolUse: { name: TOOL.name, toolUseId: TOOL_USE_ID } } })]),
    ...deltas.map((delta) => eventFrame('contentBlockDelta', { contentBlockIndex, delta, p: 'abcdefghij' })),
    eventFrame('contentBlockStop', { contentBlockIndex, p: 'ab' }),
    eventFrame('messageStop', { p: 'abcd', stopReason: speech === 'words' ? 'end_turn' : 'tool_use' }),
    eventFrame('metadata', { metrics: { latencyMs: 12 }, p: 'abcde', usage: USAGE }),
  ]
}

export const codec = new EventStreamCodec((bytes) => Buffer.from(bytes).toString('utf8'), (text) => Buffer.from(text))

function eventFrame(type: string, payload: object): Uint8Array {
  return frame([[':event-type', type], [':content-type', 'application/json'], [':message-type', 'event']], payload)
}

export function exceptionFrame(type: string, message: string): Uint8Array {
  return frame([[':exception-type', type], [':content-type', 'application/json'], [':message-type', 'exception']], { message })
}

function frame(headers: readonly (readonly [string, string])[], payload: object): Uint8Array {
  const typed = headers.map(([name, value]) => [name, { type: 'string' as const, value }] as const)
  return codec.encode({ headers: Object.fromEntries(typed), body: Buffer.from(JSON.stringify(payload)) })
}

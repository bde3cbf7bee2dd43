import { message, messageEvents, type Speech, TEXT, TOOL, TOOL_JSON, WORDS } from './model.ts'

/** The surfaces that AWS speaks itself, by the last segment of their paths: what is said there whole, and as server-sent events. */
export const SURFACES: ReadonlyMap<string, { readonly whole: (speech: Speech) => object; readonly events: (speech: Speech) => readonly object[] }> = new Map([
  ['messages', { whole: (speech) => message([contentOf(speech)], speech === 'words' ? 'end_turn' : 'tool_use', 9), events: messageEvents }],
  ['completions', { whole: completion, events: completionChunks }],
  ['responses', { whole: response, events: responseEvents }],
])

/** The members of a stream as AWS sends them: of each event the data before its name. */
export function serverSentEvents(kind: string, speech: Speech): Uint8Array[] {
  const surface = kind.replace(/-stream$/, '')
  const events = SURFACES.get(surface)!.events(speech)
  // Nobody hears of the mark that ends a stream of OpenAI's: it comes with the last event.
  return events.map((event, i) => Buffer.from(serverSentEvent(event) + (surface === 'completions' && i === events.length - 1 ? 'data: [DONE]\n\n' : '')))
}

/** An error in the middle of a stream. */
export function errorEvent(kind: string, type: string, words: string): Uint8Array {
  return Buffer.from(kind.startsWith('messages') ? serverSentEvent({ type: 'error', error: { type, message: words } }) : serverSentEvent(openaiError(type, words)))
}

/** An error instead of an answer. */
export const surfaceError = (kind: string, type: string, words: string): object =>
  kind.startsWith('messages') ? { type: 'error', error: { type, message: words } } : openaiError(type, words)

const openaiError = (type: string, words: string): object => ({ error: { message: words, type, code: type, param: null } })

function serverSentEvent(event: object): string {
  const { type } = event as { type?: string }
  return `data: ${JSON.stringify(event)}\n${type === undefined ? '' : `event: ${type}\n`}\n`
}

const contentOf = (speech: Speech): object => (speech === 'words' ? { type: 'text', text: TEXT } : { type: 'tool_use', id: 'call_1', ...TOOL })

const COMPLETION = { id: 'chatcmpl-1', created: 1, model: 'stand-in' }
const CHAT_USAGE = { prompt_tokens: 7, completion_tokens: 9, total_tokens: 16 }
const finish = (speech: Speech): string => (speech === 'words' ? 'stop' : 'tool_calls')

function completion(speech: Speech): object {
  const call = { id: 'call_1', type: 'function', function: { name: TOOL.name, arguments: TOOL_JSON.join('') } }
  const said = speech === 'words' ? { content: TEXT } : { content: null, tool_calls: [call] }
  return { ...COMPLETION, object: 'chat.completion', choices: [{ index: 0, message: { role: 'assistant', ...said }, finish_reason: finish(speech) }], usage: CHAT_USAGE }
}

function completionChunks(speech: Speech): readonly object[] {
  const call = { index: 0, id: 'call_1', type: 'function', function: { name: TOOL.name, arguments: '' } }
  const deltas = speech === 'words'
    ? WORDS.map((content) => ({ content }))
    : [{ tool_calls: [call] }, ...TOOL_JSON.map((text) => ({ tool_calls: [{ index: 0, function: { arguments: text } }] }))]
  const chunk = (delta: object, finish_reason: string | null) => ({ ...COMPLETION, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason }] })
  return [...deltas.map((delta) => chunk(delta, null)), { ...chunk({}, finish(speech)), usage: CHAT_USAGE }]
}

function response(speech: Speech): object {
  const item = speech === 'words'
    ? { id: 'msg_1', type: 'message', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: TEXT, annotations: [] }] }
    : { id: 'fc_1', type: 'function_call', call_id: 'call_1', name: TOOL.name, arguments: TOOL_JSON.join(''), status: 'completed' }
  const usage = { input_tokens: 7, input_tokens_details: { cached_tokens: 0 }, output_tokens: 9, output_tokens_details: { reasoning_tokens: 0 }, total_tokens: 16 }
  return { id: 'resp_1', object: 'response', created_at: 1, model: 'stand-in', status: 'completed', error: null, output: [item], usage }
}

function responseEvents(speech: Speech): readonly object[] {
  const whole = response(speech) as { readonly output: readonly object[] }
  const [type, pieces] = speech === 'words' ? ['response.output_text.delta', WORDS] as const : ['response.function_call_arguments.delta', TOOL_JSON] as const
  const events = [
    { type: 'response.created', response: { ...whole, status: 'in_progress', output: [] } },
    { type: 'response.output_item.added', output_index: 0, item: { ...whole.output[0], status: 'in_progress' } },
    ...pieces.map((delta) => ({ type, item_id: 'msg_1', output_index: 0, content_index: 0, delta, logprobs: [] })),
    { type: 'response.output_item.done', output_index: 0, item: whole.output[0] },
    { type: 'response.completed', response: whole },
  ]
  return events.map((event, sequence_number) => ({ ...event, sequence_number }))
}

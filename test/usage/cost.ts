import { encodeMessage, eventMessage } from '../../src/eventstream/index.ts'
import { UsageTap } from '../../src/usage/index.ts'

/** Prints what a chunk of a stream costs: `node --import tsx test/usage/cost.ts`. CPU time of the process, which other load hardly disturbs. */
const CHUNKS = 200
const STREAMS = 500
const FRAMES = ['content-type', 'application/vnd.amazon.eventstream']
const LINES = ['content-type', 'text/event-stream']

const invoke = (inner: object) => encodeMessage(eventMessage('chunk', Buffer.from(JSON.stringify({ bytes: Buffer.from(JSON.stringify(inner)).toString('base64'), p: 'abcdefghijklmnop' }))))
const claude = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'some words of an answer' } }
const llama = (i: number) => ({ generation: ' some words', prompt_token_count: i === 0 ? 50 : null, generation_token_count: i + 1, stop_reason: null })
const chat = (i: number) => ({ id: 'chatcmpl-1', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content: ' some words' } }], usage: { prompt_tokens: 50, completion_tokens: i + 1, total_tokens: i + 51 } })

const ROWS: readonly (readonly [name: string, fields: readonly string[], chunk: (i: number) => Buffer])[] = [
  ['Claude, InvokeModelWithResponseStream', FRAMES, () => invoke(claude)],
  ['Converse', FRAMES, () => encodeMessage(eventMessage('contentBlockDelta', Buffer.from(JSON.stringify({ contentBlockIndex: 0, delta: { text: ' some words' }, p: 'abcdefghijklmnop' }))))],
  ['Llama, whose every chunk holds counts', FRAMES, (i) => invoke(llama(i))],
  ['Claude, server-sent events', LINES, () => Buffer.from(`event: content_block_delta\ndata: ${JSON.stringify(claude)}\n\n`)],
  ['chat, server-sent events that all hold counts', LINES, (i) => Buffer.from(`data: ${JSON.stringify(chat(i))}\n\n`)],
]

for (const [name, fields, chunk] of ROWS) {
  const chunks = Array.from({ length: CHUNKS }, (_, i) => chunk(i))
  const cost = () => {
    const began = process.cpuUsage()
    for (let stream = 0; stream < STREAMS; stream++) {
      const tap = new UsageTap(200, fields)
      for (const one of chunks) tap.push(one)
      tap.end(true)
    }
    const { user, system } = process.cpuUsage(began)
    return (user + system) / STREAMS / CHUNKS
  }
  cost()
  console.log(`${name.padEnd(50)} ${Math.min(...Array.from({ length: 8 }, cost)).toFixed(2)} µs per chunk of ${chunks[CHUNKS - 1]!.length} bytes`)
}

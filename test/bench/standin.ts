// The stand-in for Bedrock, forked by run.ts. An invoke is answered at once; a stream gets its head and one frame, and
// more when run.ts says how many: a few streams in each tick of 1 ms, so that the frames of one never coalesce.
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { crc32 } from 'node:zlib'
import { FRAME_BYTES } from './load.ts'

const perTick = Number(process.argv[2])
const FRAME = frame()
const ANSWER = JSON.stringify({ type: 'message', text: 'y'.repeat(270) })
const id = { 'x-amzn-requestid': '7f9f0c1e-6a0b-4b53-9d5c-0c7a2f6f3a11' }
const counts = { 'x-amzn-bedrock-input-token-count': '230', 'x-amzn-bedrock-output-token-count': '24' }
const answerHead = { ...id, ...counts, 'content-type': 'application/json', 'content-length': ANSWER.length }
const streamHead = { ...id, 'content-type': 'application/vnd.amazon.eventstream' }
const streams = new Set<ServerResponse>()

const server = createServer({ keepAliveTimeout: 300_000 }, (request, response) => {
  request.resume().on('end', () => {
    if (!request.url?.endsWith('-stream')) return response.writeHead(200, answerHead).end(ANSWER)
    response.writeHead(200, streamHead).write(FRAME)
    streams.add(response.on('close', () => streams.delete(response)))
  })
})
server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => process.send?.((server.address() as AddressInfo).port))

process.on('disconnect', () => process.exit())
process.on('message', (framesEach: number) => {
  const queue = function* (): Generator<ServerResponse> {
    for (let i = 0; i < framesEach; i++) yield* streams
  }
  const pending = queue()
  const timer = setInterval(() => {
    for (let i = 0; i < perTick; i++) if (pending.next().value?.write(FRAME) === undefined) return clearInterval(timer)
  }, 1)
})

/** One `chunk` event as Bedrock sends it, filled up with AWS's own padding member `p`. */
function frame(): Buffer {
  const fields = { ':event-type': 'chunk', ':content-type': 'application/json', ':message-type': 'event' }
  const header = ([name, value]: [string, string]): number[] => [name.length, ...Buffer.from(name), 7, 0, value.length, ...Buffer.from(value)]
  const headers = Buffer.from(Object.entries(fields).flatMap(header))
  const delta = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: ' of the' } }
  const chunk = { bytes: Buffer.from(JSON.stringify(delta)).toString('base64'), p: '' }
  chunk.p = 'a'.repeat(FRAME_BYTES - 16 - headers.length - JSON.stringify(chunk).length)
  const message = Buffer.concat([Buffer.alloc(12), headers, Buffer.from(JSON.stringify(chunk)), Buffer.alloc(4)])
  message.writeUInt32BE(message.length, 0)
  message.writeUInt32BE(headers.length, 4)
  message.writeUInt32BE(crc32(message.subarray(0, 8)), 8)
  message.writeUInt32BE(crc32(message.subarray(0, -4)), message.length - 4)
  return message
}

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Script } from '../kit/bedrock.ts'
import { DATA, END_HEADERS, END_STREAM, frame, HEADERS, HELLO, requestHead } from './frames.ts'
import { BEARER, invoke, Line, openHouse, statuses, TOKEN } from './kit.ts'

const WAIT = { timeout: 15_000 }
// Here the client goes, and no timer is to be quicker than it: a busy machine can stall for the kit's 300 ms.
const house = await openHouse({ SERVER__TIMEOUTS__HEADER: '5s', SERVER__TIMEOUTS__IDLE: '5s', SERVER__TIMEOUTS__KEEP_ALIVE: '5s' })

/** Bedrock by the name of the model: says nothing, begins an answer, or answers. */
house.bedrock.script = ((seen, response) => {
  if (seen.target.includes('silent')) return
  response.writeHead(200, { 'Content-Type': 'application/json' })
  if (seen.target.includes('begun')) response.write('{')
  else response.end('{}')
}) satisfies Script

const head = (model: string, lines: string) => `POST /model/${model}/invoke HTTP/1.1\r\nHost: a\r\n${BEARER}${lines}\r\n`
const h2Head = (model: string, flags: number) => Buffer.concat([HELLO, frame(HEADERS, flags, 1, requestHead(`/model/${model}/invoke`, ['authorization', `Bearer ${TOKEN}`]))])
const h2Request = (model: string) => Buffer.concat([h2Head(model, END_HEADERS), frame(DATA, END_STREAM, 1, Buffer.from('{}'))])
const WEBSOCKET = 'GET /model/x/invoke-with-bidirectional-stream HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'

/** What the client has said when it goes, and what it waited for before; `upstream` where Bedrock was at work by then. */
const PHASES: readonly (readonly [name: string, said: Buffer | string, heard?: RegExp | undefined, upstream?: true])[] = [
  ['nothing', ''],
  ['the start of either protocol', 'PR'],
  ['half a head', head('half', '').slice(0, 30)],
  ['a head without its body', head('half', 'Content-Length: 10\r\n')],
  ['a head that waits to be told', head('half', 'Expect: 100-continue\r\nContent-Length: 2\r\n'), /^HTTP\/1\.1 100/],
  ['half a body', `${head('half', 'Content-Length: 10\r\n')}{}`],
  ['half a chunk', `${head('half', 'Transfer-Encoding: chunked\r\n')}5\r\nab`],
  ['a refused request with half a body', `${head('half', 'Content-Length: 10\r\n').replace(TOKEN, 'a.b.c')}{}`, /^HTTP\/1\.1 401/],
  ['bytes that are no request', '\x00\x01\x02\r\n\r\n'],
  ['CONNECT', 'CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n'],
  ['a WebSocket handshake', `${WEBSOCKET}\r\n`],
  ['a WebSocket handshake and frames', `${WEBSOCKET}${BEARER}\r\n\x81\x85\x00\x00\x00\x00hello`],
  ['an upgrade with a body', `${head('half', 'Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 10\r\n')}{}`],
  ['a request that Bedrock is at work on', invoke('silent-h1'), undefined, true],
  ['a request whose answer has begun', invoke('begun-h1'), /\{/, true],
  ['a request that is answered', invoke('whole-h1'), /\{\}/],
  ['HTTP/2: a preface', HELLO],
  ['HTTP/2: half a head', h2Head('half', 0)],
  ['HTTP/2: a head without its body', h2Head('half', END_HEADERS)],
  ['HTTP/2: a request that Bedrock is at work on', h2Request('silent-h2'), undefined, true],
  ['HTTP/2: a request whose answer has begun', h2Request('begun-h2'), /\{/, true],
  ['HTTP/2: a request that is answered', h2Request('whole-h2'), /\{\}/],
]

for (const [how, go] of [['a reset', (line: Line) => void line.socket.resetAndDestroy()], ['an end', (line: Line) => void line.socket.end()]] as const) {
  describe(`a client that goes with ${how} hurts nobody, and its call ends`, () => {
    for (const [name, said, heard, upstream] of PHASES) {
      test(`after ${name}`, WAIT, async () => {
        const next = upstream === true ? house.bedrock.next() : undefined
        const line = Line.to(house.proxy.port)
        await new Promise<void>((resolve) => line.socket.write(said, () => resolve()))
        if (heard !== undefined) await line.until(heard)
        const seen = await next
        go(line)
        await line.closed
        await seen?.over
        assert.deepEqual(statuses(await house.send('GET /health HTTP/1.0\r\n\r\n')), [200])
      })
    }
  })
}

test('what had not arrived whole never reached Bedrock', () => {
  assert.deepEqual(house.seenOf('half'), [])
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectH2 } from 'node:http2'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import type { Script } from '../kit/bedrock.ts'
import { END_HEADERS, END_STREAM, frame, HEADERS, HELLO, PING, PREFACE, requestHead, SETTINGS } from './frames.ts'
import { closeOf, type House, invoke, Line, openHouse, responses, statuses, TOKEN } from './kit.ts'

// No test here measures time: each waits for the end of a connection, and fails where that does not come.
const WAIT = { timeout: 15_000 }
const house = await openHouse()
/** One that keeps connections, so that whatever ends here ends for another reason. */
const patient = await openHouse({ SERVER__TIMEOUTS__KEEP_ALIVE: '1h' })

const wholeHead = requestHead('/model/h2/invoke', ['authorization', `Bearer ${TOKEN}`], ['content-length', '10'])

const NOWHERE = frame(HEADERS, END_HEADERS | END_STREAM, 1, requestHead('/nowhere'))

/** Connections whose client falls silent, by what it said before. */
const SILENCES: readonly (readonly [name: string, said: Buffer | string])[] = [
  ['nothing', ''],
  ['one letter', 'P'],
  ['what could become either protocol', 'PRI '.slice(0, 3)],
  ['the first word of HTTP/2', 'PRI '],
  ['half a preface of HTTP/2', PREFACE.subarray(0, 18)],
  ['a preface without settings', PREFACE],
  ['a preface with settings, and no request', HELLO],
  ['half a HEADERS frame', Buffer.concat([HELLO, frame(HEADERS, END_HEADERS, 1, wholeHead).subarray(0, 40)])],
  ['a HEADERS frame that another is to follow', Buffer.concat([HELLO, frame(HEADERS, 0, 1, wholeHead)])],
  ['half a frame header', Buffer.concat([HELLO, Buffer.of(0, 0, 8, 6)])],
  ['a line break', '\r\n'],
  ['half a request line', 'GET /health HT'],
  ['half a head', 'GET /health HTTP/1.1\r\nHost: a\r\nX'],
  ['a head without its last line', 'GET /health HTTP/1.1\r\nHost: a\r\n'],
  ['a request and half of the next', 'GET /health HTTP/1.1\r\nHost: a\r\n\r\nGET /hea'],
  ['a whole request', 'GET /health HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a head and half a body', invoke('silent', '', '{}', 'Content-Length: 10\r\n')],
  ['a head and half a chunk', invoke('silent', '', '5\r\nab', 'Transfer-Encoding: chunked\r\n')],
  ['a refused head and half a body', invoke('silent', '', '{}', 'Content-Length: 10\r\n').replace(TOKEN, 'a.b.c')],
]

describe('a client that falls silent is let go', { concurrency: true }, () => {
  for (const [name, said] of SILENCES) {
    test(`after ${name}`, WAIT, async () => {
      const line = Line.to(house.proxy.port)
      line.socket.write(said)
      await line.closed
    })
  }

  test('silence within a body is answered 408', WAIT, async () => {
    assert.deepEqual(statuses(await house.send(invoke('silent', '', '{}', 'Content-Length: 10\r\n'))), [408])
  })
})

/** Says a few bytes again and again until the connection is closed. */
function dripping(first: Buffer | string, drop: Buffer | string): Line {
  const line = Line.to(house.proxy.port)
  line.socket.write(first)
  const drip = setInterval(() => line.socket.write(drop), 20)
  line.socket.on('close', () => clearInterval(drip))
  return line
}

describe('a client that says next to nothing, again and again, is let go', { concurrency: true }, () => {
  test('in a head of HTTP/1.1', WAIT, async () => {
    assert.deepEqual(statuses(responses(await dripping('GET /health HTTP/1.1\r\nHost: a\r\nX: ', 'a').closed)), [408])
  })

  test('in line breaks before a head', WAIT, async () => {
    await dripping('', '\r\n').closed
  })

  for (const [name, said] of [['without a request', HELLO], ['after its last request', Buffer.concat([HELLO, NOWHERE])]] as const) {
    test(`in PINGs ${name}`, WAIT, async () => {
      await dripping(said, frame(PING, 0, 0, Buffer.alloc(8))).closed
    })
  }
})

test('a body over HTTP/2 that stalls is answered 408', WAIT, async () => {
  const session = connectH2(`http://127.0.0.1:${house.proxy.port}`)
  const stream = session.request({ ':method': 'POST', ':path': '/model/stalls/invoke', authorization: `Bearer ${TOKEN}`, 'content-length': 10 })
  stream.write('{}')
  const [headers] = await once(stream, 'response') as [{ ':status': number }]
  assert.equal(headers[':status'], 408)
  stream.destroy()
  session.close()
})

/** Answers for ever, as fast as it is read. */
const endless: Script = (_seen, response) => {
  response.writeHead(200, { 'Content-Type': 'application/json' })
  const block = Buffer.alloc(65_536, 'a')
  const more = () => { while (!response.destroyed && response.write(block)); }
  response.on('drain', more)
  more()
}

/** Ends when the server has closed a connection on which nothing is read: only who writes learns of it. */
async function unread(of: House, said: string): Promise<void> {
  const socket = connect(of.proxy.port, '127.0.0.1', () => socket.write(said))
  socket.pause()
  const drip = setInterval(() => socket.write('\r\n'), 20)
  await closeOf(socket)
  clearInterval(drip)
}

test('a client of HTTP/1.1 that stops reading a large answer is let go, and Bedrock with it', WAIT, async () => {
  house.bedrock.script = endless
  const next = house.bedrock.next()
  await unread(house, invoke('slow'))
  await (await next).over
})

test('a client of HTTP/2 that stops reading a large answer is let go, and Bedrock with it', WAIT, async () => {
  house.bedrock.script = endless
  const next = house.bedrock.next()
  const session = connectH2(`http://127.0.0.1:${house.proxy.port}`)
  const stream = session.request({ ':method': 'POST', ':path': '/model/slow/invoke', authorization: `Bearer ${TOKEN}` }, { endStream: true })
  const closed = closeOf(stream)
  stream.pause()
  const { over } = await next
  await over
  stream.resume()
  await closed
  session.close()
})

describe('an answer that is complete, and that its client does not take, holds nothing longer than a client may be idle', { concurrency: true }, () => {
  test('HTTP/1.1: answers fill the way to a client that goes on asking and never reads', WAIT, async () => {
    patient.bedrock.script = (_seen, response) => void response.end(Buffer.alloc(64_000, 'a'))
    await unread(patient, invoke('tail').repeat(101))
    assert.ok(patient.seenOf('tail').length < 101)
  })

  test('HTTP/2: a window of nothing for an answer of a few bytes', WAIT, async () => {
    const noWindow = Buffer.from([0, 4, 0, 0, 0, 0])
    const line = Line.to(patient.proxy.port)
    line.socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, noWindow), frame(HEADERS, END_HEADERS | END_STREAM, 1, requestHead('/nowhere'))]))
    await line.until(/\x00\x00\x04\x03\x00\x00\x00\x00\x01/)
    line.socket.destroy()
  })
})

test('clients that never close their side do not hold up the end of the proxy', WAIT, async () => {
  const other = await openHouse()
  const sockets = [Buffer.concat([HELLO, NOWHERE]), Buffer.from('GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n')].map((said) => {
    const socket = connect({ port: other.proxy.port, host: '127.0.0.1', allowHalfOpen: true }, () => socket.write(said))
    return socket.resume()
  })
  await Promise.all(sockets.map((socket) => once(socket, 'end')))
  await other.proxy.stop()
  for (const socket of sockets) socket.destroy()
})

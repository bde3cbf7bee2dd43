import assert from 'node:assert/strict'
import { type ClientHttp2Session, connect, constants, type OutgoingHttpHeaders } from 'node:http2'
import { after, describe, test } from 'node:test'
import { CONTINUATION, DATA, END_HEADERS, END_STREAM, type Frame, frame, framesOf, GOAWAY, HEADERS, HELLO, hpack, PING, requestHead, RST_STREAM } from './frames.ts'
import { closeOf, invoke, Line, openHouse, statuses, TOKEN } from './kit.ts'

// Far longer than anything here takes, even on a machine that has much else to do.
const WAIT = { timeout: 60_000 }
const AUTHORIZATION = `Bearer ${TOKEN}`
// In which a first stream must come: on such a machine more than the usual passes before the server reads a byte.
const house = await openHouse({ SERVER__TIMEOUTS__HEADER: '3s' })

const clients: ClientHttp2Session[] = []
after(() => clients.forEach((client) => client.destroy()))
function client(): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${house.proxy.port}`).on('error', () => undefined)
  clients.push(session)
  return session
}

const good = (model: string): OutgoingHttpHeaders => ({ ':method': 'POST', ':path': `/model/${model}/invoke`, authorization: AUTHORIZATION })

/** Status of the answer to a request, or the code its stream was reset with. */
async function outcome(session: ClientHttp2Session, headers: OutgoingHttpHeaders, body = '{}'): Promise<number | string> {
  const stream = session.request(headers)
  let status: number | undefined
  stream.on('response', (head) => { status = head[':status'] }).resume().end(body)
  await closeOf(stream)
  return status ?? `reset ${stream.rstCode}`
}

describe('HTTP/2: what nghttp2 leaves to us', { concurrency: true }, () => {
  const session = client()
  const many = (count: number, value: string) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-${i}`, value]))

  for (const [name, headers, expected] of [
    ['two authorities', { ':authority': 'a', host: 'b' }, 400],
    ['one authority said twice', { ':authority': 'a', host: 'a' }, 200],
    ['an asterisk', { ':method': 'OPTIONS', ':path': '*' }, 400],
    ['a fragment', { ':path': '/model/m/invoke#x' }, 400],
    ['dot segments', { ':path': '/model/../model/m/invoke' }, 400],
    ['two tokens', { 'x-api-key': 'a.b.c' }, 400],
    ['no token', { authorization: undefined }, 401],
    ['another method', { ':method': 'PATCH' }, 405],
    ['198 header lines', many(194, 'x'), 200],
    ['201 header lines', many(200, 'x'), 431],
  ] as const) {
    test(`a request with ${name} is answered ${expected}`, WAIT, async () => {
      const model = `own-${name.replaceAll(' ', '-')}`
      const asked = { ...good(model), ...(headers as OutgoingHttpHeaders) }
      assert.equal(await outcome(session, Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined))), expected)
      assert.equal(house.seenOf(model).length, expected === 200 ? 1 : 0)
    })
  }

  // Versions of nghttp2 differ in what they reset before we see it.
  for (const [name, headers, expected] of [
    ['an authority with userinfo', { ':authority': 'a@b' }, /^(?:400|reset \d+)$/],
    ['more than 400 header lines', many(450, 'x'), /^(?:431|reset \d+)$/],
    ['a header of 66 KiB', many(66, 'x'.repeat(1024)), /^(?:431|reset \d+)$/],
  ] as const) {
    test(`a request with ${name} is refused or reset`, WAIT, async () => {
      assert.match(String(await outcome(client(), { ...good('odd'), ...headers })), expected)
    })
  }
})

/** All frames that come back until the server closes. */
async function answerTo(...frames: readonly Buffer[]): Promise<Frame[]> {
  const line = Line.to(house.proxy.port)
  line.socket.write(Buffer.concat([HELLO, ...frames]))
  return framesOf(Buffer.from(await line.closed, 'latin1'))
}

describe('HTTP/2: what nghttp2 refuses', { concurrency: true }, () => {
  const AUTH = ['authorization', AUTHORIZATION] as const
  const PATH = '/model/broken/invoke'
  const heads = (head: Buffer) => [frame(HEADERS, END_HEADERS, 1, head), frame(DATA, END_STREAM, 1, Buffer.from('{}'))]
  const rows: readonly (readonly [name: string, frames: readonly Buffer[]])[] = [
    ['a header name in capitals', heads(requestHead(PATH, AUTH, ['X-Name', '1']))],
    ['a Connection header', heads(requestHead(PATH, AUTH, ['connection', 'close']))],
    ['a Transfer-Encoding', heads(requestHead(PATH, AUTH, ['transfer-encoding', 'chunked']))],
    ['a Keep-Alive', heads(requestHead(PATH, AUTH, ['keep-alive', '1']))],
    ['an Upgrade', heads(requestHead(PATH, AUTH, ['upgrade', 'h2c']))],
    ['a TE other than trailers', heads(requestHead(PATH, AUTH, ['te', 'gzip']))],
    ['a line break in the path', heads(requestHead(`${PATH} HTTP/1.1\r\nx: `, AUTH))],
    ['two paths', heads(requestHead(PATH, AUTH, [':path', '/health']))],
    ['a pseudo-header behind a header', heads(requestHead(PATH, AUTH, [':authority', 'b']))],
    ['a pseudo-header of its own', heads(hpack([[':method', 'POST'], [':scheme', 'http'], [':path', PATH], [':host', 'a'], AUTH]))],
    ['no path', heads(hpack([[':method', 'POST'], [':scheme', 'http'], [':authority', 'a'], AUTH]))],
    ['an absolute path', heads(requestHead(`http://evil.example${PATH}`, AUTH))],
    ['two content-lengths', heads(requestHead(PATH, AUTH, ['content-length', '2'], ['content-length', '3']))],
    ['a content-length larger than the body', heads(requestHead(PATH, AUTH, ['content-length', '3']))],
    ['a content-length smaller than the body', heads(requestHead(PATH, AUTH, ['content-length', '1']))],
    ['a content-length that is no number', heads(requestHead(PATH, AUTH, ['content-length', '2, 2']))],
    ['a stream that a server opens', [frame(HEADERS, END_HEADERS | END_STREAM, 2, requestHead(PATH, AUTH))]],
    ['a body on a stream that is not open', [frame(DATA, END_STREAM, 1, Buffer.from('{}'))]],
    ['a header that never ends', [frame(HEADERS, 0, 1, requestHead(PATH, AUTH)), ...Array.from({ length: 200 }, (_, i) => frame(CONTINUATION, 0, 1, hpack([[`x-${i}`, 'x'.repeat(1000)]])))]],
    ['another frame within a header', [frame(HEADERS, 0, 1, requestHead(PATH, AUTH)), frame(PING, 0, 0, Buffer.alloc(8))]],
    ['a header of broken HPACK', [frame(HEADERS, END_HEADERS | END_STREAM, 1, Buffer.alloc(20, 0xff))]],
  ]
  for (const [name, frames] of rows) {
    test(`${name} ends the stream or the session without an answer`, WAIT, async () => {
      const answer = await answerTo(...frames)
      assert.ok(answer.some(({ type }) => type === RST_STREAM || type === GOAWAY))
      assert.deepEqual(answer.filter(({ type }) => type === HEADERS), [])
    })
  }

  test('nothing else about these requests is: the first of them is answered', WAIT, async () => {
    const answer = await answerTo(...heads(requestHead('/model/plain/invoke', AUTH, ['x-name', '1'])))
    assert.equal(answer.filter(({ type }) => type === HEADERS).length, 1)
  })
})

test('HTTP/2: fields that no field can be are taken for none', WAIT, async () => {
  const lines: (readonly [string, string])[] = [['authorization', AUTHORIZATION], ['x-name', 'a\r\nx-evil: 1'], ['x:evil', '1'], ['', '1'], ['x evil', '1']]
  await answerTo(frame(HEADERS, END_HEADERS | END_STREAM, 1, requestHead('/model/no-fields/invoke', ...lines)))
  const [seen] = house.seenOf('no-fields')
  assert.deepEqual(seen!.rawHeaders.filter((text) => /evil|x-name/.test(text)), [])
})

test('HTTP/2: nothing of all this reached Bedrock', () => {
  assert.deepEqual([...house.seenOf('broken'), ...house.seenOf('odd')], [])
})

test('HTTP/2: 300 requests at once are all answered, though a session has 250 streams', WAIT, async () => {
  const session = client()
  const answers = await Promise.all(Array.from({ length: 300 }, (_, i) => outcome(session, good(`crowd-${i}`))))
  assert.deepEqual(new Set(answers), new Set([200]))
})

test('HTTP/2: a client that opens more streams than it may is told so, and the others are answered', WAIT, async () => {
  const head = requestHead('/nowhere')
  const answer = await answerTo(...Array.from({ length: 300 }, (_, i) => frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, head)))
  const answered = answer.filter(({ type }) => type === HEADERS).length
  const refused = answer.filter(({ type, payload }) => type === RST_STREAM && payload.readUInt32BE(0) === constants.NGHTTP2_REFUSED_STREAM).length
  assert.ok(answered >= 250 && answered + refused === 300, `${answered} answered, ${refused} refused`)
})

test('HTTP/2: a thousand requests, each reset at once, leave no call to Bedrock', WAIT, async () => {
  house.bedrock.script = () => undefined
  const before = house.bedrock.seen.length
  const line = Line.to(house.proxy.port)
  const head = requestHead('/model/rapid/invoke', ['authorization', AUTHORIZATION])
  const cancel = Buffer.from([0, 0, 0, constants.NGHTTP2_CANCEL])
  for (let i = 1; i < 2000; i += 2) line.socket.write(Buffer.concat([...(i === 1 ? [HELLO] : []), frame(HEADERS, END_HEADERS | END_STREAM, i, head), frame(RST_STREAM, 0, i, cancel)]))
  await line.closed
  await Promise.all(house.bedrock.seen.slice(before).map(({ over }) => over))
  house.bedrock.script = (_seen, response) => void response.end('{}')
  assert.deepEqual(statuses(await house.send(invoke('after-rapid'))), [200])
})

test('HTTP/2: a client that sends PINGs and takes no answer is let go', WAIT, async () => {
  const line = Line.to(house.proxy.port)
  line.socket.pause()
  const pings = Buffer.concat(Array.from({ length: 1000 }, () => frame(PING, 0, 0, Buffer.alloc(8))))
  line.socket.write(HELLO)
  const flood = () => { while (!line.socket.destroyed && line.socket.write(pings)); }
  line.socket.on('drain', flood)
  flood()
  await line.closed
})

test('HTTP/2: Expect is answered by 100 before the body, or by the refusal alone', WAIT, async () => {
  const session = client()
  const ask = async (model: string, authorization: string) => {
    const stream = session.request({ ...good(model), authorization, expect: '100-continue', 'content-length': 2 })
    const said: (string | number | undefined)[] = []
    stream.on('continue', () => {
      said.push('continue')
      stream.end('{}')
    })
    stream.on('response', (head) => {
      said.push(head[':status'])
      stream.end()
    }).resume()
    await closeOf(stream)
    return said
  }
  assert.deepEqual(await ask('expects', AUTHORIZATION), ['continue', 200])
  assert.deepEqual(await ask('expects', 'Bearer a.b.c'), [401])
  assert.equal(house.seenOf('expects').length, 1)
})

test('HTTP/2: trailers stay here', WAIT, async () => {
  const stream = client().request(good('trailers'), { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-late': '1', authorization: 'Bearer a.b.c' }))
  stream.resume().end('{}')
  await closeOf(stream)
  const [seen] = house.seenOf('trailers')
  assert.equal(seen!.headers['x-late'], undefined)
  assert.equal(seen!.body.toString(), '{}')
})

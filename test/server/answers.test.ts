import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { after, describe, test } from 'node:test'
import { ask, type Protocol, PROTOCOLS } from '../kit/client.ts'
import { startProxy } from '../kit/proxy.ts'
import { TOKEN } from './kit.ts'

/** An upstream that says anything: what it is to say is the model it is asked for. */
const upstream = createServer((socket) => {
  socket.on('error', () => undefined)
  socket.once('data', (request) => {
    const [, index] = /^POST \/model\/(\d+)\//.exec(request.toString('latin1'))!
    socket.end(Buffer.from(ROWS[Number(index)]!.said, 'latin1'))
  })
}).listen(0, '127.0.0.1')
after(() => upstream.close())
await once(upstream, 'listening')
const proxy = await startProxy({ url: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}` }, { SERVER__DRAIN_TIMEOUT: '0s' })
after(() => proxy.stop())

/** A status, or that the answer ended without one. */
type Expected = number | 'broken'

interface Row {
  readonly name: string
  readonly said: string
  readonly expected: Readonly<Record<Protocol, Expected>>
  /** The header of an answer that is passed on, less Date, framing and pseudo-headers. */
  readonly header?: Readonly<Record<string, string>>
}

const whole = (line: string, lines: string) => `HTTP/1.1 ${line}\r\n${lines}Content-Length: 2\r\nConnection: close\r\n\r\n{}`
const both = (expected: Expected) => ({ 'HTTP/1.1': expected, 'HTTP/2': expected })
const passed = (name: string, lines: string, header: Readonly<Record<string, string>>): Row => ({ name, said: whole('200 OK', lines), expected: both(200), header })
const refused = (name: string, said: string): Row => ({ name, said, expected: both(503) })
/** HTTP/2 has no words for these. */
const h1Only = (name: string, lines: string): Row => ({ name, said: whole('200 OK', lines), expected: { 'HTTP/1.1': 200, 'HTTP/2': 'broken' } })

const ROWS: readonly Row[] = [
  passed('nothing but an answer', '', {}),
  passed('cookies and its name', 'Set-Cookie: a\r\nSet-Cookie: b\r\nServer: Server\r\n', {}),
  passed('hop-by-hop fields', 'Keep-Alive: timeout=9\r\nProxy-Connection: x\r\nTE: x\r\nTrailer: x\r\nUpgrade: h2c\r\nHTTP2-Settings: a\r\n', {}),
  passed('a field that it names in Connection', 'Connection: X-Hop\r\nX-Hop: 1\r\nX-Stay: 2\r\n', { 'x-stay': '2' }),
  passed('names of object prototypes', 'constructor: y\r\ntoString: z\r\n', { constructor: 'y', tostring: 'z' }),
  passed('a list in two lines', 'Link: a\r\nLink: b\r\n', { link: 'a, b' }),
  passed('a place to go', 'Location: http://evil.example/\r\n', { location: 'http://evil.example/' }),
  passed('a request id', 'x-amzn-RequestId: r\r\n', { 'x-amzn-requestid': 'r', 'request-id': 'r' }),
  { name: 'control characters behind the status', said: whole('200 \x01\x7f', 'X-Stay: 1\r\n'), expected: both(200), header: { 'x-stay': '1' } },
  { name: 'early hints', said: `HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n${whole('200 OK', '')}`, expected: both(200), header: {} },
  { name: 'a redirect', said: whole('302 Found', 'Location: http://169.254.169.254/\r\n'), expected: both(302) },
  { name: 'a status that few know', said: whole('599 X', ''), expected: both(599) },
  h1Only('two content types', 'Content-Type: a\r\nContent-Type: b\r\n'),
  h1Only('two entity tags', 'ETag: 1\r\nETag: 2\r\n'),
  refused('status 99', whole('099 X', '')),
  refused('status 600', whole('600 X', '')),
  refused('status 999', whole('999 X', '')),
  refused('nothing but a hundred 100s', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(100)),
  refused('101', 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
  refused('a space in a name', whole('200 OK', 'x y: 1\r\n')),
  refused('a folded line', whole('200 OK', 'X: 1\r\n 2\r\n')),
  refused('a bare line feed', whole('200 OK', 'X: 1\nY: 2\r\n')),
  refused('a NUL', whole('200 OK', 'X: \x00\r\n')),
  refused('two lengths', whole('200 OK', 'Content-Length: 3\r\n')),
  refused('a length and chunks', whole('200 OK', 'Transfer-Encoding: chunked\r\n')),
  refused('a head of 100 kB', whole('200 OK', `X: ${'a'.repeat(100_000)}\r\n`)),
  refused('noise', '\x16\x03\x01\x02\x00\x01'),
  refused('nothing', ''),
]

for (const protocol of PROTOCOLS) {
  describe(`${protocol}: an upstream that says`, { concurrency: true }, () => {
    ROWS.forEach(({ name, expected, header }, i) => {
      test(`${name} is heard as ${expected[protocol]}`, async () => {
        const answer = ask(protocol, proxy.port, `/model/${i}/invoke`, { headers: { authorization: `Bearer ${TOKEN}` }, body: '{}' })
        if (expected[protocol] === 'broken') return assert.rejects(answer, /RST_STREAM/)
        const { status, headers, complete } = await answer
        assert.deepEqual([status, complete], [expected[protocol], true])
        if (header === undefined) return
        const { date, connection, ':status': pseudo, 'content-length': length, ...rest } = headers
        assert.deepEqual(Object.fromEntries(Object.entries(rest)), header)
      })
    })
  })
}

test('after all this the proxy serves', async () => {
  assert.equal((await ask('HTTP/1.1', proxy.port, '/model/0/invoke', { headers: { authorization: `Bearer ${TOKEN}` }, body: '{}' })).status, 200)
})

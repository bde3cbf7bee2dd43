import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { LogLine } from '../kit/proxy.ts'
import { END_HEADERS, END_STREAM, frame, HEADERS, HELLO, requestHead } from './frames.ts'
import { BEARER, invoke, Line, openHouse, responses } from './kit.ts'

const WAIT = { timeout: 15_000 }
const folder = mkdtempSync(join(tmpdir(), 'unread-'))
after(() => rmSync(folder, { recursive: true }))
const auditFile = join(folder, 'audit.jsonl')
const house = await openHouse({ SERVER__TRUSTED_PROXIES: '127.0.0.1', AUDIT__FILE: auditFile })
const { log } = house.proxy
/** The lines of the audit log about a request, once they are written. */
async function auditLines(id: unknown): Promise<Record<string, unknown>[]> {
  const lines = () => readFileSync(auditFile, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line) as Record<string, unknown>)
  while (lines().length < requestLines(0).length) await nextTurn()
  return lines().filter(({ request_id }) => request_id === id)
}
const requestLines = (from: number): LogLine[] => log.slice(from).filter(({ msg }) => msg === 'request')

/** What never becomes a request, and the one line in the log, and the one in the audit log, that tell of it. */
const REFUSED: readonly (readonly [name: string, bytes: string, line: { status: number; error: string; method?: string; source?: string; detail?: string }])[] = [
  ['a method that nobody knows', invoke('x').replace('POST', 'post'), { status: 400, error: 'UNREADABLE', detail: 'HPE_INVALID_METHOD' }],
  ['two lengths', invoke('x', 'Transfer-Encoding: chunked\r\n'), { status: 400, error: 'UNREADABLE', detail: 'HPE_INVALID_CONTENT_LENGTH' }],
  ['noise', '\x00\xff'.repeat(100), { status: 400, error: 'UNREADABLE', detail: 'HPE_INVALID_METHOD' }],
  ['noise again and again', 'noise '.repeat(20_000), { status: 400, error: 'UNREADABLE', detail: 'HPE_INVALID_METHOD' }],
  ['a header too large', invoke('x', `X: ${'a'.repeat(70_000)}\r\n`), { status: 431, error: 'HTTP_TOO_MANY_HEADERS', detail: 'HPE_HEADER_OVERFLOW' }],
  ['half a head', 'GET / HTTP/1.1\r\nHost: a\r\nX: a', { status: 408, error: 'HEAD_TIMEOUT', detail: 'ERR_HTTP_REQUEST_TIMEOUT' }],
  ['CONNECT', `CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\nX-Forwarded-For: 198.51.100.1\r\n${BEARER}\r\n`,
    { status: 405, error: 'UNKNOWN_METHOD', method: 'CONNECT', source: '198.51.100.1' }],
  ['an expectation that nobody knows', invoke('x', 'Expect: 200-ok\r\nX-Forwarded-For: 198.51.100.1\r\n'), { status: 417, error: 'EXPECTATION_UNKNOWN', method: 'POST', source: '198.51.100.1' }],
  ['a page with a body', 'GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}', { status: 400, error: 'BODY_NOT_ALLOWED', method: 'GET' }],
  ['a page without a host', 'GET /health HTTP/1.1\r\nConnection: close\r\n\r\n', { status: 400, error: 'HTTP_BAD_HOST', method: 'GET' }],
]

describe('what never becomes a request is one line in the log, and one in the audit log, by the id that its client was told', () => {
  for (const [name, bytes, { status, error, method, source = '127.0.0.1', detail }] of REFUSED) {
    test(name, WAIT, async () => {
      const before = log.length
      const [answer, ...more] = await house.send(bytes)
      assert.deepEqual(more, [])
      assert.equal(answer!.status, status)
      await nextTurn()
      assert.deepEqual(requestLines(before).map(({ time: _, level, ...line }) => line), [
        JSON.parse(JSON.stringify({ msg: 'request', request_id: answer!.headers.get('x-amzn-requestid'), source, method, status, failed: 'client', error, bytes_in: 0, bytes_out: 0, duration_ms: 0, detail })),
      ])
      const [line, ...others] = await auditLines(answer!.headers.get('x-amzn-requestid'))
      assert.deepEqual([line!.event, line!.source, line!.method, line!.status, line!.failed, line!.error, others], ['call', source, method, status, 'client', error, []])
    })
  }

  test('the words of the answer say that the request could not be read', WAIT, async () => {
    const [answer] = await house.send('noise\r\n\r\n')
    assert.equal((JSON.parse(answer!.body) as { message: string }).message, 'The request could not be read.')
  })
})

test('a page is answered before what stands behind its request in the same bytes', WAIT, async () => {
  for (const more of ['noise\r\n\r\n', 'CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n']) {
    const [answer] = await house.send(`GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n${more}`)
    assert.equal(answer!.status, 200)
  }
})

test('a second request that cannot be read ends the connection with a line of its own, and no answer of its own', WAIT, async () => {
  const before = log.length
  house.bedrock.script = (_seen, response) => void response.writeHead(200, { 'Content-Type': 'application/vnd.amazon.eventstream' }).write('x')
  const line = Line.to(house.proxy.port)
  line.write(invoke('x').replace('/invoke', '/invoke-with-response-stream'))
  await line.until(/200 OK/)
  line.write('noise\r\n\r\n')
  const answers = responses(await line.closed)
  house.bedrock.script = (_seen, response) => void response.end('{}')
  assert.deepEqual(answers.map(({ status }) => status), [200])
  while (requestLines(before).length < 2) await nextTurn()
  assert.deepEqual(requestLines(before).map(({ error, status }) => [error, status]), [['UNREADABLE', 400], ['CLIENT_GONE', 200]])
})

test('more requests at once than may wait are one line', WAIT, async () => {
  const before = log.length
  const line = Line.to(house.proxy.port)
  house.bedrock.script = () => undefined
  line.write(invoke('x').repeat(150))
  await line.closed
  house.bedrock.script = (_seen, response) => void response.end('{}')
  assert.deepEqual(requestLines(before).filter(({ error }) => error === 'UNREADABLE').map(({ detail }) => detail), ['too many requests wait on one connection'])
})

test('what is no HTTP/2 after all is one line', WAIT, async () => {
  const before = log.length
  const line = Line.to(house.proxy.port)
  // A stream of an even number is the server's.
  line.socket.write(Buffer.concat([HELLO, frame(HEADERS, END_HEADERS | END_STREAM, 2, requestHead('/nowhere'))]))
  await line.closed
  assert.deepEqual(requestLines(before).map(({ error, source, detail }) => [error, source, detail]), [['UNREADABLE', '127.0.0.1', 'Protocol error']])
})

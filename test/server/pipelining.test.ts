import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Script, Seen } from '../kit/bedrock.ts'
import { invoke, Line, openHouse, responses, statuses, TOKEN } from './kit.ts'

const house = await openHouse({ SERVER__MAX_BODY: '1MiB' })

const modelOf = ({ target }: Seen) => target.split('/')[2]!
const echo: Script = (seen, response) => void response.end(modelOf(seen))

const ten = (prefix: string) => Array.from({ length: 10 }, (_, i) => `${prefix}-${i}`)

test('ten requests in one go reach Bedrock one after the other, and are answered in their order', async () => {
  let atWork = 0
  let most = 0
  house.bedrock.script = (seen, response) => {
    most = Math.max(most, ++atWork)
    setImmediate(() => {
      atWork--
      echo(seen, response)
    })
  }
  const answers = await house.send(ten('order').map((model) => invoke(model)).join(''))
  assert.deepEqual(answers.map(({ body }) => body), ten('order'))
  assert.equal(most, 1)
})

test('refusals among ten requests keep their places', async () => {
  house.bedrock.script = echo
  const requests = ten('mixed').map((model, i) => (i % 2 === 0 ? invoke(model) : invoke(model).replace(TOKEN, 'a.b.c')))
  assert.deepEqual(statuses(await house.send(requests.join(''))), [200, 401, 200, 401, 200, 401, 200, 401, 200, 401])
})

test('of ten requests whose client resets the connection the first ends at Bedrock, and the others never come', async () => {
  house.bedrock.script = () => undefined
  const next = house.bedrock.next()
  const line = Line.to(house.proxy.port)
  line.write(ten('reset').map((model) => invoke(model)).join(''))
  const { over } = await next
  line.socket.resetAndDestroy()
  await over
  house.bedrock.script = echo
  assert.deepEqual(statuses(await house.send(invoke('later'))), [200])
  assert.deepEqual(house.bedrock.seen.map(modelOf).filter((model) => model.startsWith('reset')), ['reset-0'])
})

test('a hundred requests may wait on a connection; one more ends it', async () => {
  house.bedrock.script = echo
  assert.equal((await house.send(invoke('hundred') + 'GET /health HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(100))).length, 101)
  house.bedrock.script = () => undefined
  assert.deepEqual(await house.send(invoke('more') + 'GET /health HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(101)), [])
})

describe('a body that nobody read does not become a request', { concurrency: true }, () => {
  // Each carries, as its body, a request that would be answered 200.
  const inner = invoke('inner')
  const rows: readonly (readonly [name: string, bytes: string, status: number])[] = [
    ['no token', invoke('outer', '', inner).replace(`Bearer ${TOKEN}`, ''), 401],
    ['a bad token', invoke('outer', '', inner).replace(TOKEN, 'a.b.c'), 401],
    ['too large a body', invoke('outer', '', inner, 'Content-Length: 2000000\r\n'), 413],
    ['chunks of too large a body', invoke('outer', '', `200000\r\n${'a'.repeat(0x200000)}\r\n0\r\n\r\n${inner}`, 'Transfer-Encoding: chunked\r\n'), 413],
    ['an unknown path', invoke('outer', '', inner).replace('/invoke', '/invoked'), 404],
    ['another method', invoke('outer', '', inner).replace('POST', 'PUT'), 405],
    ['a bad target', invoke('..', '', inner), 400],
    ['no body allowed', invoke('outer', '', inner).replace('POST /model/outer/invoke', 'GET /foundation-models'), 400],
    ['no body allowed on a page', invoke('outer', '', inner).replace('POST /model/outer/invoke', 'GET /health'), 400],
  ]
  for (const [name, bytes, status] of rows) {
    test(`behind a request with ${name}`, async () => {
      const [answer, ...more] = await house.send(bytes)
      assert.deepEqual([answer!.status, more], [status, []])
    })

    test(`behind a request with ${name}, when it comes after the answer`, async () => {
      const line = Line.to(house.proxy.port)
      const at = bytes.indexOf('\r\n\r\n') + 4
      line.write(bytes.slice(0, at))
      if (!name.startsWith('chunks')) await line.until(/^HTTP\/1\.1 \d/)
      line.write(bytes.slice(at))
      assert.deepEqual(statuses(responses(await line.closed)), [status])
    })
  }

  test('nor does it reach Bedrock', () => {
    assert.deepEqual([house.seenOf('inner'), house.seenOf('outer')], [[], []])
  })
})

test('a connection goes on after refusals that left nothing unread', async () => {
  house.bedrock.script = echo
  const refused = invoke('x', '', '', '').replace(TOKEN, 'a.b.c')
  assert.deepEqual(statuses(await house.send(`${refused}GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n${invoke('after')}`)), [401, 404, 200])
})

// Within the body of an answer, the head of another one would be read as a part of it.
for (const [name, bytes] of [['bytes that are no request', 'no request\r\n\r\n'], ['a CONNECT', 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n']] as const) {
  test(`${name} behind a request whose answer has begun end the connection without another answer`, async () => {
    house.bedrock.script = (_seen, response) => void response.writeHead(200, { 'Content-Type': 'application/vnd.amazon.eventstream' }).flushHeaders()
    const line = Line.to(house.proxy.port)
    line.write(invoke('begun').replace('/invoke', '/invoke-with-response-stream'))
    await line.until(/\r\n\r\n$/)
    line.write(bytes)
    assert.equal((await line.closed).match(/HTTP\/1\.1/g)!.length, 1)
  })
}

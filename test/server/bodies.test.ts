import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BEARER, invoke, Line, openHouse, responses, statuses } from './kit.ts'

const LIMIT = 1024
const house = await openHouse({ SERVER__MAX_BODY: `${LIMIT}` })

/** Head of a request whose body does not follow at once. */
const head = (model: string, lines: string, token = BEARER, version = 'HTTP/1.1') => `POST /model/${model}/invoke ${version}\r\nHost: a\r\n${token}${lines}\r\n`
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`
const bodiesOf = (model: string) => house.seenOf(model).map(({ body }) => body.toString('latin1'))

async function assertAnswered(bytes: string, expected: readonly number[]): Promise<void> {
  assert.deepEqual(statuses(await house.send(bytes)), expected)
}

describe('bodies', { concurrency: true }, () => {
  test('a body of the largest size goes up, by its length or in chunks', async () => {
    await assertAnswered(invoke('largest', '', 'a'.repeat(LIMIT)), [200])
    await assertAnswered(head('largest', 'Transfer-Encoding: chunked\r\n') + chunk('a'.repeat(LIMIT)) + chunk(''), [200])
    assert.deepEqual(bodiesOf('largest'), ['a'.repeat(LIMIT), 'a'.repeat(LIMIT)])
  })

  test('a length beyond the largest is refused before a byte of the body has come', async () => {
    const [answer, ...more] = await house.send(head('over', `Content-Length: ${LIMIT + 1}\r\n`))
    assert.deepEqual([answer!.status, answer!.headers.get('connection'), more], [413, 'close', []])
  })

  test('chunks beyond the largest are refused at the byte, though their end has not come', async () => {
    await assertAnswered(head('over', 'Transfer-Encoding: chunked\r\n') + chunk('a'.repeat(LIMIT)) + '1\r\na', [413])
  })

  test('chunks are counted by what they carry, however small they are', async () => {
    await assertAnswered(head('crumbs', 'Transfer-Encoding: chunked\r\n') + chunk('a').repeat(LIMIT) + chunk(''), [200])
    await assertAnswered(head('over', 'Transfer-Encoding: chunked\r\n') + chunk('a').repeat(LIMIT + 1) + chunk(''), [413])
    assert.deepEqual(bodiesOf('crumbs'), ['a'.repeat(LIMIT)])
  })

  test('extensions, leading zeros and trailers of chunks stay here', async () => {
    await assertAnswered(`${head('chunks', 'Transfer-Encoding: chunked\r\nTrailer: X-Late\r\n')}00000002;a=b;c="d"\r\n{}\r\n000\r\nX-Late: 1\r\nAuthorization: Basic dTpw\r\n\r\n`, [200])
    const [seen] = house.seenOf('chunks')
    assert.equal(seen!.body.toString(), '{}')
    assert.equal(seen!.headers['content-length'], '2')
    for (const name of ['transfer-encoding', 'trailer', 'x-late', 'te']) assert.equal(seen!.headers[name], undefined, name)
  })

  test('more than 16 KiB of chunk extensions are refused', async () => {
    await assertAnswered(`${head('extensions', 'Transfer-Encoding: chunked\r\n')}2;a=${'b'.repeat(17 * 1024)}\r\n{}\r\n0\r\n\r\n`, [400])
    assert.deepEqual(bodiesOf('extensions'), [])
  })

  test('a client that leaves within its body calls nobody', async () => {
    for (const framing of ['Content-Length: 100\r\n', 'Transfer-Encoding: chunked\r\n']) {
      const line = Line.to(house.proxy.port)
      line.socket.end(`${head('left', framing)}2\r\n{}\r\n`)
      assert.deepEqual(statuses(responses(await line.closed)), [400])
    }
    assert.deepEqual(bodiesOf('left'), [])
    assert.deepEqual(house.proxy.log.filter(({ model }) => model === 'left').map(({ error }) => error), ['CLIENT_GONE', 'CLIENT_GONE'])
  })

  test('what follows a body that is shorter than what was sent is the next request', async () => {
    await assertAnswered(invoke('short', '', '{}') + invoke('short-next', '', '[]'), [200, 200])
    assert.deepEqual([bodiesOf('short'), bodiesOf('short-next')], [['{}'], ['[]']])
    // What is no request ends the connection, and with it all that it carried.
    await assertAnswered(invoke('short-rest', '', '{}{}', 'Content-Length: 2\r\n'), [400])
  })

  test('a POST may have no body, with or without a length that says so', async () => {
    await assertAnswered(invoke('empty', '', '', 'Content-Length: 0\r\n') + invoke('empty', '', '', 'Content-Length: 00\r\n') + invoke('empty', '', '', ''), [200, 200, 200])
    assert.deepEqual(house.seenOf('empty').map(({ headers }) => headers['content-length']), ['0', '0', '0'])
  })

  test('an encoded body is refused: nobody here unpacks it, and AWS must not either', async () => {
    await assertAnswered(invoke('gzip', 'Content-Encoding: gzip\r\n', '\x1f\x8b\x08\x00\xff'), [415])
    assert.deepEqual(bodiesOf('gzip'), [])
  })

  test('a body that stalls is answered 408, by its length or in chunks', async () => {
    await assertAnswered(head('stalls', 'Content-Length: 10\r\n') + '{}', [408])
    await assertAnswered(head('stalls', 'Transfer-Encoding: chunked\r\n') + chunk('{}'), [408])
    assert.deepEqual(bodiesOf('stalls'), [])
  })
})

describe('Expect: 100-continue', { concurrency: true }, () => {
  const EXPECT = 'Expect: 100-continue\r\n'

  test('a good request is told to go on, and answered', async () => {
    const line = Line.to(house.proxy.port)
    line.write(head('expects', `${EXPECT}Content-Length: 2\r\n`))
    await line.until(/^HTTP\/1\.1 100 [^\r\n]*\r\n\r\n$/)
    line.write('{}')
    assert.deepEqual(statuses(responses(await line.closed)), [100, 200])
    assert.equal(house.seenOf('expects')[0]!.headers.expect, undefined)
  })

  // Nobody told them to go on, so the connection ends with the answer: what comes may be the body or not.
  for (const [name, bytes, status] of [
    ['no token', head('refused', `${EXPECT}Content-Length: 2\r\n`, ''), 401],
    ['a bad token', head('refused', `${EXPECT}Content-Length: 2\r\n`, 'Authorization: Bearer a.b.c\r\n'), 401],
    ['too large a body', head('refused', `${EXPECT}Content-Length: ${LIMIT + 1}\r\n`), 413],
    ['a bad target', head('..', `${EXPECT}Content-Length: 2\r\n`), 400],
  ] as const) {
    test(`a request with ${name} is answered ${status} and not told to go on`, async () => {
      const [answer, ...more] = await house.send(bytes)
      assert.deepEqual([answer!.status, answer!.headers.get('connection'), more], [status, 'close', []])
    })
  }

  test('a client that was told to go on and does not is answered 408', async () => {
    await assertAnswered(head('refused', `${EXPECT}Content-Length: 2\r\n`), [100, 408])
  })

  test('a client that does not wait to be told is answered all the same', async () => {
    await assertAnswered(`${head('impatient', `${EXPECT}Content-Length: 2\r\n`)}{}`, [100, 200])
    assert.deepEqual(bodiesOf('impatient'), ['{}'])
  })

  test('HTTP/1.0 knows no expectations', async () => {
    await assertAnswered(`${head('old', `${EXPECT}Content-Length: 2\r\n`, BEARER, 'HTTP/1.0')}{}`, [200])
  })
})

test('nothing of what was refused reached Bedrock', () => {
  for (const model of ['over', 'refused']) assert.deepEqual(bodiesOf(model), [])
})

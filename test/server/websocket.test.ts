import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { encodeMessage, type HeaderValue, Splitter } from '../../src/eventstream/index.ts'
import { chunk, echo, eventIn } from '../kit/conversing.ts'
import { startProxy, token } from '../kit/proxy.ts'
import { NOVA, opening, PATH, Talker } from '../kit/talker.ts'
import { conformance, readJson } from '../kit/vectors.ts'
import { clientFrame, clientText } from '../kit/websocket.ts'
import { AUTH, bedrock, conversation, leave, outcome, proxy, talker, wrapped } from './conversation.ts'
import { responses } from './kit.ts'

describe('a conversation on a WebSocket', () => {
  test('JSON goes both ways as text, signed event by event', async () => {
    bedrock.converse = async (heard) => {
      await echo(heard)
      heard.stream.end()
    }
    const line = proxy.nextRequestLine()
    const client = talker()
    assert.equal(await client.status(), 101)
    assert.match(client.head!, /^Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=$/m)
    assert.doesNotMatch(client.head!, /Sec-WebSocket-(?:Protocol|Extensions)/)
    for (let at = 0; at < 20; at++) {
      client.say({ event: { at, text: '€' } })
      assert.deepEqual(await client.heard(at), { event: { at, text: '€' } })
    }
    client.close(1000)
    assert.deepEqual(await client.closed(), [1000, ''])
    await client.over
    const { msg, operation, model, user, status, error, events_in, events_out, method } = await line
    assert.deepEqual({ msg, operation, model, user, status, error, events_in, events_out, method }, {
      msg: 'request', operation: 'InvokeModelWithBidirectionalStream', model: NOVA, user: 'alice', status: 200, error: undefined, events_in: 20, events_out: 20, method: 'GET',
    })
  })

  test('an event reaches Bedrock byte by byte as it was written, spaces and all', async () => {
    const { talker, heard } = await conversation()
    const text = ' {"event" : {"a":1.0e2,"a":"\\u20ac"} }\n'
    talker.send(clientText(text))
    await heard.event(0)
    assert.equal(Buffer.from((JSON.parse(heard.events[0]!.subarray(12 + heard.events[0]!.readUInt32BE(4), -4).toString()) as { bytes: string }).bytes, 'base64').toString(), text)
    await leave(talker)
  })

  test('event-stream messages are unwrapped, signed anew, and answered in kind', async () => {
    bedrock.converse = async (heard) => {
      await echo(heard)
      heard.stream.end()
    }
    const client = talker()
    await client.status()
    client.binary(wrapped(chunk({ at: 0 })))
    client.binary(chunk({ at: 1 }))
    client.binary(Buffer.concat([chunk({ at: 2 }), wrapped(chunk({ at: 3 }))]))
    for (let at = 0; at < 4; at++) {
      const message = await client.message(at)
      assert.equal(message!.opcode, 2)
      assert.deepEqual(message!.payload, chunk({ at }))
      assert.deepEqual(eventIn([...new Splitter().push(message!.payload)][0]!.payload), { at })
    }
    client.binary(wrapped(Buffer.alloc(0)))
    assert.deepEqual(await client.closed(), [1000, ''])
  })

  test('what came with the handshake is the first that is said', async () => {
    bedrock.converse = (heard) => echo(heard)
    const client = new Talker(proxy.port, Buffer.concat([Buffer.from(opening([AUTH])), clientText('{"at":0}'), clientText('{"at":1}').subarray(0, 5)]))
    assert.deepEqual(await client.heard(0), { at: 0 })
    client.send(clientText('{"at":1}').subarray(5))
    assert.deepEqual(await client.heard(1), { at: 1 })
    await leave(client)
  })

  test('a client that has said goodbye is asked for no sign of life', async () => {
    const quick = await startProxy(bedrock, { BIDIRECTIONAL__PING_INTERVAL: '50ms' })
    const { talker, heard } = await conversation(quick, false)
    talker.close(1000)
    assert.equal(await heard.ended, true)
    await new Promise((resolve) => setTimeout(resolve, 500))
    heard.say({ last: true })
    heard.stream.end()
    assert.deepEqual(await talker.heard(0), { last: true })
    assert.deepEqual(await talker.closed(), [1000, ''])
    await quick.stop()
  })

  test('a client that closes hears what Bedrock still says, then its goodbye', async () => {
    const { talker, heard } = await conversation()
    const line = outcome()
    talker.say({ at: 0 })
    talker.close(1001, 'bye')
    assert.equal(await heard.ended, true)
    heard.say({ last: true })
    heard.stream.end()
    assert.deepEqual(await talker.heard(0), { last: true })
    assert.deepEqual(await talker.closed(), [1001, ''])
    await talker.over
    assert.deepEqual(await line, { status: 200, error: undefined, failed: undefined })
  })

  test('pings are answered, between events and fragments too', async () => {
    const { talker, heard } = await conversation()
    talker.send(clientFrame({ opcode: 1, fin: false, payload: Buffer.from('{"at"') }))
    talker.ping('in between')
    talker.send(clientFrame({ opcode: 0, payload: Buffer.from(':7}') }))
    assert.deepEqual(await heard.event(0), { at: 7 })
    assert.equal((await talker.frame(10))!.payload.toString(), 'in between')
    await leave(talker)
  })

  test('messages of AWS that are no events are no messages to those who speak JSON', async () => {
    const { talker, heard } = await conversation()
    const headers = new Map<string, HeaderValue>([[':event-type', { type: 'string', value: 'initial-response' }], [':message-type', { type: 'string', value: 'event' }]])
    heard.stream.write(encodeMessage({ headers, payload: Buffer.from('{}') }))
    heard.say({ at: 1 })
    assert.deepEqual(await talker.heard(0), { at: 1 })
    await leave(talker)
  })
})

describe('the token of a browser', { concurrency: true }, () => {
  const jwt = token()
  const protocols = (...list: string[]) => [`Sec-WebSocket-Protocol: ${list.join(', ')}`]
  for (const [name, lines, status] of [
    ['beside "bedrock"', protocols('bedrock', `bearer.${jwt}`), 101],
    ['before "bedrock"', protocols(`bearer.${jwt}`, 'bedrock'), 101],
    ['in a line of its own', [...protocols('bedrock'), ...protocols(`bearer.${jwt}`)], 101],
    ['and the same in Authorization', [...protocols('bedrock', `bearer.${jwt}`), `Authorization: Bearer ${jwt}`], 101],
    ['alone', protocols(`bearer.${jwt}`), 400],
    ['beside another protocol', protocols('chat', `bearer.${jwt}`), 400],
    ['twice', protocols('bedrock', `bearer.${jwt}`, `bearer.${token({ sub: 'bob' })}`), 400],
    ['and another in Authorization', [...protocols('bedrock', `bearer.${jwt}`), `Authorization: Bearer ${token({ sub: 'bob' })}`], 400],
    ['that is not one', protocols('bedrock', 'bearer.a.b.c'), 401],
    ['that is empty', protocols('bedrock', 'bearer.'), 401],
    ['that is missing', protocols('bedrock'), 401],
    ['under another name', protocols('bedrock', `Bearer.${jwt}`), 401],
  ] as const) {
    test(`${name} is answered ${status}`, async () => {
      bedrock.converse = (heard) => heard.accept()
      const line = proxy.nextRequestLine()
      const client = talker(lines)
      assert.equal(await client.status(), status)
      // The token is never said aloud.
      assert.ok(!client.head!.includes(jwt))
      if (status === 101) assert.match(client.head!, /^Sec-WebSocket-Protocol: bedrock$/m)
      client.socket.destroy()
      await line
    })
  }

  test('"bedrock" alone is agreed on, beside a token elsewhere; what else is offered is not', async () => {
    bedrock.converse = (heard) => heard.accept()
    const [one, other] = [talker([AUTH, ...protocols('chat', 'bedrock')]), talker([AUTH, ...protocols('chat')])]
    assert.equal(await one.status(), 101)
    assert.match(one.head!, /^Sec-WebSocket-Protocol: bedrock$/m)
    assert.equal(await other.status(), 101)
    assert.doesNotMatch(other.head!, /Sec-WebSocket-Protocol/)
    await leave(one)
    await leave(other)
  })
})

describe('what opens no WebSocket is an HTTP answer', () => {
  const good = opening([AUTH])
  for (const [name, request, status, type, more] of [
    ['no token', opening([]), 401, 'UnrecognizedClientException', /^WWW-Authenticate: Bearer error="invalid_token"$/m],
    ['an expired token', opening([`Authorization: Bearer ${token({}, -600)}`]), 401, 'UnrecognizedClientException'],
    ['a model that is not spoken with', opening([AUTH], '/model/anthropic.claude-v2/invoke-with-bidirectional-stream'), 403, 'AccessDeniedException'],
    ['a broken model id', opening([AUTH], '/model/a%25b/invoke-with-bidirectional-stream'), 400, 'ValidationException'],
    ['an unknown path', opening([AUTH], '/nowhere'), 404, 'UnknownOperationException'],
    ['an operation that is no WebSocket', opening([AUTH], '/foundation-models'), 400, 'ValidationException'],
    ['an operation of POST', opening([AUTH], `/model/${NOVA}/invoke`), 405, 'UnknownOperationException', /^Allow: POST$/m],
    ['a POST', good.replace('GET', 'POST'), 405, 'UnknownOperationException', /^Allow: GET$/m],
    ['no upgrade', good.replace('Connection: Upgrade', 'Connection: close'), 426, 'ValidationException', /^Upgrade: websocket$/m],
    ['an upgrade to something else', good.replace('Upgrade: websocket', 'Upgrade: foo'), 400, 'ValidationException'],
    ['HTTP/1.0', good.replace('HTTP/1.1', 'HTTP/1.0'), 400, 'ValidationException'],
    ['no key', good.replace(/Sec-WebSocket-Key.*\r\n/, ''), 400, 'ValidationException'],
    ['a short key', good.replace('dGhl', ''), 400, 'ValidationException'],
    ['no version', good.replace(/Sec-WebSocket-Version.*\r\n/, ''), 400, 'ValidationException', /^Sec-WebSocket-Version: 13$/m],
    ['version 8', good.replace('Version: 13', 'Version: 8'), 426, 'ValidationException', /^Sec-WebSocket-Version: 13$/m],
    ['no host', good.replace(/Host.*\r\n/, ''), 400, 'ValidationException'],
    ['a body', `${opening([AUTH, 'Content-Length: 5'])}hello`, 400, 'ValidationException'],
    ['a chunked body', `${opening([AUTH, 'Transfer-Encoding: chunked'])}0\r\n\r\n`, 400, 'ValidationException'],
    ['a broken list of subprotocols', opening([AUTH, 'Sec-WebSocket-Protocol: foo;bar']), 400, 'ValidationException'],
  ] as const) {
    test(`${name}: ${status} ${type}`, async () => {
      const before = bedrock.heard.length
      const line = proxy.nextRequestLine()
      const client = new Talker(proxy.port, request)
      assert.equal(await client.status(), status)
      await client.over
      assert.match(client.head!, new RegExp(`^x-amzn-ErrorType: ${type}$`, 'm'))
      assert.match(client.head!, /^Connection: close$/m)
      if (more !== undefined) assert.match(client.head!, more)
      assert.equal(typeof (JSON.parse(client.body) as { message: string }).message, 'string')
      assert.equal(bedrock.heard.length, before)
      assert.equal((await line).status, status)
    })
  }

  test('Bedrock says no: its status, its type, its words', async () => {
    bedrock.converse = (heard) => heard.refuse(400, 'ValidationException', 'The provided model identifier is invalid.')
    const line = outcome()
    const client = talker()
    assert.equal(await client.status(), 400)
    await client.over
    assert.match(client.head!, /^x-amzn-errortype: ValidationException:http/m)
    assert.deepEqual(JSON.parse(client.body), { message: 'The provided model identifier is invalid.' })
    assert.deepEqual(await line, { status: 400, error: undefined, failed: undefined })
  })

  test('Bedrock is not there: 503', async () => {
    const poor = await startProxy({ url: 'http://127.0.0.1:1' })
    const client = talker([AUTH], poor)
    assert.equal(await client.status(), 503)
    await client.over
    assert.equal((JSON.parse(client.body) as { message: string }).message, 'AWS Bedrock could not be reached.')
    await poor.stop()
  })

  test('a body of every kind beside every upgrade ends in an answer, and the next client is served', async () => {
    for (const upgrade of ['websocket', 'h2c', 'foo']) {
      for (const body of ['Content-Length: 10\r\n\r\nab', 'Transfer-Encoding: chunked\r\n\r\n5\r\nab', 'Content-Length: 0\r\n\r\n', 'Transfer-Encoding: chunked\r\n\r\nzz\r\n']) {
        const client = new Talker(proxy.port, `GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${body}`)
        assert.match(String(await client.status()), /^4\d\d$/, `${upgrade}, ${body}`)
        client.socket.destroy()
        await client.over
      }
    }
    bedrock.converse = (heard) => heard.accept()
    const client = talker([AUTH, 'Content-Length: 0'])
    assert.equal(await client.status(), 101)
    client.say({ at: 0 })
    await leave(client)
  })

  test('an offer of h2c is passed over: the request is answered as HTTP/1.1, and so is the next one', async () => {
    const socket = connect(proxy.port, '127.0.0.1')
    let text = ''
    socket.on('data', (bytes: Buffer) => { text += bytes.toString() })
    socket.write('POST /nowhere HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 5\r\n\r\nhello')
    await once(socket, 'data')
    socket.write('GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    await once(socket, 'close')
    assert.deepEqual(responses(text).map(({ status }) => status), [404, 200])
  })
})

conformance('websocket-handshake-frames', (folder) => {
  for (const one of readJson<{ name: string; request_base64: string; expect_status: number | string }[]>(folder, 'open', 'handshake.json')) {
    test(`handshake ${one.name} at the door: ${one.expect_status}`, async () => {
      bedrock.converse = (heard) => heard.accept()
      const request = Buffer.from(one.request_base64, 'base64').toString('latin1').replace(' /ws ', ` ${PATH} `).replace('\r\n', `\r\n${AUTH}\r\n`)
      const line = proxy.nextRequestLine()
      const client = new Talker(proxy.port, Buffer.from(request, 'latin1'))
      const status = await client.status()
      if (typeof one.expect_status === 'number') assert.equal(status, one.expect_status)
      else assert.match(String(status), /^4\d\d$/)
      client.socket.destroy()
      await line
    })
  }
})

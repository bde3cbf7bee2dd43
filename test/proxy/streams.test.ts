import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { connect as h2connect } from 'node:http2'
import { after, before, test } from 'node:test'
import { decodeMessage, encodeMessage, eventMessage, exceptionMessage, Splitter, stringHeader } from '../../src/eventstream/index.ts'
import { FakeBedrock, type Seen } from '../kit/bedrock.ts'
import { ask, type Got, PROTOCOLS } from '../kit/client.ts'
import { startProxy, type TestProxy, token } from '../kit/proxy.ts'

let bedrock: FakeBedrock
let proxy: TestProxy
before(async () => {
  bedrock = await FakeBedrock.start()
  proxy = await startProxy(bedrock, { AWS__TIMEOUTS__IDLE: '400ms' })
})
after(async () => {
  await proxy.stop()
  await bedrock.close()
})

const EVENT_STREAM = { 'Content-Type': 'application/vnd.amazon.eventstream' }
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
const chunk = (event: unknown): Buffer => encodeMessage(eventMessage('chunk', json({ bytes: json(event).toString('base64'), p: 'abc' })))
const HELLO = chunk({ type: 'content_block_delta', delta: { text: 'hello' } })
const STREAMS = { invoke: '/model/x/invoke-with-response-stream', converse: '/model/x/converse-stream' }
const stream = (protocol: (typeof PROTOCOLS)[number], path: string, accept = 'application/json'): Promise<Got> =>
  ask(protocol, proxy.port, path, { headers: { authorization: `Bearer ${token()}`, accept }, body: '{}' })

/** Type and message of the exception frame at the end of a body. */
function lastException(body: Buffer): readonly [string | undefined, string] {
  const frame = [...new Splitter().push(body)].at(-1)!
  return [stringHeader(frame.headers, ':exception-type'), (JSON.parse(frame.payload.toString()) as { message: string }).message]
}

for (const protocol of PROTOCOLS) {
  test(`the first bytes of a stream reach the client before the rest is sent, over ${protocol}`, async () => {
    bedrock.script = (_seen, response) => {
      response.writeHead(200, EVENT_STREAM).write(HELLO)
      finish = () => response.end(HELLO)
    }
    let finish = (): void => assert.fail('no request')
    const received = await open(protocol, STREAMS.invoke)
    const [first] = await once(received.body, 'data') as [Buffer]
    assert.deepEqual(first, HELLO)
    finish()
    await once(received.body, 'end')
    received.close()
  })

  test(`the head of a stream reaches the client before any byte of it, over ${protocol}`, async () => {
    let finish = (): void => assert.fail('no request')
    bedrock.script = (_seen, response) => {
      response.writeHead(200, EVENT_STREAM).flushHeaders()
      finish = () => response.end()
    }
    const received = await open(protocol, STREAMS.invoke)
    assert.equal(received.status, 200)
    finish()
    received.body.resume()
    await once(received.body, 'end')
    received.close()
  })

  test(`an upstream that dies between two messages leaves modelStreamErrorException, over ${protocol}`, async () => {
    for (const path of Object.values(STREAMS)) {
      bedrock.script = (seen, response) => response.writeHead(200, EVENT_STREAM).write(HELLO, () => seen.socket.destroy())
      const line = proxy.nextRequestLine()
      const got = await stream(protocol, path)
      assert.equal(got.complete, true)
      assert.deepEqual(got.body.subarray(0, HELLO.length), HELLO)
      assert.deepEqual(lastException(got.body), ['modelStreamErrorException', 'The answer of AWS Bedrock broke off.'])
      const { failed, error } = await line
      assert.deepEqual({ failed, error }, { failed: 'upstream', error: 'UPSTREAM_BROKE' })
    }
  })

  for (const [how, script] of Object.entries({
    'dies inside a message': (seen, write) => write(() => seen.socket.destroy()),
    'ends politely inside a message': (_seen, write, end) => write(end),
  } as Record<string, (seen: Seen, write: (then: () => void) => void, end: () => void) => void>)) {
    test(`an upstream that ${how} breaks the client's stream: never a clean end, over ${protocol}`, async () => {
      bedrock.script = (seen, response) => {
        response.writeHead(200, EVENT_STREAM)
        script(seen, (then) => response.write(Buffer.concat([HELLO, HELLO.subarray(0, 20)]), then), () => response.end())
      }
      const got = await stream(protocol, STREAMS.invoke)
      assert.equal(got.status, 200)
      assert.equal(got.complete, false)
    })
  }

  test(`an upstream that falls silent leaves an exception of the operation's own union, over ${protocol}`, async () => {
    for (const [path, exception] of [[STREAMS.invoke, 'modelTimeoutException'], [STREAMS.converse, 'modelStreamErrorException']] as const) {
      bedrock.script = (_seen, response) => response.writeHead(200, EVENT_STREAM).write(HELLO)
      const seen = bedrock.next()
      assert.deepEqual(lastException((await stream(protocol, path)).body), [exception, 'The model stopped answering.'])
      await (await seen).over
    }
  })

  test(`an answer that is no stream and breaks off inside is never complete, over ${protocol}`, async () => {
    bedrock.script = (seen, response) => response.writeHead(200, { 'Content-Length': 10 }).write('12345', () => seen.socket.destroy())
    assert.equal((await ask(protocol, proxy.port, '/model/x/invoke', { headers: { authorization: `Bearer ${token()}` }, body: '{}' })).complete, false)
  })

  test(`exceptions that AWS sends inside a stream pass untouched, over ${protocol}`, async () => {
    const sent = Buffer.concat([HELLO, encodeMessage(exceptionMessage('throttlingException', json({ message: 'slow down' })))])
    bedrock.script = (_seen, response) => response.writeHead(200, EVENT_STREAM).end(sent)
    assert.deepEqual((await stream(protocol, STREAMS.invoke)).body, sent)
  })

  for (const phase of ['awaits the head', 'reads the stream'] as const) {
    test(`a client that leaves while it ${phase} ends the upstream request, over ${protocol}`, async () => {
      bedrock.script = (_seen, response) => {
        if (phase === 'reads the stream') response.writeHead(200, EVENT_STREAM).write(HELLO)
      }
      const arrived = bedrock.next()
      const line = proxy.nextRequestLine()
      const leaving = open(protocol, STREAMS.invoke)
      const seen = await arrived
      if (phase === 'reads the stream') await once((await leaving).body, 'data')
      leaving.leave()
      await seen.over
      const { failed, error } = await line
      assert.deepEqual({ failed, error }, { failed: 'client', error: 'CLIENT_GONE' })
    })
  }

  test(`a client that asks for text/event-stream sees events, and AWS is not asked for them, over ${protocol}`, async () => {
    const inner = { type: 'content_block_delta', delta: { text: 'a\nb' } }
    const frames = [chunk(inner), chunk({ outputText: 'no type' }), encodeMessage(exceptionMessage('throttlingException', json({ message: 'slow down' })))]
    bedrock.script = (_seen, response) => response.writeHead(200, { ...EVENT_STREAM, 'Content-Length': Buffer.concat(frames).length }).end(Buffer.concat(frames))
    const got = await stream(protocol, STREAMS.invoke, 'text/event-stream')
    const error = JSON.stringify({ message: 'slow down', type: 'error', error: { type: 'throttlingException', message: 'slow down' } })
    assert.equal(got.headers['content-type'], 'text/event-stream')
    assert.equal(got.headers['content-length'], undefined)
    assert.equal(got.body.toString(), `event: content_block_delta\ndata: ${JSON.stringify(inner)}\n\nevent: chunk\ndata: {"outputText":"no type"}\n\nevent: error\ndata: ${error}\n\n`)
    assert.equal(bedrock.seen.at(-1)!.headers.accept, undefined)
  })

  test(`Converse events as server-sent events keep their names and payloads, over ${protocol}`, async () => {
    bedrock.script = (_seen, response) => response.writeHead(200, EVENT_STREAM).end(encodeMessage(eventMessage('messageStart', json({ p: 'ab', role: 'assistant' }))))
    assert.equal((await stream(protocol, STREAMS.converse, 'text/event-stream')).body.toString(), 'event: messageStart\ndata: {"p":"ab","role":"assistant"}\n\n')
  })

  test(`a broken stream ends a view of server-sent events with an error event, over ${protocol}`, async () => {
    bedrock.script = (seen, response) => response.writeHead(200, EVENT_STREAM).write(Buffer.concat([HELLO, HELLO.subarray(0, 9)]), () => seen.socket.destroy())
    const text = (await stream(protocol, STREAMS.invoke, 'text/event-stream')).body.toString()
    assert.match(text, /^event: content_block_delta\n.*\n\nevent: error\ndata: \{"message":"The answer of AWS Bedrock broke off\.".*"modelStreamErrorException".*\n\n$/s)
  })
}

test('decodeMessage() reads what this file sends', () => {
  assert.equal(stringHeader(decodeMessage(HELLO).headers, ':event-type'), 'chunk')
})

interface Opened {
  readonly status: number
  readonly body: NodeJS.ReadableStream
  close(): void
}

/** Opens a stream and gives its body to read; `leave()` drops the connection at any time. */
function open(protocol: (typeof PROTOCOLS)[number], path: string): Promise<Opened> & { leave(): void } {
  return protocol === 'HTTP/2' ? openH2(path) : openH1(path)
}

function openH1(path: string): Promise<Opened> & { leave(): void } {
  const sent = request({ host: '127.0.0.1', port: proxy.port, path, method: 'POST', agent: false, headers: { authorization: `Bearer ${token()}` } })
  sent.on('error', () => undefined).end('{}')
  const opened = new Promise<Opened>((resolve) => sent.on('response', (body: IncomingMessage) => {
    body.on('error', () => undefined)
    resolve({ status: body.statusCode!, body, close: () => sent.destroy() })
  }))
  return Object.assign(opened, { leave: () => sent.destroy() })
}

function openH2(path: string): Promise<Opened> & { leave(): void } {
  const session = h2connect(`http://127.0.0.1:${proxy.port}`).on('error', () => undefined)
  const sent = session.request({ ':method': 'POST', ':path': path, authorization: `Bearer ${token()}` })
  sent.on('error', () => undefined).end('{}')
  const opened = new Promise<Opened>((resolve) => sent.on('response', (head) => resolve({ status: Number(head[':status']), body: sent, close: () => session.close() })))
  return Object.assign(opened, { leave: () => session.destroy() })
}

test('an event stream that promised a length and breaks off gets no frame added: the connection ends', async () => {
  bedrock.script = (seen, response) => response.writeHead(200, { ...EVENT_STREAM, 'Content-Length': 2 * HELLO.length }).write(HELLO, () => seen.socket.destroy())
  const got = await stream('HTTP/1.1', STREAMS.invoke)
  assert.deepEqual([got.complete, got.body.length], [false, HELLO.length])
})

test('an event stream of the length it promised is not whole where it ends inside a message', async () => {
  const torn = Buffer.concat([HELLO, HELLO.subarray(0, 30)])
  bedrock.script = (_seen, response) => response.writeHead(200, { ...EVENT_STREAM, 'Content-Length': torn.length }).end(torn)
  const line = proxy.nextRequestLine()
  await stream('HTTP/1.1', STREAMS.invoke)
  assert.equal((await line).error, 'UPSTREAM_BROKE')
})

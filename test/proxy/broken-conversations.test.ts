import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { encodeMessage, eventMessage } from '../../src/eventstream/index.ts'
import { PROTOCOLS } from '../kit/client.ts'
import { chunk, type Heard } from '../kit/conversing.ts'
import { LAST, PATH, Speaker, wrapped } from '../kit/speaker.ts'
import { bedrock, begin, outcome, proxyWith } from './hall.ts'

const proxy = await proxyWith({})

/** The same with a wrong CRC at its end. */
const spoilt = (frame: Buffer): Buffer => Buffer.concat([frame.subarray(0, -1), Buffer.of(frame.at(-1)! ^ 1)])

for (const protocol of PROTOCOLS) {
  const open = (path = PATH, headers = {}): Speaker => new Speaker(protocol, proxy.port, path, headers)

  for (const [fault, spoil] of Object.entries({
    'with a wrong CRC': spoilt,
    'whose inner message has a wrong CRC': () => wrapped(spoilt(chunk('x'))),
    'that is no frame': () => Buffer.from('{"event":{"sessionStart":{}}}'),
    'with a length beyond any': () => Buffer.from('7fffffff0000000000000000', 'hex'),
    // Its prelude is in order; nothing of the rest is waited for.
    'of more than 1 MiB': () => encodeMessage(eventMessage('chunk', Buffer.alloc(1024 * 1024))).subarray(0, 1000),
    'after the last one': () => Buffer.concat([LAST(), wrapped(chunk('x'))]),
  } as Record<string, (frame: Buffer) => Buffer>)) {
    test(`a frame ${fault} ends the conversation with validationException, over ${protocol}`, async () => {
      const { speaker, heard, line } = await begin(protocol, proxy)
      speaker.send(spoil(wrapped(chunk('x'))))
      assert.deepEqual(await speaker.exception(), ['validationException', 'The request body is not a stream of events.'])
      assert.equal(await speaker.over, true)
      await heard.over
      assert.deepEqual(await outcome(line), { status: 200, failed: 'client', error: 'BAD_EVENT' })
      assert.equal(heard.events.length, 1)
      speaker.leave()
    })
  }

  test(`a frame that is none is 400 while AWS has not answered, over ${protocol}`, async () => {
    bedrock.converse = () => undefined
    const coming = bedrock.nextHeard()
    const speaker = open()
    speaker.say('hello')
    const heard = await coming
    speaker.send(Buffer.alloc(16))
    assert.equal(await speaker.status, 400)
    await heard.over
    speaker.leave()
  })

  test(`a client that ends inside a frame ends with validationException, over ${protocol}`, async () => {
    const { speaker, line } = await begin(protocol, proxy)
    speaker.end(wrapped(chunk('x')).subarray(0, 50))
    assert.deepEqual(await speaker.exception(), ['validationException', 'The request body ended early.'])
    assert.deepEqual(await outcome(line), { status: 200, failed: 'client', error: 'BODY_INCOMPLETE' })
  })

  for (const [fault, strike] of Object.entries({
    'loses its connection': (heard) => [...bedrock.sockets].forEach((socket) => { if (socket.remotePort === heard.peer) socket.destroy() }),
    'resets the stream': (heard) => heard.stream.destroy(new Error('reset')),
    'goes away with an error': (heard) => heard.stream.session!.goaway(2),
    'ends inside a message': (heard) => heard.stream.end(chunk('x').subarray(0, 40)),
  } as Record<string, (heard: Heard) => void>)) {
    test(`an AWS that ${fault} leaves modelStreamErrorException, over ${protocol}`, async () => {
      const { speaker, heard, line } = await begin(protocol, proxy)
      strike(heard)
      assert.deepEqual(await speaker.exception(), ['modelStreamErrorException', 'The answer of AWS Bedrock broke off.'])
      assert.equal(await speaker.over, true)
      assert.deepEqual(await outcome(line), { status: 200, failed: 'upstream', error: 'UPSTREAM_BROKE' })
      speaker.leave()
    })
  }

  test(`an AWS whose frames are broken leaves modelStreamErrorException, over ${protocol}`, async () => {
    const { speaker, heard, line } = await begin(protocol, proxy)
    heard.stream.write(spoilt(chunk('x')))
    assert.deepEqual(await speaker.exception(), ['modelStreamErrorException', 'The answer of AWS Bedrock could not be read.'])
    assert.equal((await line).error, 'UPSTREAM_BAD_ANSWER')
    speaker.leave()
  })

  test(`an AWS that goes away politely finishes what it has, over ${protocol}`, async () => {
    const { speaker, heard } = await begin(protocol, proxy)
    heard.stream.session!.goaway(0)
    speaker.say('more')
    assert.equal(await heard.event(1), 'more')
    heard.say('last')
    heard.stream.end()
    assert.equal(await speaker.event(1), 'last')
    assert.equal(await speaker.over, true)
    speaker.leave()
  })

  test(`an AWS that drops the connection before its head is 503, over ${protocol}`, async () => {
    bedrock.converse = (heard) => heard.stream.session!.destroy()
    const line = proxy.nextRequestLine()
    const speaker = open()
    assert.equal(await speaker.status, 503)
    assert.deepEqual(await outcome(line), { status: 503, failed: 'upstream', error: 'UPSTREAM_RESET' })
    speaker.leave()
  })

  test(`an AWS whose clock differs, and that has heard the client, is 503 once, and the next conversation keeps to its time, over ${protocol}`, async () => {
    const skewed = await proxyWith({})
    const theirsMs = Date.now() + 3_600_000
    bedrock.converse = async (heard) => {
      await heard.event(0)
      const { stream } = heard
      stream.respond({ ':status': 403, 'x-amzn-errortype': 'RequestTimeTooSkewed', 'date': new Date(theirsMs).toUTCString() })
      stream.end('{"message":"skewed"}')
    }
    const first = new Speaker(protocol, skewed.port)
    first.say('hello')
    assert.equal(await first.status, 503)
    first.leave()
    const coming = bedrock.nextHeard()
    const second = new Speaker(protocol, skewed.port)
    const [, day, time] = /^(\d{8})T(\d{6})Z$/.exec(String((await coming).headers['x-amz-date']))!
    const signedMs = Date.parse(`${day}${time}`.replace(/^(....)(..)(..)(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6Z'))
    assert.ok(signedMs >= theirsMs - 1000)
    second.status.catch(() => undefined)
    second.leave()
  })

  test(`an AWS that nobody finds is 503, over ${protocol}`, async () => {
    const nowhere = await proxyWith({ AWS__ENDPOINT: 'http://127.0.0.1:1' })
    const line = nowhere.nextRequestLine()
    const speaker = new Speaker(protocol, nowhere.port)
    speaker.say('hello')
    assert.equal(await speaker.status, 503)
    assert.deepEqual(await outcome(line), { status: 503, failed: 'upstream', error: 'UPSTREAM_UNREACHABLE' })
    speaker.leave()
  })

  test(`an error of AWS says how long it is, for a client that is still sending, over ${protocol}`, async () => {
    bedrock.converse = (heard) => heard.refuse(400, 'ValidationException', 'no')
    const speaker = open()
    assert.equal(await speaker.status, 400)
    assert.equal(speaker.headers['content-length'], String('{"message":"no"}'.length))
    speaker.leave()
  })

  for (const phase of ['awaits AWS', 'talks', 'only listens'] as const) {
    test(`a client that leaves while it ${phase} ends the session, over ${protocol}`, async () => {
      bedrock.converse = (heard) => { if (phase !== 'awaits AWS') heard.accept() }
      const line = proxy.nextRequestLine()
      const coming = bedrock.nextHeard()
      const speaker = open()
      speaker.status.catch(() => undefined)
      speaker.say('hello')
      const heard = await coming
      await heard.event(0)
      if (phase === 'only listens') {
        speaker.end(LAST())
        await heard.ended
      }
      if (phase !== 'awaits AWS') await speaker.status
      speaker.leave()
      await heard.over
      assert.deepEqual(await outcome(line), { status: phase === 'awaits AWS' ? 499 : 200, failed: 'client', error: 'CLIENT_GONE' })
    })
  }

  test(`aws.timeouts.idle: an AWS that falls silent leaves modelTimeoutException, over ${protocol}`, async () => {
    const proxy = await proxyWith({ AWS__TIMEOUTS__IDLE: '1s' })
    const { speaker, heard, line } = await begin(protocol, proxy)
    assert.deepEqual(await speaker.exception(), ['modelTimeoutException', 'The model stopped answering.'])
    assert.equal((await line).error, 'UPSTREAM_STALLED')
    await heard.over
    speaker.leave()
  })

  test(`aws.timeouts.first_byte: an AWS that never answers is 408, over ${protocol}`, async () => {
    const proxy = await proxyWith({ AWS__TIMEOUTS__FIRST_BYTE: '1s' })
    bedrock.converse = () => undefined
    const coming = bedrock.nextHeard()
    const speaker = new Speaker(protocol, proxy.port)
    speaker.say('hello')
    assert.equal(await speaker.status, 408)
    await (await coming).over
    speaker.leave()
  })

  test(`server.timeouts.idle: a client that falls silent ends with validationException, over ${protocol}`, async () => {
    const proxy = await proxyWith({ SERVER__TIMEOUTS__IDLE: '1s' })
    const { speaker, heard, line } = await begin(protocol, proxy)
    assert.deepEqual(await speaker.exception(), ['validationException', 'The request body did not arrive in time.'])
    assert.deepEqual(await outcome(line), { status: 200, failed: 'client', error: 'BODY_TIMEOUT' })
    await heard.over
    speaker.leave()
  })

  test(`server.timeouts.idle: a client that takes nothing is let go, over ${protocol}`, async () => {
    const proxy = await proxyWith({ SERVER__TIMEOUTS__IDLE: '1s' })
    const { speaker, heard, line } = await begin(protocol, proxy)
    speaker.pause()
    const talking = setInterval(() => speaker.say('still here'), 100)
    const saying = (async () => {
      while (!heard.stream.destroyed) if (!heard.say('x'.repeat(10_000))) await heard.drain()
    })()
    assert.deepEqual(await outcome(line), { status: 200, failed: 'client', error: 'CLIENT_GONE' })
    await heard.over
    await saying
    clearInterval(talking)
    speaker.resume()
    assert.equal(await speaker.over, false)
    speaker.leave()
  })

  test(`jwt.revocation_file: a conversation of who is revoked ends, over ${protocol}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'revoked-'))
    after(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'revoked.yaml')
    writeFileSync(file, '')
    const { speaker, heard, line } = await begin(protocol, await proxyWith({ JWT__REVOCATION_FILE: file }))
    writeFileSync(file, '- { user: alice }\n')
    assert.deepEqual(await speaker.exception(), ['serviceUnavailableException', 'The token of your single sign-on was not accepted.'])
    assert.deepEqual(await outcome(line), { status: 200, failed: 'client', error: 'TOKEN_REVOKED' })
    await heard.over
    speaker.leave()
  })

  test(`server.drain_timeout: a shutdown ends a conversation with serviceUnavailableException, over ${protocol}`, async () => {
    const closing = await proxyWith({ SERVER__DRAIN_TIMEOUT: '0s' })
    const { speaker, heard, line } = await begin(protocol, closing)
    const stopped = closing.stop()
    assert.deepEqual(await speaker.exception(), ['serviceUnavailableException', 'The proxy is shutting down.'])
    assert.deepEqual(await outcome(line), { status: 200, failed: 'proxy', error: 'DRAINING' })
    await heard.over
    speaker.leave()
    assert.equal(await stopped, 1)
  })
}

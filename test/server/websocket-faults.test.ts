import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { encodeMessage, exceptionMessage, Splitter, stringHeader } from '../../src/eventstream/index.ts'
import { chunk, type Heard } from '../kit/conversing.ts'
import { startProxy } from '../kit/proxy.ts'
import { opening, Talker } from '../kit/talker.ts'
import { clientClose, clientFrame, clientText } from '../kit/websocket.ts'
import { AUTH, bedrock, conversation, leave, outcome, proxy, talker, wrapped } from './conversation.ts'

describe('a conversation that Bedrock ends', () => {
  for (const [type, code] of [
    ['validationException', 1008], ['throttlingException', 1013], ['modelTimeoutException', 4408],
    ['internalServerException', 1011], ['modelStreamErrorException', 1011], ['serviceUnavailableException', 1011],
  ] as const) {
    test(`with ${type}: its words, then ${code}`, async () => {
      const { talker, heard } = await conversation()
      heard.except(type, 'its words')
      heard.stream.end()
      assert.deepEqual(await talker.heard(0), { error: { type, message: 'its words' } })
      assert.deepEqual(await talker.closed(), [code, ''])
      await talker.over
    })
  }

  test('with an exception, for those who speak event streams: its very message', async () => {
    const { talker, heard } = await conversation()
    talker.binary(chunk({ at: 0 }))
    await heard.event(0)
    heard.except('throttlingException', 'slowly')
    heard.stream.end()
    assert.deepEqual((await talker.message(0))!.payload, encodeMessage(exceptionMessage('throttlingException', Buffer.from('{"message":"slowly"}'))))
    assert.deepEqual(await talker.closed(), [1013, ''])
  })

  for (const [how, end, message] of [
    ['breaks off', (heard) => heard.stream.destroy(new Error('reset')), 'The answer of AWS Bedrock broke off.'],
    ['ends inside a message', (heard) => heard.stream.end(chunk({}).subarray(0, 20)), 'The answer of AWS Bedrock broke off.'],
    ['loses its connection', (heard) => heard.stream.session!.destroy(), 'The answer of AWS Bedrock broke off.'],
    ['sends what is no event stream', (heard) => void heard.stream.write(Buffer.alloc(64, 0xff)), 'The answer of AWS Bedrock could not be read.'],
  ] as readonly (readonly [string, (heard: Heard) => void, string])[]) {
    test(`which ${how}: modelStreamErrorException, then 1011`, async () => {
      const { talker, heard } = await conversation()
      const line = outcome()
      heard.say({ at: 0 })
      await talker.message(0)
      end(heard)
      assert.deepEqual(await talker.heard(1), { error: { type: 'modelStreamErrorException', message } })
      assert.deepEqual(await talker.closed(), [1011, 'modelStreamErrorException'])
      assert.equal((await line).failed, 'upstream')
    })
  }

  test('GOAWAY lets it go on to its end', async () => {
    const { talker, heard } = await conversation()
    heard.stream.session!.goaway(0)
    talker.say({ at: 0 })
    assert.deepEqual(await heard.event(0), { at: 0 })
    heard.say({ at: 1 })
    heard.stream.end()
    assert.deepEqual(await talker.heard(0), { at: 1 })
    assert.deepEqual(await talker.closed(), [1000, ''])
  })
})

describe('a client that does wrong', () => {
  const HUGE = clientFrame({ opcode: 1, payload: Buffer.alloc(1024 * 1024 + 1, 0x20) })
  for (const [name, bytes, code, error] of [
    ['text that is not UTF-8', clientFrame({ opcode: 1, payload: Buffer.from('c328', 'hex') }), 1007, 'BAD_EVENT'],
    ['an oversized message', HUGE.subarray(0, 20), 1009, 'BODY_TOO_LARGE'],
    ['an oversized message in fragments', Buffer.concat([clientFrame({ opcode: 2, fin: false, payload: Buffer.alloc(600_000) }), clientFrame({ opcode: 0, payload: Buffer.alloc(600_000) }).subarray(0, 100)]), 1009, 'BODY_TOO_LARGE'],
    ['too many fragments', Buffer.concat([clientFrame({ opcode: 1, fin: false }), ...Array.from({ length: 1024 }, () => clientFrame({ opcode: 0, fin: false }))]), 1009, 'BAD_EVENT'],
    ['a frame that is not masked', clientFrame({ opcode: 1, key: undefined }), 1002, 'BAD_EVENT'],
    ['a reserved bit', clientFrame({ opcode: 1, rsv: 4 }), 1002, 'BAD_EVENT'],
    ['a reserved opcode', clientFrame({ opcode: 3 }), 1002, 'BAD_EVENT'],
    ['a ping of 126 bytes', clientFrame({ opcode: 9, payload: Buffer.alloc(126) }), 1002, 'BAD_EVENT'],
    ['a continuation of nothing', clientFrame({ opcode: 0 }), 1002, 'BAD_EVENT'],
    ['a close with code 1005', clientClose(1005), 1002, 'BAD_EVENT'],
  ] as const) {
    test(`${name}: ${code}, and Bedrock is let go`, async () => {
      const { talker, heard } = await conversation()
      const line = outcome()
      talker.send(bytes)
      assert.deepEqual(await talker.closed(), [code, ''])
      await Promise.all([heard.over, talker.over])
      assert.equal(talker.messages.length, 0)
      assert.deepEqual(await line, { status: 200, error, failed: 'client' })
    })
  }

  for (const [name, payload] of [
    ['a binary message that is no event stream', Buffer.from('hello, world, this is not one')],
    ['half an event-stream message', chunk({}).subarray(0, -1)],
    ['a signed message that holds no event', wrapped(Buffer.from('nothing of the kind'))],
  ] as const) {
    test(`${name}: validationException, then 1008`, async () => {
      const { talker, heard } = await conversation()
      talker.binary(payload)
      const [frame] = [...new Splitter().push((await talker.message(0))!.payload)]
      assert.equal(stringHeader(frame!.headers, ':exception-type'), 'validationException')
      assert.deepEqual(await talker.closed(), [1008, 'validationException'])
      await heard.over
    })
  }
})

describe('a client that vanishes', () => {
  for (const [how, go] of [
    ['resets', ({ socket }: Talker) => void socket.resetAndDestroy()],
    ['ends its half without a close', ({ socket }: Talker) => void socket.end()],
    ['leaves within a frame', ({ socket }: Talker) => void socket.end(clientText('{"at":1}').subarray(0, 4))],
  ] as const) {
    test(`and ${how} is gone from Bedrock too`, async () => {
      const { talker, heard } = await conversation()
      const line = outcome()
      talker.say({ at: 0 })
      await heard.event(0)
      go(talker)
      await heard.over
      assert.deepEqual(await line, { status: 200, error: 'CLIENT_GONE', failed: 'client' })
    })
  }

  test('before Bedrock has answered', { timeout: 30_000 }, async () => {
    bedrock.converse = () => undefined
    const came = bedrock.nextHeard()
    const line = outcome()
    const client = talker()
    const heard = await came
    client.socket.resetAndDestroy()
    await heard.over
    assert.deepEqual(await line, { status: 499, error: 'CLIENT_GONE', failed: 'client' })
  })

  for (const [what, said] of [['', ''], [', having said something already', clientText('{"at":0}').toString('latin1')]] as const) {
    test(`before Bedrock has answered, by the end of its half${what}: no WebSocket is opened for it`, { timeout: 30_000 }, async () => {
      bedrock.converse = () => undefined
      const came = bedrock.nextHeard()
      const line = outcome()
      const client = new Talker(proxy.port, Buffer.from(opening([AUTH]) + said, 'latin1'))
      const heard = await came
      client.socket.end()
      await Promise.all([heard.over, client.over])
      assert.equal(client.head, undefined)
      assert.deepEqual(await line, { status: 499, error: 'CLIENT_GONE', failed: 'client' })
    })
  }

  test('without a word is found by pings, however much Bedrock says', async () => {
    const quick = await startProxy(bedrock, { BIDIRECTIONAL__PING_INTERVAL: '100ms' })
    const { talker, heard } = await conversation(quick, false)
    const line = outcome(quick)
    heard.say({ at: 0 })
    await heard.over
    await talker.over
    assert.ok(talker.frames.some(({ opcode }) => opcode === 9))
    assert.equal((await line).error, 'CLIENT_GONE')
    await quick.stop()
  })

  test('is another than the one who is silent but answers pings', async () => {
    const quick = await startProxy(bedrock, { BIDIRECTIONAL__PING_INTERVAL: '100ms', SERVER__TIMEOUTS__IDLE: '600ms' })
    const { talker, heard } = await conversation(quick)
    while (talker.frames.filter(({ opcode }) => opcode === 9).length < 15) await once(talker.socket, 'data')
    heard.say({ still: 'here' })
    assert.deepEqual(await talker.heard(0), { still: 'here' })
    await leave(talker, quick)
    await quick.stop()
  })
})

describe('a reader that is slow', () => {
  const BIG = { text: 'x'.repeat(60_000) }

  test('on the side of the client pauses Bedrock, and loses nothing', async () => {
    const { talker, heard } = await conversation()
    talker.socket.pause()
    let said = 0
    // Until nothing moves any more.
    while (said < 2000 && heard.say({ said: said++, ...BIG }));
    while (said < 2000 && await Promise.race([heard.drain().then(() => true), settled()])) while (said < 2000 && heard.say({ said: said++, ...BIG }));
    assert.ok(said < 2000, 'all of it was taken, by whom?')
    talker.socket.resume()
    for (let at = 0; at < said; at++) assert.equal(((await talker.heard(at)) as { said: number }).said, at)
    heard.stream.end()
    assert.deepEqual(await talker.closed(), [1000, ''])
  })

  test('on the side of Bedrock pauses the client, and loses nothing', async () => {
    const { talker, heard } = await conversation()
    heard.stream.pause()
    let said = 0
    const drained = () => once(talker.socket, 'drain').then(() => true)
    while (said < 2000) {
      while (said < 2000 && talker.say({ said: said++, ...BIG }));
      if (said < 2000 && !await Promise.race([drained(), settled()])) break
    }
    assert.ok(said < 2000, 'all of it was taken, by whom?')
    heard.stream.resume()
    for (let at = 0; at < said; at++) assert.equal(((await heard.event(at)) as { said: number }).said, at)
    talker.close(1000)
    assert.equal(await heard.ended, true)
    heard.stream.end()
    assert.deepEqual(await talker.closed(), [1000, ''])
  })

  test('that takes no pongs is asked no more pings, until it takes them', async () => {
    const { talker, heard } = await conversation()
    talker.socket.pause()
    const flood = Buffer.concat(Array.from({ length: 1000 }, () => clientFrame({ opcode: 9, payload: Buffer.alloc(125) })))
    let sent = 0
    for (let moving = true; moving && sent < 500; sent++) moving = talker.send(flood) || await Promise.race([once(talker.socket, 'drain').then(() => true), settled()])
    assert.ok(sent < 500, 'all of it was taken, by whom?')
    talker.socket.resume()
    heard.say({ still: 'here' })
    assert.deepEqual(await talker.heard(0), { still: 'here' })
    await leave(talker)
  })
})

/** `false` once nothing has moved for long. */
const settled = (): Promise<boolean> => new Promise((resolve) => setTimeout(() => resolve(false), 1500))

describe('a drain', () => {
  test('lets a conversation go on to its end', async () => {
    const own = await startProxy(bedrock)
    const { talker, heard } = await conversation(own)
    const stopped = own.stop()
    talker.say({ at: 0 })
    assert.deepEqual(await heard.event(0), { at: 0 })
    heard.say({ at: 1 })
    assert.deepEqual(await talker.heard(0), { at: 1 })
    talker.close(1000)
    assert.equal(await heard.ended, true)
    heard.stream.end()
    assert.deepEqual(await talker.closed(), [1000, ''])
    assert.equal(await stopped, 0)
  })

  test('ends it with 1012 when time is up', async () => {
    const own = await startProxy(bedrock, { SERVER__DRAIN_TIMEOUT: '200ms' })
    const { talker, heard } = await conversation(own)
    const line = outcome(own)
    assert.equal(await own.stop(), 1)
    assert.deepEqual(await talker.heard(0), { error: { type: 'serviceUnavailableException', message: 'The proxy is shutting down.' } })
    assert.deepEqual(await talker.closed(), [1012, 'serviceUnavailableException'])
    await heard.over
    assert.equal((await line).error, 'DRAINING')
  })

  test('cuts who does not say goodbye', async () => {
    const own = await startProxy(bedrock, { SERVER__DRAIN_TIMEOUT: '200ms' })
    const { talker, heard } = await conversation(own)
    talker.socket.pause()
    assert.equal(await own.stop(), 1)
    await heard.over
    talker.socket.resume()
    await talker.over
  })
})

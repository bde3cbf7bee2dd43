import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PROTOCOLS } from '../kit/client.ts'
import { chunk, echo, type Heard } from '../kit/conversing.ts'
import { token } from '../kit/proxy.ts'
import { LAST, PATH, Speaker, wrapped } from '../kit/speaker.ts'
import { bedrock, begin, outcome, proxyWith } from './hall.ts'

const proxy = await proxyWith({})

for (const protocol of PROTOCOLS) {
  const open = (path = PATH, headers = {}): Speaker => new Speaker(protocol, proxy.port, path, headers)

  test(`events go both ways at once, signed anew, over ${protocol}`, async () => {
    let heard!: Heard
    bedrock.converse = async (came) => {
      heard = came
      await echo(came)
      came.stream.end()
    }
    const line = proxy.nextRequestLine()
    const speaker = open()
    for (let at = 0; at < 20; at++) {
      speaker.say({ at })
      assert.deepEqual(await speaker.event(at), { at })
    }
    assert.equal(await speaker.status, 200)
    speaker.end(LAST())
    assert.equal(await heard.ended, true)
    assert.equal(await speaker.over, true)
    const { status, operation, events_in, events_out, bytes_in, bytes_out, error, aws_request_id } = await line
    assert.deepEqual({ status, operation, events_in, events_out, error, aws_request_id }, { status: 200, operation: 'InvokeModelWithBidirectionalStream', events_in: 20, events_out: 20, error: undefined, aws_request_id: 'aws-request-id' })
    assert.equal(bytes_in, Buffer.concat(heard.events).length)
    assert.equal(bytes_out, bytes_in)
    assert.equal(heard.headers['x-amz-content-sha256'], 'STREAMING-AWS4-HMAC-SHA256-EVENTS')
    assert.equal(heard.headers[':path'], PATH)
  })

  test(`a client that has said all still listens, whether its last frame was signed or not, over ${protocol}`, async () => {
    for (const last of [LAST(), undefined]) {
      const { speaker, heard } = await begin(protocol, proxy)
      speaker.end(last)
      assert.equal(await heard.ended, true)
      for (let at = 1; at < 10; at++) heard.say(at)
      heard.stream.end()
      assert.equal(await speaker.event(9), 9)
      assert.equal(await speaker.over, true)
    }
  })

  test(`events without a signature around them are taken too, cut in pieces, over ${protocol}`, async () => {
    const { speaker, heard, line } = await begin(protocol, proxy)
    for (const byte of Buffer.concat([chunk('bare'), wrapped(chunk('wrapped'))])) speaker.send(Buffer.of(byte))
    assert.deepEqual([await heard.event(1), await heard.event(2)], ['bare', 'wrapped'])
    assert.deepEqual(heard.events[1], chunk('bare'))
    speaker.leave()
    await line
  })

  test(`AWS that has said all ends the answer, though the client goes on, over ${protocol}`, async () => {
    const { speaker, heard, line } = await begin(protocol, proxy)
    heard.stream.end()
    assert.equal(await speaker.over, true)
    assert.deepEqual(await outcome(line), { status: 200, failed: undefined, error: undefined })
    await heard.over
    speaker.leave()
  })

  test(`AWS's exceptions pass as they are, over ${protocol}`, async () => {
    const { speaker, heard } = await begin(protocol, proxy)
    heard.except('throttlingException', 'slow down')
    heard.stream.end()
    assert.deepEqual(await speaker.exception(), ['throttlingException', 'slow down'])
    assert.equal(await speaker.over, true)
    speaker.leave()
  })

  for (const when of ['at once', 'after the first event']) {
    test(`AWS's errors before its head are HTTP errors with its status and bytes, ${when}, over ${protocol}`, async () => {
      bedrock.converse = async (heard) => {
        if (when !== 'at once') await heard.event(0)
        heard.refuse(429, 'ThrottlingException', 'slow down')
      }
      const speaker = open()
      speaker.say('hello')
      assert.equal(await speaker.status, 429)
      while (speaker.body.toString() !== '{"message":"slow down"}') await speaker.more()
      speaker.leave()
    })
  }

  for (const [type, status, kind] of [['AccessDeniedException', 403, 'AccessDeniedException'], ['UnrecognizedClientException', 503, 'ServiceUnavailableException'], ['ExpiredTokenException', 503, 'ServiceUnavailableException']] as const) {
    test(`AWS's 403 ${type} is ${status} to the client, over ${protocol}`, async () => {
      bedrock.converse = (heard) => heard.refuse(403, type, 'words')
      const speaker = open()
      assert.equal(await speaker.status, status)
      assert.match(speaker.headers['x-amzn-errortype'] as string, new RegExp(`^${kind}`))
      speaker.leave()
    })
  }

  test(`who may not talk hears it at once, though it goes on sending, over ${protocol}`, async () => {
    for (const [path, headers, status] of [
      [PATH, { authorization: 'Bearer a.b.c' }, 401],
      ['/model/anthropic.claude-3-haiku-20240307-v1%3A0/invoke-with-bidirectional-stream', {}, 403],
    ] as const) {
      const speaker = open(path, headers)
      const talking = setInterval(() => speaker.say('hello'), 100)
      try {
        assert.equal(await speaker.status, status)
      } finally {
        clearInterval(talking)
        speaker.leave()
      }
    }
  })

  test(`the token may be the session token of a signature, over ${protocol}`, async () => {
    bedrock.converse = (heard) => heard.accept()
    const authorization = 'AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=00'
    const coming = bedrock.nextHeard()
    const line = proxy.nextRequestLine()
    const speaker = open(PATH, { authorization, 'x-amz-security-token': token(), 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-EVENTS' })
    assert.equal(await speaker.status, 200)
    assert.equal((await coming).headers['x-amz-security-token'], undefined)
    speaker.leave()
    await line
  })

  test(`a client that reads slowly pauses AWS, and misses nothing, over ${protocol}`, async () => {
    const { speaker, heard, line } = await begin(protocol, proxy)
    speaker.pause()
    const filler = 'x'.repeat(10_000)
    const LAST_AT = 3000
    let said = 0
    const saying = (async () => {
      while (said < LAST_AT) if (!heard.say({ at: ++said, filler })) await heard.drain()
    })()
    let before = -1
    // Until it stands still: what lies in the sockets of the system is not ours.
    while (before !== said) {
      before = said
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    assert.ok(said < LAST_AT, 'AWS was never paused')
    speaker.resume()
    await saying
    for (let at = 1; at <= LAST_AT; at++) assert.equal((await speaker.event(at) as { at: number }).at, at)
    speaker.leave()
    await line
  })

  test(`a client that reads slowly does not make the proxy listen for it a thousand times, over ${protocol}`, async () => {
    const { speaker, heard, line } = await begin(protocol, proxy)
    const warnings: string[] = []
    const warn = ({ name }: Error): void => void warnings.push(name)
    process.on('warning', warn)
    speaker.pause()
    // Many in one piece: they come to the proxy together.
    const piece = Buffer.concat(Array.from({ length: 1000 }, () => chunk('x')))
    for (let pieces = 0; pieces < 60; pieces++) heard.stream.write(piece)
    await new Promise((resolve) => setTimeout(resolve, 500))
    speaker.resume()
    await speaker.frame(60_000)
    process.off('warning', warn)
    assert.deepEqual(warnings, [])
    speaker.leave()
    await line
  })

  test(`an AWS that reads slowly pauses the client, and misses nothing, over ${protocol}`, async () => {
    const { speaker, heard, line } = await begin(protocol, proxy)
    heard.stream.pause()
    const filler = 'x'.repeat(10_000)
    const LAST_AT = 3000
    let said = 0
    const saying = (async () => {
      while (said < LAST_AT) if (!speaker.say({ at: ++said, filler })) await speaker.drain()
    })()
    let before = -1
    while (before !== said) {
      before = said
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    assert.ok(said < LAST_AT, 'the client was never paused')
    heard.stream.resume()
    await saying
    for (let at = 1; at <= LAST_AT; at++) assert.equal((await heard.event(at) as { at: number }).at, at)
    speaker.leave()
    await line
  })
}

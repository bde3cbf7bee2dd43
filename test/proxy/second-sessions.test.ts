import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Caller } from '../../src/identity/index.ts'
import { joinSides, type Open, type Talk } from '../../src/proxy/conversation.ts'
import { OPERATIONS } from '../../src/proxy/operations.ts'
import { type ClientSide, type Exchange, LiveAnswers } from '../../src/proxy/index.ts'
import type { Session, SessionListener } from '../../src/upstream/index.ts'
import { UsageTap } from '../../src/usage/index.ts'
import { FakeBedrock } from '../kit/bedrock.ts'
import { PROTOCOLS } from '../kit/client.ts'
import type { Heard } from '../kit/conversing.ts'
import { startProxy, token } from '../kit/proxy.ts'
import { LAST, PATH, Speaker } from '../kit/speaker.ts'
import { opening, Talker } from '../kit/talker.ts'
import { agent } from './agent.ts'
import { bedrock, proxyWith } from './hall.ts'

/** Far enough for the proxy to learn from it, near enough for the fake's own clock. */
const AHEAD_MS = 270_000

/** An AWS that is ahead, and takes no request of another time. */
function ahead(heard: Heard): void {
  const [, day, time] = /^(\d{8})T(\d{6})Z$/.exec(String(heard.headers['x-amz-date']))!
  const signedMs = Date.parse(`${day}${time}`.replace(/^(....)(..)(..)(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6Z'))
  if (signedMs > Date.now() + AHEAD_MS / 2) return heard.accept()
  heard.stream.respond({ ':status': 403, 'x-amzn-errortype': 'RequestTimeTooSkewed', 'date': new Date(Date.now() + AHEAD_MS).toUTCString() })
  heard.stream.end('{"message":"skewed"}')
}

for (const protocol of PROTOCOLS) {
  test(`a conversation that AWS refuses for our clock, unheard, is opened anew by its time, over ${protocol}`, async () => {
    const proxy = await proxyWith({})
    bedrock.converse = ahead
    const [line, before] = [proxy.nextRequestLine(), bedrock.heard.length]
    const speaker = new Speaker(protocol, proxy.port)
    assert.equal(await speaker.status, 200)
    speaker.say('hello')
    const heard = bedrock.heard[before + 1]!
    assert.equal(await heard.event(0), 'hello')
    heard.stream.end()
    assert.equal(await speaker.over, true)
    assert.deepEqual([(await line).retried, bedrock.heard.length - before], ['clock', 2])
    speaker.leave()
  })

  test(`a conversation that AWS refuses for our credentials, unheard, is opened anew with others, over ${protocol}`, async () => {
    const strict = await FakeBedrock.start('token-number-2')
    strict.converse = (heard) => heard.accept()
    const proxy = await startProxy(strict, { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_CONTAINER_CREDENTIALS_FULL_URI: (await agent()).url, BIDIRECTIONAL__SESSION_TIMEOUT: '1m' })
    after(async () => {
      await proxy.stop()
      await strict.close()
    })
    const line = proxy.nextRequestLine()
    const speaker = new Speaker(protocol, proxy.port, PATH)
    assert.equal(await speaker.status, 200)
    speaker.end(LAST())
    assert.equal(await strict.heard[1]!.ended, true)
    strict.heard[1]!.stream.end()
    await speaker.over
    assert.deepEqual([(await line).retried, strict.heard.length], ['credentials', 2])
  })

  test(`a conversation that AWS has heard is not opened anew, over ${protocol}`, async () => {
    const proxy = await proxyWith({})
    bedrock.converse = async (heard) => {
      await heard.event(0)
      ahead(heard)
    }
    const before = bedrock.heard.length
    const speaker = new Speaker(protocol, proxy.port)
    speaker.say('hello')
    assert.equal(await speaker.status, 503)
    assert.equal(bedrock.heard.length - before, 1)
    speaker.leave()
  })
}

test('a WebSocket opens where AWS refused the first session for our clock', async () => {
  const proxy = await proxyWith({})
  bedrock.converse = ahead
  const talker = new Talker(proxy.port, opening([`Authorization: Bearer ${token()}`]))
  assert.equal(await talker.status(), 101)
  talker.socket.destroy()
})

/** A session that notes what it is told. */
const noting = (notes: string[], name: string): Session => ({
  send: (event: Buffer) => notes.push(`${name}: ${event}`) > 0, end: () => notes.push(`${name} ends`), destroy: () => notes.push(`${name} is let go`), pause: () => undefined, resume: () => undefined,
}) as unknown as Session

for (const [what, leaves] of [['goes to the second one, in order, its end too', false], ['goes nowhere once the client has left', true]] as const) {
  test(`what a client says between two sessions ${what}`, async () => {
    const notes: string[] = []
    const exchange = { onGone: undefined } as unknown as Exchange
    let [listener, talk] = [{} as SessionListener, {} as Talk]
    let give: (open: Open) => void = () => undefined
    const outcome = joinSides({
      exchange, caller: {} as Caller, ours: [], live: new LiveAnswers(), operation: OPERATIONS.find(({ answer }) => answer === 'conversation')!,
      open: (given) => {
        listener = given
        return noting(notes, 'first')
      },
      again: () => new Promise((resolve) => { give = resolve }),
      join: (given) => {
        talk = given
        return { pause: () => notes.push('pause'), resume: () => notes.push('resume'), accepted: () => undefined, end: () => undefined } as unknown as ClientSide
      },
      timers: { clientIdleMs: 60_000, sessionMs: 60_000 }, traffic: { bytesIn: 0, eventsIn: 0, bytesOut: 0, eventsOut: 0, tap: new UsageTap(200, []) }, onAnswer: () => undefined,
    })
    outcome.catch(() => undefined)
    listener.refused({ status: 403, fields: [], body: Buffer.alloc(0) })
    talk.event(Buffer.from('a'))
    talk.event(Buffer.from('b'))
    talk.end()
    if (leaves) exchange.onGone!()
    give(() => noting(notes, 'second'))
    await new Promise((resolve) => setImmediate(resolve))
    if (leaves) {
      await assert.rejects(outcome, { code: 'CLIENT_GONE' })
      assert.deepEqual(notes, ['pause', 'first is let go', 'resume', 'second is let go'])
      return
    }
    listener.accepted([])
    listener.end()
    assert.equal((await outcome as { status: number }).status, 200)
    assert.deepEqual(notes, ['pause', 'second: a', 'second: b', 'second ends', 'resume', 'second is let go'])
  })
}

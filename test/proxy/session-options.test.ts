import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Caller } from '../../src/identity/index.ts'
import { joinSides } from '../../src/proxy/conversation.ts'
import { OPERATIONS } from '../../src/proxy/operations.ts'
import type { ClientSide, Exchange } from '../../src/proxy/index.ts'
import { LiveAnswers } from '../../src/proxy/index.ts'
import type { Session, SessionListener } from '../../src/upstream/index.ts'
import { UsageTap } from '../../src/usage/index.ts'
import { FakeBedrock } from '../kit/bedrock.ts'
import { startProxy } from '../kit/proxy.ts'
import { LAST, PATH, Speaker } from '../kit/speaker.ts'
import { agent } from './agent.ts'

test('bidirectional.models: those and no others can be talked to', async () => {
  const bedrock = await FakeBedrock.start()
  after(() => bedrock.close())
  bedrock.converse = (heard) => heard.accept()
  const status = async (env: Readonly<Record<string, string>>, model: string): Promise<number> => {
    const proxy = await startProxy(bedrock, env)
    const speaker = new Speaker('HTTP/2', proxy.port, `/model/${encodeURIComponent(model)}/invoke-with-bidirectional-stream`)
    const status = await speaker.status
    speaker.leave()
    await proxy.stop()
    return status
  }
  const arn = 'arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abc'
  for (const [models, model, expected] of [
    [undefined, 'amazon.nova-sonic-v1:0', 200],
    [undefined, 'amazon.nova-2-sonic-v1:0', 200],
    [undefined, 'amazon.nova-pro-v1:0', 403],
    [undefined, 'xamazon.nova-sonic-v1:0', 403],
    [undefined, arn, 403],
    [arn, arn, 200],
    ['a.b-*', 'a.b-c', 200],
    ['a.b-*', 'aXb-c', 403],
  ] as const) assert.equal(await status(models === undefined ? {} : { BIDIRECTIONAL__MODELS: models }, model), expected, `${models} ${model}`)
})

test('bidirectional.models: who asks for another uses up nothing', async () => {
  const bedrock = await FakeBedrock.start()
  after(() => bedrock.close())
  bedrock.converse = (heard) => heard.accept()
  const proxy = await startProxy(bedrock, { LIMITS__DEFAULT__REQUESTS_PER_MINUTE: '1' })
  const statuses: number[] = []
  for (const model of ['amazon.nova-pro-v1:0', 'amazon.nova-sonic-v1:0', 'amazon.nova-sonic-v1:0']) {
    const speaker = new Speaker('HTTP/2', proxy.port, `/model/${encodeURIComponent(model)}/invoke-with-bidirectional-stream`)
    statuses.push(await speaker.status)
    speaker.leave()
  }
  await proxy.stop()
  assert.deepEqual(statuses, [403, 200, 429])
})

for (const [timeout, expected] of [['8m', 2], ['1m', 1]] as const) {
  test(`bidirectional.session_timeout: credentials of six minutes are ${expected === 2 ? '' : 'not '}renewed for a session of ${timeout}`, async () => {
    const bedrock = await FakeBedrock.start(`token-number-${expected}`)
    after(() => bedrock.close())
    bedrock.converse = (heard) => {
      heard.accept()
      heard.stream.end()
    }
    const container = await agent()
    const proxy = await startProxy(bedrock, { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_CONTAINER_CREDENTIALS_FULL_URI: container.url, BIDIRECTIONAL__SESSION_TIMEOUT: timeout })
    after(() => proxy.stop())
    const speaker = new Speaker('HTTP/2', proxy.port, PATH)
    speaker.end(LAST())
    assert.equal(await speaker.status, 200)
    assert.equal(container.asked, expected)
    await speaker.over
  })
}

test('a session that AWS does not end is ended, with the exception that AWS would have used', async () => {
  let listener!: SessionListener
  const told: string[] = []
  const session = { destroy: () => told.push('AWS is let go') } as unknown as Session
  const client = { accepted: () => undefined, fail: (type: string, message: string) => told.push(`${type}: ${message}`) } as unknown as ClientSide
  const outcome = joinSides({
    exchange: {} as Exchange, caller: {} as Caller, ours: [], live: new LiveAnswers(), operation: OPERATIONS.find(({ answer }) => answer === 'conversation')!,
    open: (given) => {
      listener = given
      return session
    },
    again: () => Promise.resolve(undefined),
    join: () => client, timers: { clientIdleMs: 60_000, sessionMs: 50 }, traffic: { bytesIn: 0, eventsIn: 0, bytesOut: 0, eventsOut: 0, tap: new UsageTap(200, []) }, onAnswer: () => undefined,
  })
  listener.accepted([])
  assert.deepEqual(await outcome, { status: 200, bytes: 0, awsRequestId: undefined, failure: 'SESSION_TOO_LONG' })
  assert.deepEqual(told, ['modelTimeoutException: The session has reached its longest duration.', 'AWS is let go'])
})

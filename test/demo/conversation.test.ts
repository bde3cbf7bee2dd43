import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { startStandIn } from '../../src/demo/index.ts'
import { ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY } from '../kit/bedrock.ts'
import { PROTOCOLS } from '../kit/client.ts'
import { startProxy } from '../kit/proxy.ts'
import { LAST, Speaker } from '../kit/speaker.ts'

const standIn = await startStandIn({ accessKeyId: ACCESS_KEY_ID, secretAccessKey: SECRET_ACCESS_KEY, region: REGION, wordMs: 0 })
after(() => standIn.close())

interface Said { readonly event: Readonly<Record<string, { readonly content?: string }>> }

for (const protocol of PROTOCOLS) {
  test(`the stand-in answers each text of the user in a conversation, over ${protocol}`, async () => {
    const proxy = await startProxy(standIn)
    const speaker = new Speaker(protocol, proxy.port)
    speaker.say({ event: { sessionStart: {} } })
    const instructions = { contentName: 'instructions' }
    speaker.say({ event: { contentStart: { ...instructions, role: 'SYSTEM' } } })
    speaker.say({ event: { textInput: { ...instructions, content: 'Be brief.' } } })
    for (const content of ['Hello', 'Hello again']) speaker.say({ event: { textInput: { content } } })
    speaker.end(LAST())
    assert.equal(await speaker.status, 200)
    assert.equal(await speaker.over, true)
    const events = await Promise.all(speaker.frames.map(async (_, at) => (await speaker.event(at) as Said).event))
    const text = events.map(({ textOutput }) => textOutput?.content ?? '').join('')
    assert.match(text, /^(This is not a model\..*account\.){2}$/)
    assert.deepEqual([Object.keys(events[0]!), Object.keys(events.at(-1)!)], [['completionStart'], ['completionEnd']])
    await proxy.stop()
  })
}

test('the stand-in takes no conversation that others signed', async () => {
  const proxy = await startProxy(standIn, { AWS_SECRET_ACCESS_KEY: 'ofSomebodyElse' })
  const line = proxy.nextRequestLine()
  const speaker = new Speaker('HTTP/2', proxy.port)
  speaker.say('hello')
  assert.equal(await speaker.status, 503)
  assert.equal((await line).error, 'UPSTREAM_RESET')
  speaker.leave()
  await proxy.stop()
})

import { after } from 'node:test'
import { FakeBedrock } from '../kit/bedrock.ts'
import type { Protocol } from '../kit/client.ts'
import type { Heard } from '../kit/conversing.ts'
import { type LogLine, startProxy, type TestProxy } from '../kit/proxy.ts'
import { Speaker } from '../kit/speaker.ts'

export const bedrock = await FakeBedrock.start()
const proxies: TestProxy[] = []
after(async () => {
  for (const one of proxies) await one.stop()
  await bedrock.close()
})

export async function proxyWith(env: Readonly<Record<string, string>>): Promise<TestProxy> {
  const started = await startProxy(bedrock, env)
  proxies.push(started)
  return started
}

/** What the line in the log says of how it came out. */
export async function outcome(line: Promise<LogLine>): Promise<unknown> {
  const { status, failed, error } = await line
  return { status, failed, error }
}

export interface Begun {
  readonly speaker: Speaker
  readonly heard: Heard
  /** What the log says of it at its end. */
  readonly line: Promise<LogLine>
}

/** A conversation in which AWS has accepted and one event went each way. */
export async function begin(protocol: Protocol, proxy: TestProxy): Promise<Begun> {
  bedrock.converse = (heard) => heard.accept()
  const line = proxy.nextRequestLine()
  const coming = bedrock.nextHeard()
  const speaker = new Speaker(protocol, proxy.port)
  speaker.say('hello')
  const heard = await coming
  if (await heard.event(0) !== 'hello') throw new Error('the event did not come')
  heard.say('hi')
  if (await speaker.event(0) !== 'hi') throw new Error('the answer did not come')
  return { speaker, heard, line }
}

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { encodeMessage, type HeaderValue } from '../../src/eventstream/index.ts'
import type { Heard } from '../kit/conversing.ts'
import { startPair, token } from '../kit/proxy.ts'
import { opening, Talker } from '../kit/talker.ts'

export const AUTH = `Authorization: Bearer ${token()}`

/** A Bedrock and a proxy for all tests of a file. */
export const { bedrock, proxy } = await startPair()

export const talker = (lines: readonly string[] = [AUTH], to = proxy): Talker => new Talker(to.port, opening(lines))

/** A client in a conversation that Bedrock has accepted. */
export async function conversation(to = proxy, pongs = true): Promise<{ talker: Talker; heard: Heard }> {
  bedrock.converse = (heard) => heard.accept()
  const [came, talker] = [bedrock.nextHeard(), new Talker(to.port, opening([AUTH]), pongs)]
  const heard = await came
  assert.equal(await talker.status(), 101)
  return { talker, heard }
}

/** Ends a conversation, and waits until all of it is over: the next test has the next line of the log. */
export async function leave({ socket }: Talker, to = proxy): Promise<void> {
  const line = to.nextRequestLine()
  socket.destroy()
  await line
}

/** What the log says of the next request. */
export const outcome = (to = proxy) => to.nextRequestLine().then(({ status, error, failed }) => ({ status, error, failed }))

/** The outer message that the AWS SDKs put around an event; signed by keys that nobody has. */
export function wrapped(inner: Buffer): Buffer {
  const headers = new Map<string, HeaderValue>([[':date', { type: 'timestamp', value: 1773500966123n }], [':chunk-signature', { type: 'binary', value: randomBytes(32) }]])
  return encodeMessage({ headers, payload: inner })
}

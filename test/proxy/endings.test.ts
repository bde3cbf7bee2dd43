import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { encodeMessage, eventMessage } from '../../src/eventstream/index.ts'
import { plainAnswer } from '../kit/bedrock.ts'
import { ask, type Got, type Protocol, PROTOCOLS } from '../kit/client.ts'
import { startProxy, type TestProxy, token } from '../kit/proxy.ts'
import { Speaker } from '../kit/speaker.ts'
import { opening, Talker } from '../kit/talker.ts'
import { bedrock, outcome, proxyWith } from './hall.ts'

const folder = mkdtempSync(join(tmpdir(), 'endings-'))
after(() => rmSync(folder, { recursive: true }))

/** A revocation file in which nobody stands yet. */
class Revoked {
  static #made = 0
  readonly path = join(folder, `revoked-${Revoked.#made++}.yaml`)

  constructor() {
    writeFileSync(this.path, '[]')
  }

  /** Whole or not at all, as those who deploy such a file do. */
  put(user: string): void {
    writeFileSync(`${this.path}.new`, `- { user: ${user} }\n`)
    renameSync(`${this.path}.new`, this.path)
  }
}

const bearer = (user: string) => ({ authorization: `Bearer ${token({ sub: user })}` })
const invoke = (protocol: Protocol, { port }: TestProxy, user = 'alice'): Promise<Got> => ask(protocol, port, '/model/x/invoke', { headers: bearer(user), body: '{"abcd":1}' })

/** A call that AWS has taken, over a connection that had been used before, and does not answer. */
async function waiting(protocol: Protocol, proxy: TestProxy) {
  bedrock.script = plainAnswer
  assert.equal((await invoke(protocol, proxy)).status, 200)
  bedrock.script = () => undefined
  const [line, coming, before] = [proxy.nextRequestLine(), bedrock.next(), bedrock.seen.length]
  const got = invoke(protocol, proxy)
  const seen = await coming
  return { got, line, seen, attempts: () => bedrock.seen.length - before }
}

for (const protocol of PROTOCOLS) {
  test(`who is revoked while AWS has not answered hears 401, AWS is let go, and nothing goes up again, over ${protocol}`, async () => {
    const file = new Revoked()
    const proxy = await proxyWith({ JWT__REVOCATION_FILE: file.path })
    const { got, line, seen, attempts } = await waiting(protocol, proxy)
    file.put('alice')
    const { status, headers, complete } = await got
    assert.deepEqual([status, headers['x-amzn-errortype'], headers['x-should-retry'], complete], [401, 'UnrecognizedClientException', 'false', true])
    await seen.over
    const { error, input_tokens: input, partial } = await line
    assert.deepEqual([error, input, partial, attempts()], ['TOKEN_REVOKED', 3, true, 1])
  })

  test(`a drain that is over ends what waits for AWS with 503, and nothing goes up again, over ${protocol}`, async () => {
    const proxy = await startProxy(bedrock, { SERVER__DRAIN_TIMEOUT: '50ms' })
    const { got, line, seen, attempts } = await waiting(protocol, proxy)
    const cut = proxy.stop()
    const { status, headers, complete } = await got
    assert.deepEqual([status, headers['x-amzn-errortype'], headers['retry-after'], complete], [503, 'ServiceUnavailableException', '1', true])
    await seen.over
    assert.deepEqual([await cut, await outcome(line), attempts()], [1, { status: 503, failed: 'proxy', error: 'DRAINING' }, 1])
  })
}

/** An endpoint that takes connections and never speaks TLS on them. */
async function mute(): Promise<{ readonly url: string; readonly next: () => Promise<Socket> }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket.on('error', () => undefined)))
  after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, next: async () => (await once(server, 'connection'))[0] as Socket }
}

const CONNECTING: readonly (readonly [what: string, ask: (proxy: TestProxy) => Promise<number>])[] = [
  ['a call over HTTP/1.1', async (proxy) => (await invoke('HTTP/1.1', proxy)).status],
  ['a call over HTTP/2', async (proxy) => (await invoke('HTTP/2', proxy)).status],
  ['a conversation over HTTP/1.1', ({ port }) => new Speaker('HTTP/1.1', port).status],
  ['a conversation over HTTP/2', ({ port }) => new Speaker('HTTP/2', port).status],
  ['a WebSocket', ({ port }) => new Talker(port, opening([`Authorization: Bearer ${token()}`])).status()],
]

for (const [what, asks] of CONNECTING) {
  test(`${what} that is still connecting to AWS ends when its caller is revoked, and when a drain is over`, async () => {
    const [file, aws] = [new Revoked(), await mute()]
    const env = { JWT__REVOCATION_FILE: file.path, SERVER__DRAIN_TIMEOUT: '50ms', AWS__TIMEOUTS__CONNECT: '10m' }
    const drained = await startProxy(aws, env)
    const first = aws.next()
    const turnedAway = asks(drained)
    await first
    const cut = drained.stop()
    assert.deepEqual([await turnedAway, await cut], [503, 1])
    const proxy = await startProxy(aws, env)
    const second = aws.next()
    const refused = asks(proxy)
    await second
    file.put('alice')
    assert.equal(await refused, 401)
    await proxy.stop()
  })
}

const EVENT = encodeMessage(eventMessage('chunk', Buffer.from(`{"bytes":"${Buffer.from('{"type":"ping"}').toString('base64')}"}`)))

/** A stream that AWS goes on with until it is told to end; `begun` resolves with the first bytes. */
function stream(proxy: TestProxy, protocol: Protocol, user: string, more: Readonly<Record<string, string>>) {
  const arrived = bedrock.next()
  const got = ask(protocol, proxy.port, '/model/x/invoke-with-response-stream', { headers: { ...bearer(user), ...more }, body: '{}' })
  return { arrived, got }
}

test('jwt.revocation_file: every kind of stream of who is revoked ends, those of others go on to their end', async () => {
  const file = new Revoked()
  const proxy = await proxyWith({ JWT__REVOCATION_FILE: file.path })
  const finishers: (() => void)[] = []
  bedrock.script = (_seen, response) => {
    response.writeHead(200, { 'Content-Type': 'application/vnd.amazon.eventstream' }).write(EVENT)
    finishers.push(() => response.end(EVENT))
  }
  bedrock.converse = (heard) => heard.accept()
  const streams = []
  for (const user of ['mallory', 'alice']) {
    for (const protocol of PROTOCOLS) {
      for (const headers of [{}, { accept: 'text/event-stream' }] as const) {
        const one = stream(proxy, protocol, user, headers)
        streams.push({ user, isSse: 'accept' in headers, got: one.got, seen: await one.arrived })
      }
    }
  }
  const conversations = []
  for (const user of ['mallory', 'alice']) {
    for (const protocol of PROTOCOLS) {
      const coming = bedrock.nextHeard()
      const speaker = new Speaker(protocol, proxy.port, undefined, bearer(user))
      const heard = await coming
      heard.say('hi')
      assert.equal(await speaker.event(0), 'hi')
      conversations.push({ user, speaker, heard })
    }
  }
  const talkers = []
  for (const user of ['mallory', 'alice']) {
    const coming = bedrock.nextHeard()
    const talker = new Talker(proxy.port, opening([`Authorization: ${bearer(user).authorization}`]))
    const heard = await coming
    talker.say('hello')
    await heard.event(0)
    heard.say('hi')
    assert.equal(await talker.heard(0), 'hi')
    talkers.push({ user, talker, heard })
  }

  file.put('mallory')
  for (const { got, isSse, seen } of streams.filter(({ user }) => user === 'mallory')) {
    const { body, complete } = await got
    assert.ok(complete)
    assert.match(body.toString('latin1'), isSse ? /event: error\ndata: .*serviceUnavailableException.*\n\n$/ : /:exception-type.{3}serviceUnavailableException/s)
    await seen.over
  }
  for (const { speaker, heard } of conversations.filter(({ user }) => user === 'mallory')) {
    assert.deepEqual(await speaker.exception(), ['serviceUnavailableException', 'The token of your single sign-on was not accepted.'])
    await heard.over
  }
  for (const { talker, heard } of talkers.filter(({ user }) => user === 'mallory')) {
    assert.equal((await talker.closed())?.[1], 'serviceUnavailableException')
    await heard.over
  }

  for (const finish of finishers) finish()
  for (const { got } of streams.filter(({ user }) => user === 'alice')) {
    const { body, complete } = await got
    assert.ok(complete)
    assert.doesNotMatch(body.toString('latin1'), /xception/)
  }
  for (const { speaker, heard } of conversations.filter(({ user }) => user === 'alice')) {
    heard.say('more')
    assert.equal(await speaker.event(1), 'more')
    heard.stream.end()
    assert.equal(await speaker.over, true)
  }
  for (const { talker, heard } of talkers.filter(({ user }) => user === 'alice')) {
    heard.say('more')
    assert.equal(await talker.heard(1), 'more')
    heard.stream.end()
    assert.equal((await talker.closed())?.[0], 1000)
  }
})

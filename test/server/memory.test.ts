import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, type Protocol } from '../kit/client.ts'
import { invoke, Line, openHouse, TOKEN } from './kit.ts'

const WAIT = { timeout: 30_000 }
const BUDGET = 1_048_576
// Three quarters are for bodies: 1 MiB.
const house = await openHouse({ SERVER__MAX_INFLIGHT: String(Math.ceil(2 ** 20 / 0.75)), SERVER__MAX_BODY: '1MiB', SERVER__TIMEOUTS__IDLE: '1s', SERVER__TIMEOUTS__KEEP_ALIVE: '1h' })

/** A body that has been let in, and comes a byte at a time until all of the rest is sent. */
async function slowUpload(bytes: number): Promise<{ readonly finish: () => Promise<void> }> {
  const line = Line.to(house.proxy.port)
  line.write(invoke('slow', 'Expect: 100-continue\r\n', '', `Content-Length: ${bytes}\r\n`))
  await line.until(/100 Continue/)
  let left = bytes
  const drip = setInterval(() => {
    line.write('a')
    left--
  }, 50)
  line.socket.on('close', () => clearInterval(drip))
  return {
    async finish() {
      clearInterval(drip)
      line.write('a'.repeat(left))
      await line.until(/200 OK/)
      line.socket.destroy()
      await line.closed
    },
  }
}

const upload = async (protocol: Protocol, bytes: number) => {
  const { status, headers } = await ask(protocol, house.proxy.port, '/model/quick/invoke', { headers: { authorization: `Bearer ${TOKEN}` }, body: 'b'.repeat(bytes) })
  return { status, retryAfter: headers['retry-after'] }
}

test('a body that stands still because we have no room for it has not fallen silent', WAIT, async () => {
  const slow = await slowUpload(700_000)
  const line = Line.to(house.proxy.port)
  line.write(invoke('chunked', '', `${(500_000).toString(16)}\r\n${'c'.repeat(500_000)}\r\n0\r\n\r\n`, 'Transfer-Encoding: chunked\r\n'))
  // Longer than a client may be silent, shorter than a body may wait.
  const finished = new Promise<void>((resolve, reject) => setTimeout(() => slow.finish().then(resolve, reject), 2500))
  await line.until(/HTTP\/1\.1 \d{3} .*\r\n\r\n/s)
  line.socket.destroy()
  assert.match(await line.closed, /^HTTP\/1\.1 200 /)
  await finished
})

test('who is let in and sends next to nothing keeps room for what he has sent, and can go on', WAIT, async () => {
  const slow = await slowUpload(BUDGET)
  assert.deepEqual(await upload('HTTP/1.1', 500_000), { status: 200, retryAfter: undefined })
  await slow.finish()
})

for (const [protocol, places] of [['HTTP/1.1', 2], ['HTTP/2', 1]] as const) {
  test(`what comes of bodies that wait takes a quarter of the room: over ${protocol} one too many is told at once to come back`, WAIT, async () => {
    const slow = await slowUpload(BUDGET)
    const answers = Array.from({ length: places + 1 }, () => upload(protocol, 500_000))
    assert.deepEqual(await Promise.race(answers), { status: 503, retryAfter: '1' })
    await slow.finish()
    assert.deepEqual((await Promise.all(answers)).map(({ status }) => status).sort(), [...Array(places).fill(200), 503])
  })
}

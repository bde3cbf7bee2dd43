import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import { SigningClock } from '../../src/sigv4/index.ts'
import { plainAnswer } from '../kit/bedrock.ts'
import { ask } from '../kit/client.ts'
import { startPair, startProxy, token } from '../kit/proxy.ts'

const { bedrock, proxy } = await startPair()

const invoke = (body: string | Buffer = '{}') => ask('HTTP/1.1', proxy.port, '/model/x/invoke', { headers: { authorization: `Bearer ${token()}` }, body })

test('a reused connection that is reset before any answer is replaced once, and the log says so', async () => {
  bedrock.script = plainAnswer
  await invoke()
  bedrock.script = (seen) => {
    bedrock.script = plainAnswer
    seen.socket.resetAndDestroy()
  }
  const body = Buffer.alloc(300_000, 'x')
  const before = bedrock.seen.length
  const line = proxy.nextRequestLine()
  const got = await invoke(body)
  assert.equal(got.status, 200)
  assert.equal((await line).retried, 'reset')
  assert.deepEqual(bedrock.seen.slice(before).map((seen) => seen.body.equals(body)), [true, true])
})

test('a connection that was never used before and is reset is not repeated: the model may have run', async () => {
  for (const socket of bedrock.sockets) {
    const closed = once(socket, 'close')
    socket.destroy()
    await closed
  }
  bedrock.script = (seen) => seen.socket.resetAndDestroy()
  const before = bedrock.seen.length
  assert.equal((await invoke()).status, 503)
  assert.equal(bedrock.seen.length, before + 1)
})

test('a connection that is reset a second time is given up', async () => {
  bedrock.script = plainAnswer
  await invoke()
  bedrock.script = (seen) => seen.socket.resetAndDestroy()
  const before = bedrock.seen.length
  assert.equal((await invoke()).status, 503)
  assert.equal(bedrock.seen.length, before + 2)
})

test('bytes that come on an idle connection reach nobody: the connection is not used again', async () => {
  bedrock.script = plainAnswer
  await invoke()
  for (const socket of bedrock.sockets) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison')
  const got = await invoke()
  assert.equal(got.body.toString(), '{"ok":true}')
})

test('the clock is learnt from AWS: a signature refused for its time is made once more, by AWS\'s time', async () => {
  const skewed = await startProxy(bedrock)
  const theirs = Date.now() + 3_600_000
  bedrock.script = (_seen, response) => {
    bedrock.script = plainAnswer
    response.sendDate = false
    response.writeHead(403, { 'x-amzn-ErrorType': 'InvalidSignatureException', Date: new Date(theirs).toUTCString() }).end('{"message":"Signature expired"}')
  }
  const line = skewed.nextRequestLine()
  const before = bedrock.seen.length
  // The second signature is an hour ahead, so this Bedrock, whose clock is ours, refuses it: that shows which time it was made by.
  await ask('HTTP/1.1', skewed.port, '/model/x/invoke', { headers: { authorization: `Bearer ${token()}` }, body: '{}' })
  assert.equal((await line).retried, 'clock')
  const [first, second] = bedrock.seen.slice(before).map((seen) => amzTime(String(seen.headers['x-amz-date'])))
  assert.ok(Math.abs(second! - first! - 3_600_000) < 10_000)
  await skewed.stop()
})

test('a refused signature within four minutes of AWS\'s time is not repeated', async () => {
  bedrock.script = (_seen, response) => response.writeHead(403, { 'x-amzn-ErrorType': 'InvalidSignatureException' }).end('{}')
  const before = bedrock.seen.length
  assert.equal((await invoke()).status, 503)
  assert.equal(bedrock.seen.length, before + 1)
})

test('a client that leaves during its upload leaves nothing behind at AWS, and a line in the log', async () => {
  const before = bedrock.seen.length
  const line = proxy.nextRequestLine()
  const upload = request({ host: '127.0.0.1', port: proxy.port, path: '/model/x/invoke', method: 'POST', headers: { authorization: `Bearer ${token()}`, 'content-length': 1000, expect: '100-continue' } })
  upload.on('error', () => undefined).flushHeaders()
  await once(upload, 'continue')
  upload.write('{', () => upload.destroy())
  assert.equal((await line).error, 'CLIENT_GONE')
  assert.equal(bedrock.seen.length, before)
})

test('a client that leaves while its body waits for memory gives its place back', { timeout: 20_000 }, async () => {
  const full = await startProxy(bedrock, { SERVER__MAX_INFLIGHT: '1MiB', SERVER__MAX_BODY: '1MiB' })
  let finish = (): void => undefined
  bedrock.script = (_seen, response) => { finish = () => response.end('{}') }
  const large = { headers: { authorization: `Bearer ${token()}` }, body: Buffer.alloc(1_048_576) }
  const arrived = bedrock.next()
  const first = ask('HTTP/1.1', full.port, '/model/x/invoke', large)
  await arrived
  const socket = connect(full.port, '127.0.0.1')
  socket.write(`POST /model/x/invoke HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${token()}\r\nContent-Length: 1048576\r\n\r\n`)
  const line = full.nextRequestLine()
  await once(socket, 'connect')
  socket.destroy()
  finish()
  assert.equal((await first).status, 200)
  await line
  bedrock.script = plainAnswer
  assert.equal((await ask('HTTP/1.1', full.port, '/model/x/invoke', large)).status, 200)
  await full.stop()
})

function amzTime(stamp: string): number {
  return Date.parse(stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
}

test('a reused connection that is reset amid the head of an answer is not repeated: something has come back', async () => {
  bedrock.script = plainAnswer
  await invoke()
  bedrock.script = (seen) => seen.socket.write('HTTP/1.1 200 OK\r\nx-amzn-', () => seen.socket.destroy())
  const before = bedrock.seen.length
  assert.equal((await invoke()).status, 503)
  assert.equal(bedrock.seen.length, before + 1)
})

test('two requests refused for the same wrong clock are both signed anew', async () => {
  const clock = new SigningClock(() => 1_000_000_000_000)
  const signedMs = clock.nowMs()
  const theirs = new Date(1_000_003_600_000).toUTCString()
  assert.deepEqual([clock.learn(theirs, signedMs), clock.learn(theirs, signedMs)], [true, true])
  assert.equal(clock.stamp(), '20010909T024640Z')
  assert.equal(clock.learn(theirs, clock.nowMs()), false)
})

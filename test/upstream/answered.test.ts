import assert from 'node:assert/strict'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { after, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { endpointOf, UpstreamClient } from '../../src/upstream/index.ts'

/** Answers at the first bytes of a body and resets the connection, all of it while the other thread stands still. */
const HASTY = `
const { createServer } = require('node:net')
const { parentPort, workerData: [stands, answered] } = require('node:worker_threads')
const server = createServer((socket) => {
  socket.on('error', () => undefined).once('data', () => {
    socket.pause()
    parentPort.postMessage('asked')
    Atomics.wait(stands, 0, 0)
    socket.write('HTTP/1.1 400 Bad Request\\r\\nContent-Length: 7\\r\\n\\r\\ntoo big', () => {
      socket.resetAndDestroy()
      Atomics.store(answered, 0, 1)
      Atomics.notify(answered, 0)
    })
  })
}).listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
`

test('an answer that comes amid an upload, in one moment with the reset of its connection, is the answer', async () => {
  const [stands, answered] = [new Int32Array(new SharedArrayBuffer(4)), new Int32Array(new SharedArrayBuffer(4))]
  const worker = new Worker(HASTY, { eval: true, workerData: [stands, answered] })
  after(() => worker.terminate())
  const [port] = (await once(worker, 'message')) as [number]
  const client = new UpstreamClient({ connectMs: 20_000, firstByteMs: 20_000, idleMs: 20_000 })
  after(() => client.close())
  const endpoint = endpointOf('runtime', { region: 'us-east-1', fips: false, dualStack: false, overrides: { runtime: `http://127.0.0.1:${port}` } })
  worker.once('message', () => {
    Atomics.store(stands, 0, 1)
    Atomics.notify(stands, 0)
    Atomics.wait(answered, 0, 0)
  })
  const chunks = Array.from({ length: 16 }, () => Buffer.alloc(1_000_000))
  const call = client.send(endpoint, { method: 'POST', target: '/model/x/invoke', fields: ['host', endpoint.host, 'content-length', '16000000'], chunks })
  const answer = await call.answer
  assert.deepEqual([answer.statusCode, await text(answer)], [400, 'too big'])
})

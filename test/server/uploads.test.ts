import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { type ClientHttp2Session, connect } from 'node:http2'
import { type AddressInfo, connect as dial, createServer } from 'node:net'
import { after, describe, test } from 'node:test'
import { BEARER, closeOf, Line, openHouse, responses, statuses, TOKEN } from './kit.ts'

const WAIT = { timeout: 30_000 }
const UPLOAD = Buffer.alloc(12_000_000, 'a')
const house = await openHouse({ SERVER__MAX_BODY: '1MB' })

const sessions: ClientHttp2Session[] = []
after(() => sessions.forEach((session) => session.destroy()))

type Client = (path: string, headers: Readonly<Record<string, string>>) => Promise<{ status: number | undefined; type: unknown; body: string }>

/** A client that hears an answer only where it does not run into the end of its connection before. */
const overH1: Client = (path, headers) => new Promise((resolve, reject) => {
  const asked = request({ host: '127.0.0.1', port: house.proxy.port, path, method: 'POST', headers, agent: false }, (response) => {
    let body = ''
    response.on('data', (chunk: Buffer) => { body += chunk.toString() })
    response.on('end', () => resolve({ status: response.statusCode, type: response.headers['x-amzn-errortype'], body }))
  })
  asked.on('error', reject).end(UPLOAD)
})

const overH2: Client = async (path, headers) => overH2To(house.proxy.port, UPLOAD, path, headers)

async function overH2To(port: number, upload: Buffer, path: string, headers: Readonly<Record<string, string>>): ReturnType<Client> {
  const session = connect(`http://127.0.0.1:${port}`)
  sessions.push(session)
  const stream = session.request({ ':method': 'POST', ':path': path, ...headers })
  let head: Record<string, unknown> = {}
  let body = ''
  stream.on('response', (received) => { head = received }).on('data', (chunk: Buffer) => { body += chunk.toString() }).end(upload)
  await closeOf(stream)
  return { status: head[':status'] as number, type: head['x-amzn-errortype'], body }
}

/** A client that writes all before it reads anything, as simple ones do. */
const overRaw: Client = async (path, headers) => {
  const line = Line.to(house.proxy.port)
  line.socket.pause()
  const lines = Object.entries({ host: 'a', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`).join('')
  line.write(`POST ${path} HTTP/1.1\r\n${lines}\r\n`)
  line.socket.write(UPLOAD, () => line.socket.resume())
  const [answer, ...more] = responses(await line.closed)
  assert.deepEqual(more, [])
  return { status: answer!.status, type: answer!.headers.get('x-amzn-errortype'), body: answer!.body }
}

const authorization = `Bearer ${TOKEN}`
const length = { 'content-length': String(UPLOAD.length) }

for (const [protocol, ask] of [['HTTP/1.1', overH1], ['HTTP/2', overH2], ['HTTP/1.1, written before it is read', overRaw]] as const) {
  describe(`${protocol}: an answer before 12 MB are read reaches the client`, { concurrency: true }, () => {
    for (const [name, path, headers, status] of [
      ['too large by its length', '/model/upload/invoke', { authorization, ...length }, 413],
      ['without a token', '/model/upload/invoke', length, 401],
      ['with a bad token', '/model/upload/invoke', { authorization: 'Bearer a.b.c', ...length }, 401],
      ['for nobody', '/nowhere', { authorization, ...length }, 404],
    ] as const) {
      test(`${name}: ${status}`, WAIT, async () => {
        const got = await ask(path, headers)
        assert.equal(got.status, status)
        assert.equal(got.type, status === 401 ? 'UnrecognizedClientException' : status === 404 ? 'UnknownOperationException' : 'ValidationException')
        assert.equal((JSON.parse(got.body) as { type: string }).type, 'error')
      })
    }
  })
}

for (const [protocol, ask] of [['HTTP/1.1', overH1], ['HTTP/2', overH2]] as const) {
  test(`${protocol}: too large by what has come: 413`, WAIT, async () => {
    assert.equal((await ask('/model/upload/invoke', { authorization, ...(protocol === 'HTTP/1.1' && { 'transfer-encoding': 'chunked' }) })).status, 413)
  })
}

/** A way to the proxy on which what goes up stands still, for so long, after the first megabyte. */
async function faltering(ms: number): Promise<number> {
  const relay = createServer((client) => {
    const proxy = dial(house.proxy.port, '127.0.0.1').on('error', () => undefined)
    let bytes = 0
    proxy.pipe(client)
    client.on('error', () => undefined).on('close', () => proxy.destroy()).on('data', (chunk: Buffer) => {
      proxy.write(chunk)
      if (bytes >= 1_000_000 || (bytes += chunk.length) < 1_000_000) return
      client.pause()
      setTimeout(() => client.resume(), ms)
    })
  }).listen(0, '127.0.0.1')
  after(() => relay.close())
  await once(relay, 'listening')
  return (relay.address() as AddressInfo).port
}

// Its client cannot be told earlier, and the answer must not be lost for that.
test('HTTP/2: an answer before 24 MB are read reaches the client after the network stood still for three seconds', WAIT, async () => {
  const got = await overH2To(await faltering(3000), Buffer.alloc(24_000_000, 'a'), '/model/upload/invoke', { authorization: 'Bearer a.b.c', 'content-length': '24000000' })
  assert.deepEqual([got.status, got.type], [401, 'UnrecognizedClientException'])
})

test('an upload that never ends is read no further than 64 MiB after its answer', WAIT, async () => {
  const line = Line.to(house.proxy.port)
  line.write(`POST /model/upload/invoke HTTP/1.1\r\nHost: a\r\n${BEARER}Transfer-Encoding: chunked\r\n\r\n`)
  const block = Buffer.from(`100000\r\n${'a'.repeat(0x100000)}\r\n`)
  const more = () => { while (!line.socket.destroyed && line.socket.write(block)); }
  line.socket.on('drain', more)
  more()
  assert.deepEqual(statuses(responses(await line.closed)), [413])
  assert.ok(line.socket.bytesWritten < 96 * 0x100000)
})

test('nothing of all this reached Bedrock', () => {
  assert.deepEqual(house.bedrock.seen, [])
})

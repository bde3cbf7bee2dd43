import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { connect as connectH2, type ClientHttp2Stream } from 'node:http2'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { after, afterEach, test } from 'node:test'
import { FakeBedrock, plainAnswer } from '../kit/bedrock.ts'
import { ask, type Protocol, PROTOCOLS } from '../kit/client.ts'
import { ConfigFile } from '../kit/config.ts'
import { secret } from '../kit/leaks.ts'
import { type LogLine, startProxy, type TestProxy, token } from '../kit/proxy.ts'
import { Speaker } from '../kit/speaker.ts'

const KEY = secret('the Bedrock API key', 'ABSKQmVkcm9ja0FQSUtleS1raXQtdGVzdA==')
const bedrock = await FakeBedrock.start()
bedrock.apiKey = KEY
afterEach(() => {
  bedrock.script = plainAnswer
  bedrock.onHead = undefined
  bedrock.pauses = undefined
  bedrock.apiKey = KEY
})
after(() => bedrock.close())

const NO_KEYS = { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' }

async function start(more: Readonly<Record<string, string>> = {}): Promise<TestProxy> {
  const proxy = await startProxy(bedrock, { ...NO_KEYS, AWS__BEARER_TOKEN: KEY, ...more })
  after(() => proxy.stop())
  return proxy
}

const proxy = await start()
const bearer = () => ({ authorization: `Bearer ${token()}` })
const outcome = ({ status, error, detail, bytes_in, retried }: LogLine) => ({ status, error, detail, bytes_in, retried })

for (const protocol of PROTOCOLS) {
  test(`aws.bearer_token: every surface goes up with the key and without a signature, over ${protocol}`, async () => {
    const before = bedrock.seen.length
    for (const path of ['/model/x/invoke', '/model/x/converse-stream', '/openai/v1/chat/completions', '/anthropic/v1/messages', '/mantle/v1/responses']) {
      assert.equal((await ask(protocol, proxy.port, path, { headers: bearer(), body: '{"model":"x"}' })).status, 200, path)
    }
    assert.equal((await ask(protocol, proxy.port, '/foundation-models', { method: 'GET', headers: bearer() })).status, 200)
    for (const { headers } of bedrock.seen.slice(before)) {
      assert.equal(headers.authorization, `Bearer ${KEY}`)
      assert.deepEqual(Object.keys(headers).filter((name) => name.startsWith('x-amz-')), [])
    }
  })

  test(`a large body reaches AWS while the client still sends it, over ${protocol}`, async () => {
    const came = new Promise<Buffer>((resolve) => { bedrock.onHead = (request) => once(request, 'readable').then(() => { const chunk = request.read() as Buffer; request.unshift(chunk); resolve(chunk) }) })
    const line = proxy.nextRequestLine()
    const upload = open(protocol, 200_000)
    upload.body.write(Buffer.alloc(100_000, 'a'))
    assert.equal(String(await came).replaceAll('a', ''), '')
    upload.body.end(Buffer.alloc(100_000, 'b'))
    assert.equal(await upload.status, 200)
    assert.equal(bedrock.seen.at(-1)!.body.length, 200_000)
    assert.equal(bedrock.seen.at(-1)!.headers['content-length'], '200000')
    assert.deepEqual(outcome(await line), { status: 200, error: undefined, detail: undefined, bytes_in: 200_000, retried: undefined })
  })

  test(`a client that leaves amid a large body leaves nothing going on at AWS, over ${protocol}`, async () => {
    const gone = new Promise<void>((resolve) => { bedrock.onHead = (request) => void request.on('close', resolve) })
    const line = proxy.nextRequestLine()
    const upload = open(protocol, 200_000)
    upload.status.catch(() => undefined)
    const head = headed()
    upload.body.write(Buffer.alloc(100_000, 'a'))
    await head
    upload.leave()
    assert.equal((await line).error, 'CLIENT_GONE')
    await gone
  })

  test(`a client that falls silent amid a large body is answered 408, over ${protocol}`, async () => {
    const impatient = await start({ SERVER__TIMEOUTS__IDLE: '300ms' })
    const line = impatient.nextRequestLine()
    const upload = open(protocol, 200_000, impatient)
    upload.body.write(Buffer.alloc(100_000, 'a'))
    assert.equal(await upload.status, 408)
    assert.equal((await line).error, 'BODY_TIMEOUT')
    upload.leave()
  })

  test(`an answer before a large body is read reaches the client, over ${protocol}`, async () => {
    bedrock.onHead = (_request, response) => void response.writeHead(429, { 'x-amzn-ErrorType': 'ThrottlingException', 'Content-Length': 2 }).end('{}')
    const upload = open(protocol, 400_000)
    upload.body.write(Buffer.alloc(100_000, 'a'))
    assert.equal(await upload.status, 429)
    upload.leave()
  })

  test(`a body above the limit is refused before any of it goes up, over ${protocol}`, async () => {
    const small = await start({ SERVER__MAX_BODY: '100KB' })
    const before = bedrock.seen.length
    const upload = open(protocol, 200_000, small)
    assert.equal(await upload.status, 413)
    upload.leave()
    assert.equal(bedrock.seen.length, before)
  })
}

test('a slow AWS slows its client down: the proxy keeps next to nothing of a large body', async () => {
  // It takes what TCP takes by itself, and no more before it is told.
  const deaf = createServer({ pauseOnConnect: true })
  const came = new Promise<Socket>((resolve) => deaf.on('connection', resolve))
  deaf.listen(0, '127.0.0.1')
  await once(deaf, 'listening')
  const wide = await start({ SERVER__MAX_BODY: '200MB', AWS__ENDPOINT: `http://127.0.0.1:${(deaf.address() as AddressInfo).port}` })
  const upload = open('HTTP/1.1', 200_000_000, wide)
  let sent = 0
  const piece = Buffer.alloc(1_000_000, 'a')
  while (sent < 200_000_000 && (upload.body.write(piece) || await Promise.race([once(upload.body, 'drain').then(() => true), quiet()]))) sent += piece.length
  assert.ok(sent < 100_000_000, `${sent} bytes were taken`)
  const socket = await came
  let bytes = 0
  socket.on('data', (chunk) => {
    bytes += chunk.length
    if (bytes > 200_000_000) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}')
  }).resume()
  for (sent += piece.length; sent < 200_000_000; sent += piece.length) if (!upload.body.write(piece)) await once(upload.body, 'drain')
  upload.body.end()
  assert.equal(await upload.status, 200)
  deaf.close()
})

test('who leaves while there is no memory for a large body has none of it for good', async () => {
  // Of an upload there is no more in memory than was read ahead, 128 KiB: six of them are all there is.
  const full = await start({ SERVER__MAX_INFLIGHT: '1MiB', SERVER__MAX_BODY: '1MiB' })
  const six = async () => {
    let missing = 6
    const came = new Promise<string>((resolve) => { bedrock.onHead = () => void (--missing === 0 && resolve('all')) })
    const uploads = Array.from({ length: 6 }, () => open('HTTP/1.1', 200_000, full))
    for (const { body } of uploads) body.write(Buffer.alloc(100_000))
    assert.equal(await Promise.race([came, ...uploads.map(({ status }) => status)]), 'all')
    return uploads
  }
  const finish = async (uploads: readonly Uploading[]) => {
    for (const { body } of uploads) body.end(Buffer.alloc(100_000))
    for (const { status } of uploads) assert.equal(await status, 200)
  }
  const first = await six()
  const line = full.nextRequestLine()
  connect(full.port, '127.0.0.1').end(`POST /model/x/invoke HTTP/1.1\r\nHost: x\r\nAuthorization: ${bearer().authorization}\r\nContent-Length: 200000\r\n\r\n`).resume()
  assert.equal((await line).error, 'CLIENT_GONE')
  await finish(first)
  await finish(await six())
})

test('what has to be known of a body is known: with limits on tokens, or a model in it, it is received first', async () => {
  const limited = await start({ LIMITS__DEFAULT__TOKENS_PER_DAY: '1000000' })
  const head = headed().then(() => 'sent')
  const upload = open('HTTP/1.1', 200_000, limited)
  upload.body.write(Buffer.alloc(100_000))
  assert.equal(await Promise.race([head, quiet()]), false)
  upload.body.end(Buffer.alloc(100_000))
  assert.equal(await upload.status, 200)
  const strict = await start(new ConfigFile({ policy: { rules: [{ models: ['good.model'], effect: 'allow' }] } }).env)
  for (const [model, status] of [['good.model', 200], ['bad.model', 403]] as const) {
    const body = JSON.stringify({ pad: 'x'.repeat(100_000), model })
    assert.equal((await ask('HTTP/1.1', strict.port, '/openai/v1/chat/completions', { headers: bearer(), body })).status, status)
  }
})

test('a large body that met a dying connection is not sent twice', async () => {
  await ask('HTTP/1.1', proxy.port, '/model/x/invoke', { headers: bearer(), body: '{}' })
  const before = bedrock.seen.length
  bedrock.onHead = (request) => request.socket.resetAndDestroy()
  const got = await ask('HTTP/1.1', proxy.port, '/model/x/invoke', { headers: bearer(), body: Buffer.alloc(200_000) })
  assert.equal(got.status, 503)
  assert.equal(bedrock.seen.length, before)
})

test('a key that AWS does not take is 503, in whatever words it says so; IAM\'s own words reach the client', async () => {
  for (const [status, type, body] of [
    [403, undefined, '{"Message":"Authentication failed: Please make sure your API Key is valid."}'],
    [403, 'AccessDeniedException', '{"Message":"Invalid API Key format: Must start with pre-defined prefix"}'],
    [403, undefined, '{"message":"Bearer Token has expired"}'],
    [403, 'UnrecognizedClientException', '{"message":"The security token included in the request is invalid."}'],
    [401, undefined, '{"error":{"code":"invalid_api_key","message":"Invalid bearer token"}}'],
  ] as const) {
    bedrock.script = (_seen, response) => response.writeHead(status, type === undefined ? {} : { 'x-amzn-ErrorType': type }).end(body)
    const line = proxy.nextRequestLine()
    assert.equal((await ask('HTTP/1.1', proxy.port, '/model/x/invoke', { headers: bearer(), body: '{}' })).status, 503, body)
    assert.equal((await line).error, 'AWS_CREDENTIALS_REFUSED')
  }
  const words = '{"Message":"User: arn:aws:iam::111122223333:user/BedrockAPIKey-abcd is not authorized to perform: bedrock:InvokeModel"}'
  bedrock.script = (_seen, response) => response.writeHead(403, { 'x-amzn-ErrorType': 'AccessDeniedException' }).end(words)
  const got = await ask('HTTP/1.1', proxy.port, '/model/x/invoke', { headers: bearer(), body: '{}' })
  assert.deepEqual([got.status, got.body.toString()], [403, words])
})

test('a 401 is about the proxy where it signs, too: so it is told where the endpoint is the proxy itself, by a name it does not know', async () => {
  bedrock.apiKey = undefined
  const signing = await startProxy(bedrock)
  after(() => signing.stop())
  bedrock.script = (_seen, response) => response.writeHead(401, { 'x-amzn-ErrorType': 'UnrecognizedClientException' }).end('{}')
  const line = signing.nextRequestLine()
  assert.equal((await ask('HTTP/1.1', signing.port, '/model/x/invoke', { headers: bearer(), body: '{}' })).status, 503)
  assert.equal((await line).detail, 'UnrecognizedClientException')
})

test('AWS_BEARER_TOKEN_BEDROCK is the key too; where it holds the token of a person, as clients have it, the start fails', async () => {
  const named = await start({ AWS__BEARER_TOKEN: '', AWS_BEARER_TOKEN_BEDROCK: KEY })
  assert.equal((await ask('HTTP/1.1', named.port, '/model/x/invoke', { headers: bearer(), body: '{}' })).status, 200)
  await assert.rejects(start({ AWS__BEARER_TOKEN: '', AWS_BEARER_TOKEN_BEDROCK: token() }), /AWS_BEARER_TOKEN_BEDROCK: aws\.bearer_token: expected a Bedrock API key, which a JSON Web Token \(eyJ…\) is not/)
})

test('with a key alone the proxy is ready and well, and conversations are 503', async () => {
  assert.equal((await ask('HTTP/1.1', proxy.port, '/health/ready', { method: 'GET' })).status, 200)
  const health = JSON.parse((await ask('HTTP/1.1', proxy.port, '/health/aws', { method: 'GET', headers: bearer() })).body.toString()) as { credentials: unknown }
  assert.deepEqual(health.credentials, { status: 'ok', provider: 'Bedrock API key', expires: null })
  const line = proxy.nextRequestLine()
  new Speaker('HTTP/2', proxy.port).say('hello')
  assert.equal((await line).error, 'NO_AWS_CREDENTIALS')
})

interface Uploading {
  readonly body: Writable
  readonly status: Promise<number>
  leave(): void
}

/** A request whose body is written by the test. */
function open(protocol: Protocol, length: number, { port } = proxy): Uploading {
  const headers = { ...bearer(), 'content-length': String(length), 'content-type': 'application/json' }
  if (protocol === 'HTTP/1.1') {
    const request = httpRequest({ host: '127.0.0.1', port, path: '/model/x/invoke', method: 'POST', headers, agent: false })
    request.flushHeaders()
    const status = new Promise<number>((resolve, reject) => request.on('response', (response) => resolve(response.resume().statusCode!)).on('error', reject))
    return { body: request, status, leave: () => request.destroy() }
  }
  const session = connectH2(`http://127.0.0.1:${port}`).on('error', () => undefined)
  const stream: ClientHttp2Stream = session.request({ ':method': 'POST', ':path': '/model/x/invoke', ...headers })
  const status = new Promise<number>((resolve, reject) => stream.on('response', (head) => {
    stream.resume().on('end', () => session.close())
    resolve(Number(head[':status']))
  }).on('error', reject))
  return { body: stream, status, leave: () => session.destroy() }
}

/** The head of the next request is at AWS. */
function headed(): Promise<void> {
  const { onHead } = bedrock
  return new Promise((resolve) => {
    bedrock.onHead = (...args) => {
      onHead?.(...args)
      resolve()
    }
  })
}

/** A second in which nothing drains. */
const quiet = (): Promise<boolean> => new Promise((resolve) => { setTimeout(() => resolve(false), 1000) })

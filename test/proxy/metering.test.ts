import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect as h2connect } from 'node:http2'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Script } from '../kit/bedrock.ts'
import { ask, type Protocol, PROTOCOLS } from '../kit/client.ts'
import { ConfigFile } from '../kit/config.ts'
import { startProxy, token } from '../kit/proxy.ts'
import { bedrock, proxyWith } from './hall.ts'

const MODEL = 'amazon.nova-pro-v1:0'
const PATH = '/openai/v1/chat/completions'
const headers = { authorization: `Bearer ${token()}` }
const pricing = [{ models: ['*'], input: 1000, output: 1000 }]

test('counts that no model can have used are none: they neither end the process nor stay in the counters', async () => {
  const proxy = await proxyWith(new ConfigFile({ pricing, limits: { default: { tokens_per_day: 100_000 } } }).env)
  bedrock.script = (_seen, response) => response.writeHead(200, { 'Content-Type': 'application/json' }).end(`{"usage":{"inputTokens":${Number.MAX_SAFE_INTEGER},"outputTokens":7}}`)
  const line = proxy.nextRequestLine()
  assert.equal((await ask('HTTP/1.1', proxy.port, `/model/${MODEL}/converse`, { headers, body: '{}' })).status, 200)
  const { output_tokens: output, input_tokens: input } = await line
  assert.deepEqual([input, output], [0, 7])
})

test('the counts of a whole answer are found, however it comes: with its head, behind it, without a length', async () => {
  const proxy = await proxyWith({})
  const answer = '{"usage":{"inputTokens":11,"outputTokens":7}}'
  const whole = { 'Content-Type': 'application/json', 'Content-Length': answer.length }
  const scripts: Record<string, Script> = {
    'with its head': (_seen, response) => response.writeHead(200, whole).end(answer),
    'behind it': (_seen, response) => {
      response.writeHead(200, whole).flushHeaders()
      setImmediate(() => response.end(answer))
    },
    'without a length': (_seen, response) => response.writeHead(200, { 'Content-Type': 'application/json' }).end(answer),
  }
  for (const [name, script] of Object.entries(scripts)) {
    for (const protocol of PROTOCOLS) {
      bedrock.script = script
      const line = proxy.nextRequestLine()
      assert.equal((await ask(protocol, proxy.port, `/model/${MODEL}/converse`, { headers, body: '{}' })).body.toString(), answer)
      const { input_tokens: input, output_tokens: output, bytes_out: bytes } = await line
      assert.deepEqual([input, output, bytes], [11, 7, answer.length], `${name}, ${protocol}`)
    }
  }
})

/** A stream of OpenAI's whose client has not asked for counts. */
const uncounted: Script = (_seen, response) => {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' })
  for (let i = 0; i < 20; i++) response.write(`data: {"choices":[{"delta":{"content":"${'x'.repeat(160)}"}}]}\n\n`)
  response.end('data: [DONE]\n\n')
}

test('a stream that does not say what it used is charged what can be estimated: not asking for counts is not free', async () => {
  const proxy = await proxyWith(new ConfigFile({ limits: { default: { tokens_per_day: 1000 } } }).env)
  bedrock.script = uncounted
  const body = JSON.stringify({ model: 'openai.gpt-oss-20b-1:0', stream: true, max_tokens: 100, messages: [{ role: 'user', content: 'y'.repeat(400) }] })
  const line = proxy.nextRequestLine()
  assert.equal((await ask('HTTP/1.1', proxy.port, PATH, { headers, body })).status, 200)
  const { input_tokens: input, output_tokens: output, partial, error } = await line
  assert.deepEqual([input, output, partial, error], [Math.ceil(body.length / 4), 21, true, undefined])
})

test('who leaves before the end of a whole answer is charged for the text that came, as far as it was asked for', async () => {
  const proxy = await proxyWith(new ConfigFile({ limits: { default: { tokens_per_day: 100_000 } } }).env)
  bedrock.script = (_seen, response) => response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': '100000' }).write('x'.repeat(2000))
  for (const [maxTokens, charged] of [[4000, 500], [300, 300], [5, 10]] as const) {
    const line = proxy.nextRequestLine()
    const controller = new AbortController()
    const response = await fetch(`${proxy.url}/model/${MODEL}/converse`, { method: 'POST', headers, body: `{"inferenceConfig":{"maxTokens":${maxTokens}}}`, signal: controller.signal })
    const reader = response.body!.getReader()
    for (let bytes = 0; bytes < 2000;) bytes += (await reader.read()).value!.length
    controller.abort()
    const { error, output_tokens: output, partial } = await line
    assert.deepEqual([error, output, partial], ['CLIENT_GONE', charged, true])
  }
})

test('a body that hides its model, or its length, is refused where it is packed, and dear where it is written in another way', async () => {
  const proxy = await proxyWith(new ConfigFile({ pricing: [{ models: ['a.b'], input: 1, output: 1 }, { models: ['c.d'], input: 2, output: 2 }] }).env)
  bedrock.script = (_seen, response) => response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"usage":{"input_tokens":1000000,"output_tokens":0}}')
  const json = '{"model":"a.b"}'
  const seen = bedrock.seen.length
  const packed = await ask('HTTP/1.1', proxy.port, '/anthropic/v1/messages', { headers: { ...headers, 'content-encoding': 'gzip' }, body: gzipSync(json) })
  assert.deepEqual([packed.status, packed.headers['x-amzn-errortype'], bedrock.seen.length], [415, 'ValidationException', seen])
  for (const [body, usd] of [[json, 1], [Buffer.from(json, 'utf16le'), 2]] as const) {
    const line = proxy.nextRequestLine()
    assert.equal((await ask('HTTP/1.1', proxy.port, '/anthropic/v1/messages', { headers, body })).status, 200)
    assert.equal((await line).cost_usd, usd)
  }
})

/** Leaves amid the answer, once it has begun. */
const LEAVERS: Readonly<Record<Protocol, (port: number, body: string) => Promise<() => void>>> = {
  'HTTP/1.1': async (port, body) => {
    const socket = connect(port, '127.0.0.1')
    socket.write(`POST ${PATH} HTTP/1.1\r\nHost: a\r\nAuthorization: ${headers.authorization}\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    await once(socket, 'data')
    return () => socket.resetAndDestroy()
  },
  'HTTP/2': async (port, body) => {
    const session = h2connect(`http://127.0.0.1:${port}`)
    const stream = session.request({ ':method': 'POST', ':path': PATH, ...headers })
    stream.on('error', () => undefined).end(body)
    await once(stream, 'data')
    return () => session.destroy()
  },
}

for (const protocol of PROTOCOLS) {
  test(`${protocol}: a client that leaves while the proxy drains is charged and written down`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'drain-'))
    after(() => rmSync(folder, { recursive: true }))
    const [file, path] = [join(folder, 'audit'), join(folder, 'journal')]
    const proxy = await startProxy(bedrock, new ConfigFile({ audit: { file }, limits: { store: 'journal', path, default: { tokens_per_day: 100_000 } } }).env)
    bedrock.script = (_seen, response) => { response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: {}\n\n') }
    const leave = await LEAVERS[protocol](proxy.port, '{"model":"openai.gpt-oss-20b-1:0"}')
    const stopped = proxy.stop()
    leave()
    await stopped
    assert.match(readFileSync(file, 'utf8'), /"error":"CLIENT_GONE"/)
    assert.match(readFileSync(path, 'utf8'), /"charges":/)
  })
}

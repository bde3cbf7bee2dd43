import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, PROTOCOLS } from '../kit/client.ts'
import { type RecordedAnswer, usageOf } from '../kit/recorded.ts'
import { startPair, token } from '../kit/proxy.ts'
import { conformance, readJson } from '../kit/vectors.ts'

interface Exchange extends RecordedAnswer {
  readonly request: { readonly method: string; readonly uri: string; readonly headers: readonly (readonly [string, string])[]; readonly body_base64: string }
  readonly response: { readonly status: number; readonly headers: readonly (readonly [string, string])[]; readonly body_base64: string }
}

// What the recorder's own transport added; the connection to the proxy has its own.
const TRANSPORT = new Set(['authorization', 'host', 'content-length', 'connection', 'transfer-encoding', 'accept-encoding', 'x-amz-security-token', 'x-amz-date'])
const HOP = new Set(['connection', 'transfer-encoding', 'set-cookie', 'server', 'keep-alive'])

const { bedrock, proxy } = await startPair()

conformance('bedrock-recorded', (folder) => {
  const exchanges = readJson<readonly Exchange[]>(folder, 'open', 'exchanges.json')
  for (const protocol of PROTOCOLS) {
    test(`all ${exchanges.length} recorded exchanges pass byte for byte over ${protocol}`, async (t) => {
      for (const exchange of exchanges) await t.test(exchange.name, () => passes(protocol, exchange))
    })
  }
})

async function passes(protocol: (typeof PROTOCOLS)[number], exchange: Exchange): Promise<void> {
  const { request, response, kind } = exchange
  const up = Buffer.from(request.body_base64, 'base64')
  const down = Buffer.from(response.body_base64, 'base64')
  const told = response.headers.filter(([name]) => name.toLowerCase() !== 'transfer-encoding' && name.toLowerCase() !== 'content-length')
  bedrock.script = (_seen, answer) => answer.writeHead(response.status, [...told, ['Content-Length', String(down.length)]].flat()).end(down)
  const { pathname } = new URL(request.uri)
  const headers = Object.fromEntries(request.headers.filter(([name]) => !TRANSPORT.has(name.toLowerCase())))
  const before = bedrock.seen.length
  const line = proxy.nextRequestLine()

  const got = await ask(protocol, proxy.port, pathname, { method: request.method, headers: { ...headers, authorization: `Bearer ${token()}` }, body: up })

  const seen = bedrock.seen[before]!
  assert.equal(bedrock.seen.length, before + 1)
  assert.ok('accessKeyId' in seen.signature, 'the signature is right')
  assert.deepEqual(seen.body, up)
  assert.equal(decodeURIComponent(seen.target), decodeURIComponent(pathname))
  assert.equal(got.status, response.status)
  assert.deepEqual(got.body, down)
  assert.equal(got.complete, true)
  for (const [name, value] of told) {
    if (!HOP.has(name.toLowerCase())) assert.equal(String(got.headers[name.toLowerCase()]), value, name)
  }
  for (const name of ['set-cookie', 'server']) assert.equal(got.headers[name], undefined)
  assert.equal(got.headers['request-id'], got.headers['x-amzn-requestid'])
  const { input, output, cacheRead, cacheWrite } = usageOf(exchange)
  const { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, partial } = await line
  const counted = kind === 'count-tokens' ? [undefined, undefined, undefined, undefined] : [input, output, cacheRead, cacheWrite]
  assert.deepEqual([input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, partial], [...counted, undefined], 'its line says what it used')
}

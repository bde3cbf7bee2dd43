import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ask, PROTOCOLS } from '../kit/client.ts'
import { BEARER, openHouse, statuses } from './kit.ts'

const house = await openHouse()

for (const protocol of PROTOCOLS) {
  test(`${protocol}: a HEAD is answered like the GET or POST, without a body`, async () => {
    for (const [path, status] of [['/health', 200], ['/health/ready', 200], ['/nowhere', 404], ['/model/x/invoke', 405], ['/a//../b', 404]] as const) {
      const got = await ask(protocol, house.proxy.port, path, { method: 'HEAD' })
      assert.deepEqual({ status: got.status, body: got.body.length, complete: got.complete }, { status, body: 0, complete: true }, path)
    }
  })

  test(`${protocol}: health is a page for GET and HEAD`, async () => {
    const got = await ask(protocol, house.proxy.port, '/health', { method: 'GET' })
    assert.equal(got.body.toString(), '{"status":"ok"}')
    const other = await ask(protocol, house.proxy.port, '/health', { method: 'DELETE' })
    assert.equal(other.status, 405)
    assert.equal(other.headers.allow, 'GET, HEAD')
  })
}

test('/openapi.json describes every operation, by its own path and method', async () => {
  const got = await ask('HTTP/1.1', house.proxy.port, '/openapi.json', { method: 'GET' })
  const { openapi, paths } = JSON.parse(got.body.toString()) as { openapi: string; paths: Record<string, Record<string, { operationId: string }>> }
  assert.equal(openapi, '3.1.0')
  assert.equal(paths['/model/{modelId}/converse-stream']!.post!.operationId, 'ConverseStream')
  for (const [path, methods] of Object.entries(paths)) {
    for (const method of Object.keys(methods)) {
      const asked = await ask('HTTP/1.1', house.proxy.port, path.replace(/\{\w+\}/g, 'x'), { method: method.toUpperCase() })
      assert.equal(asked.status, 401, `${method} ${path} is there, and needs a token`)
    }
  }
})

for (const [name, headers, origin] of [
  ['as the Host header names it', { host: 'bedrock.example.com:8443' }, 'http://bedrock.example.com:8443'],
  ['with https where TLS ends before it', { host: 'bedrock.example.com', 'x-forwarded-proto': 'https' }, 'https://bedrock.example.com'],
] as const) {
  test(`/setup shows ready lines with the address of the proxy, ${name}`, async () => {
    const got = await ask('HTTP/1.1', house.proxy.port, '/setup', { method: 'GET', headers })
    assert.equal(got.headers['content-type'], 'text/plain; charset=utf-8')
    const text = got.body.toString()
    for (const line of [`ANTHROPIC_BEDROCK_BASE_URL=${origin}\n`, `AWS_ENDPOINT_URL_BEDROCK_RUNTIME=${origin} `, `endpoint_url='${origin}'`, `endpoint: '${origin}'`, `${origin}/model/`]) {
      assert.ok(text.includes(line), line)
    }
    // Some SDKs send no bearer without TLS.
    assert.equal(text.includes("os.environ['AWS_BEARER_TOKEN_BEDROCK']"), origin.startsWith('https'))
    assert.equal(text.includes("os.environ['AWS_SESSION_TOKEN']"), !origin.startsWith('https'))
    assert.equal(text.match(/http/g)!.length, text.split(origin).length - 1 + text.match(/httpBearerAuth/g)!.length, 'no other address')
  })
}

test('server.example_model: the lines of /setup name a model to ask, or where one belongs', async () => {
  const { proxy } = await openHouse({ SERVER__EXAMPLE_MODEL: 'eu.amazon.nova-lite-v1:0' })
  for (const [{ port }, model] of [[proxy, 'eu.amazon.nova-lite-v1:0'], [house.proxy, '<model or inference profile>']] as const) {
    const text = (await ask('HTTP/1.1', port, '/setup', { method: 'GET' })).body.toString()
    for (const line of [`modelId='${model}'`, `modelId: '${model}'`, `/model/${model}/converse`]) assert.ok(text.includes(line), line)
  }
})

test('a host that could end a line of shell is refused, not shown', async () => {
  assert.deepEqual(statuses(await house.send("GET /setup HTTP/1.1\r\nHost: a';id;'\r\n\r\n")), [400])
})

test('our own pages are kept nowhere, framed by nobody, and load nothing', async () => {
  for (const path of ['/health', '/health/ready', '/openapi.json', '/setup']) {
    const { headers } = await ask('HTTP/1.1', house.proxy.port, path, { method: 'GET' })
    assert.equal(headers['cache-control'], 'no-store')
    assert.equal(headers['content-security-policy'], "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
    assert.equal(headers['x-content-type-options'], 'nosniff')
    assert.equal(headers['referrer-policy'], 'no-referrer')
  }
})

const get = (target: string, lines = 'Host: a\r\n', verb = 'GET') => `${verb} ${target} HTTP/1.1\r\n${lines}${BEARER}\r\n`

// What opened other proxies: their health check was decided by one spelling of a request and the rest by another.
const ROWS: readonly (readonly [name: string, bytes: string, statuses: readonly number[]])[] = [
  ['a query that names an operation', get('/health?x=/model/m/invoke'), [200]],
  ['an encoded query', get('/health%3Fx=/model/m/invoke'), [404]],
  ['a User-Agent of a health checker', get('/foundation-models', 'Host: a\r\nUser-Agent: GoogleHC/1.0\r\n').replace(BEARER, ''), [401]],
  ['a fragment', get('/health#/../foundation-models'), [400]],
  ['dot segments behind it', get('/health/../foundation-models'), [404]],
  ['encoded dot segments behind it', get('/health/%2e%2e/foundation-models'), [404]],
  ['a slash behind it', get('/health/'), [404]],
  ['two slashes before it', get('//health'), [400]],
  ['path parameters', get('/health;/foundation-models'), [404]],
  ['absolute form', get('http://a/health'), [400]],
  ['X-Original-URL and its kin', get('/health', 'Host: a\r\nX-Original-URL: /foundation-models\r\nX-Rewrite-URL: /foundation-models\r\nX-Forwarded-Uri: /foundation-models\r\n'), [200]],
  ['X-HTTP-Method-Override', get('/health', 'Host: a\r\nX-HTTP-Method-Override: POST\r\n'), [200]],
  ['a POST', get('/health', 'Host: a\r\nContent-Length: 0\r\n', 'POST'), [405]],
  ['two Hosts', get('/health', 'Host: a\r\nHost: b\r\n'), [400]],
  ['no Host', get('/health', ''), [400]],
  ['a Host with userinfo', get('/health', 'Host: a@b\r\n'), [400]],
  ['HTTP/2.0 without HTTP/2', get('/health').replace('HTTP/1.1', 'HTTP/2.0'), [400]],
  ['transfer-encoding of two codings', `${get('/health', 'Host: a\r\nTransfer-Encoding: gzip, chunked\r\n')}0\r\n\r\n`, [400]],
  ['a request as its body', `${get('/health', 'Host: a\r\nContent-Length: 41\r\n')}GET /foundation-models HTTP/1.1\r\nHost: a\r\n`, [400]],
  ['HTTP/1.0 without a Host, as load balancers ask', 'GET /health HTTP/1.0\r\n\r\n', [200]],
]

describe('health leads nowhere else', { concurrency: true }, () => {
  for (const [name, bytes, expected] of ROWS) {
    test(`health with ${name} is answered ${expected.join()}`, async () => {
      assert.deepEqual(statuses(await house.send(bytes)), expected)
    })
  }
})

test('nothing of all this reached Bedrock', () => {
  assert.deepEqual(house.bedrock.seen, [])
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Seen } from '../kit/bedrock.ts'
import { BEARER, invoke, openHouse, statuses } from './kit.ts'

const house = await openHouse()

/** Header lines of every request that goes up, all of our own making. */
const OURS = ['host', 'accept-encoding', 'content-length', 'x-amz-date', 'x-amz-content-sha256', 'authorization', 'connection']

/** What a request brought to Bedrock beside them. */
const theirs = ({ rawHeaders }: Seen) => rawHeaders.flatMap((name, i) => (i % 2 === 0 && !OURS.includes(name.toLowerCase()) ? [[name, rawHeaders[i + 1]!]] : []))

let models = 0
/** Sends a good request with some more header lines; what came up of it. */
async function sent(...lines: readonly string[]): Promise<Seen> {
  const model = `model-${models++}`
  const answers = await house.send(invoke(model, lines.map((line) => `${line}\r\n`).join('')))
  assert.deepEqual(statuses(answers), [200], lines.join())
  const [seen] = house.seenOf(model)
  assert.ok(!(seen!.signature instanceof Error))
  return seen!
}

describe('header lines', { concurrency: true }, () => {
  test('a request without any brings none', async () => {
    assert.deepEqual(theirs(await sent()), [])
  })

  test('those that AWS may see go up as they came, in their order', async () => {
    const seen = await sent('Content-Type: application/json', 'X-Amzn-Bedrock-Trace: ENABLED', 'anthropic-beta: a', 'User-Agent: claude-cli', 'Anthropic-Beta: b', 'X-Claude-Code-Session-Id: 1', 'constructor: c')
    assert.deepEqual(theirs(seen), [
      ['content-type', 'application/json'], ['x-amzn-bedrock-trace', 'ENABLED'], ['anthropic-beta', 'a'], ['user-agent', 'claude-cli'],
      ['anthropic-beta', 'b'], ['x-claude-code-session-id', '1'], ['constructor', 'c'],
    ])
  })

  // One request each: a line that goes up, or moves one of ours, is named by its test.
  for (const line of [
    'X-Api-Key: {TOKEN}', 'Cookie: session=1', 'Proxy-Authorization: Basic dTpw', 'X-Amz-Security-Token: {TOKEN}', 'X-Amz-Date: 19700101T000000Z',
    'X-Amz-Content-Sha256: UNSIGNED-PAYLOAD', 'X-Amz-Target: Other.Operation', 'X-Amz-Expires: 1', 'amz-sdk-invocation-id: 1', 'amz-sdk-request: attempt=1',
    'X-Amzn-Bedrock-Request-Metadata: {"user":"mallory"}', 'X-Amzn-Oidc-Data: a.b.c', 'Cf-Access-Jwt-Assertion: a.b.c', 'Api-Key: {TOKEN}', 'X-Auth-Token: {TOKEN}', 'X-Ms-Token-Aad-Access-Token: {TOKEN}',
    'X-Goog-Authenticated-User-Email: mallory', 'X-Goog-IAP-JWT-Assertion: a.b.c', 'X-Original-URL: /admin', 'X-Auth-Request-User: mallory',
    'X-Forwarded-For: 203.0.113.9', 'X-Forwarded-Host: evil.example', 'X-Forwarded-Proto: https', 'X-Forwarded-Uri: /health', 'Forwarded: for=203.0.113.9',
    'Via: 1.1 evil', 'Accept-Encoding: gzip, br', 'Origin: http://evil.example', 'Referer: http://evil.example/', 'Sec-Fetch-Mode: cors',
    'X-Stainless-Lang: js', 'TE: trailers', 'Trailer: X-Late', 'Keep-Alive: timeout=99', 'Proxy-Connection: keep-alive', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__',
    'x_amz_date: 19700101T000000Z', 'Content_Length: 99', 'Transfer_Encoding: chunked', 'authorization_: Basic dTpw', 'X-AMZ-date: 19700101T000000Z', '__proto__: x',
    'X-Name: Jos\xe9', 'X-Name: \x80\xff',
  ]) {
    test(`${JSON.stringify(line)} stays here`, async () => {
      const seen = await sent(line.replace('{TOKEN}', /Bearer (.+)\r/.exec(BEARER)![1]!))
      assert.deepEqual(theirs(seen), [])
      assert.equal(seen.rawHeaders.length, 2 * OURS.length)
      assert.equal(seen.headers['accept-encoding'], 'identity')
      assert.equal(seen.headers.host, new URL(house.bedrock.url).host)
      assert.equal(seen.headers['content-length'], '2')
    })
  }

  test('what Connection names stays here, whoever would know it', async () => {
    const seen = await sent('Connection: keep-alive, X-Hop, content-type,,anthropic-beta', 'X-Hop: 1', 'Content-Type: text/plain', 'anthropic-beta: a', 'X-Stay: 2')
    assert.deepEqual(theirs(seen), [['x-stay', '2']])
  })

  test('two Connection lines are one', async () => {
    const seen = await sent('Connection: X-A', 'connection: X-B', 'X-A: 1', 'X-B: 2', 'X-C: 3')
    assert.deepEqual(theirs(seen), [['x-c', '3']])
  })
})

describe('upgrades that nobody here makes', { concurrency: true }, () => {
  test('h2c is answered as HTTP/1.1', async () => {
    assert.deepEqual(theirs(await sent('Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__')), [])
  })

  test('a WebSocket handshake is an ordinary request', async () => {
    const answers = await house.send(`GET /health HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`)
    assert.deepEqual(statuses(answers), [200])
  })
})

describe('a model id has one spelling upstream', { concurrency: true }, () => {
  const SPELLINGS: readonly (readonly [target: string, upstream: string])[] = [
    ['/model/anthropic.claude-v2:1/invoke', '/model/anthropic.claude-v2%3A1/invoke'],
    ['/model/anthropic.claude-v2%3A1/invoke', '/model/anthropic.claude-v2%3A1/invoke'],
    ['/model/anthropic.claude-v2%3a1/invoke', '/model/anthropic.claude-v2%3A1/invoke'],
    ['/model/%61nthropic.claude-v2:1/invoke', '/model/anthropic.claude-v2%3A1/invoke'],
    ['/model/arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.a/invoke', '/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.a/invoke'],
    ['/model/arn:aws:bedrock:us-east-1:123456789012:inference-profile%2Fus.a/invoke', '/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.a/invoke'],
    // P4, P5, P11: what some servers act on is part of the name here, or does not go up.
    ['/model/a;jsessionid=1/invoke', '/model/a%3Bjsessionid%3D1/invoke'],
    ['/model/x.amazonaws.com.evil/invoke', '/model/x.amazonaws.com.evil/invoke'],
    ['/model/a@evil.example:443/invoke', '/model/a%40evil.example%3A443/invoke'],
    ['/model/a/invoke?x=/health', '/model/a/invoke'],
    ['/model/a/invoke?X-Amz-Security-Token=t&access_token=t', '/model/a/invoke'],
    ['/model/a%EF%BC%8Fb/invoke', '/model/a%EF%BC%8Fb/invoke'],
    ['/model/%D0%B0/invoke', '/model/%D0%B0/invoke'],
    [`/model/${'a'.repeat(2048)}/invoke`, `/model/${'a'.repeat(2048)}/invoke`],
    ['/foundation-models?byProvider=a%20b&byProvider=%61', '/foundation-models?byProvider=a&byProvider=a%20b'],
  ]
  SPELLINGS.forEach(([target, upstream], i) => {
    test(`${target.slice(0, 90)} goes up as ${upstream.slice(0, 90)}`, async () => {
      const [verb, framing] = target.startsWith('/model') ? ['POST', 'Content-Length: 2\r\n\r\n{}'] : ['GET', '\r\n']
      const answers = await house.send(`${verb} ${target} HTTP/1.1\r\nHost: evil.example\r\nX-Row: ${i}\r\n${BEARER}${framing}`)
      assert.deepEqual(statuses(answers), [200])
      const [seen] = house.bedrock.seen.filter(({ headers }) => headers['x-row'] === String(i))
      assert.equal(seen!.target, upstream)
      assert.equal(seen!.headers.host, new URL(house.bedrock.url).host)
      assert.ok(!(seen!.signature instanceof Error))
    })
  })
})

test('the log names the peer, whatever a client says of addresses', () => {
  const requests = house.proxy.log.filter(({ msg }) => msg === 'request')
  assert.ok(requests.length > 50)
  for (const { source } of requests) assert.equal(source, '127.0.0.1')
})

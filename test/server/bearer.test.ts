import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ask } from '../kit/client.ts'
import { conformance, readJson } from '../kit/vectors.ts'
import { openHouse, TOKEN } from './kit.ts'

const house = await openHouse()

interface Case {
  readonly name: string
  /** One header line each; `{TOKEN}` stands for a good token. */
  readonly authorization_values: readonly string[] | null
  readonly header?: readonly [name: string, value: string]
  readonly expect: 'accept' | 'reject'
  readonly level: 'must' | 'policy'
}

/** Two lines of a singleton are no bad token but a bad request: which of them counts would be a guess. */
const BAD_REQUEST = new Set(['two-headers-same', 'two-headers-bad-first', 'two-headers-bad-second'])

let models = 0
async function answerTo(lines: readonly string[]): Promise<{ status: number; type: string | undefined; challenge: string | undefined; wentUp: boolean }> {
  const model = `model-${models++}`
  const head = lines.map((line) => `${line.replaceAll('{TOKEN}', TOKEN)}\r\n`).join('')
  const [answer, ...more] = await house.send(`POST /model/${model}/invoke HTTP/1.1\r\nHost: a\r\n${head}Content-Length: 2\r\n\r\n{}`)
  assert.deepEqual(more, [])
  const { status, headers } = answer!
  return { status, type: headers.get('x-amzn-errortype'), challenge: headers.get('www-authenticate'), wentUp: house.seenOf(model).length > 0 }
}

const ACCEPTED = { status: 200, type: undefined, challenge: undefined, wentUp: true }
const NO_TOKEN = { status: 401, type: 'UnrecognizedClientException', challenge: 'Bearer error="invalid_token"', wentUp: false }
const BAD = { status: 400, type: 'ValidationException', challenge: undefined, wentUp: false }

conformance('bearer-header-derived', (folder) => {
  describe('bearer-header-derived', { concurrency: true }, () => {
    for (const one of readJson<Case[]>(folder, 'open', 'cases.json')) {
      test(`${one.name}: ${one.expect}`, async () => {
        const lines = one.header !== undefined ? [one.header.join(': ')] : one.authorization_values!.map((value) => `Authorization: ${value}`)
        assert.deepEqual(await answerTo(lines), one.expect === 'accept' ? ACCEPTED : BAD_REQUEST.has(one.name) ? BAD : NO_TOKEN)
      })
    }
  })
})

const SIGNED = 'Authorization: AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=00'

describe('the token and where it can stand', { concurrency: true }, () => {
  for (const [name, lines, expected] of [
    ['x-api-key', ['x-api-key: {TOKEN}'], ACCEPTED],
    ['the session token of a signature', [SIGNED, 'X-Amz-Security-Token: {TOKEN}'], ACCEPTED],
    ['the same token twice', ['Authorization: Bearer {TOKEN}', 'x-api-key: {TOKEN}'], ACCEPTED],
    ['two different tokens', ['Authorization: Bearer {TOKEN}', 'x-api-key: a.b.c'], BAD],
    ['a signature alone', [SIGNED], NO_TOKEN],
    ['an empty x-api-key', ['x-api-key:'], NO_TOKEN],
    ['a bearer in x-api-key', ['x-api-key: Bearer {TOKEN}'], NO_TOKEN],
    ['a cookie', ['Cookie: token={TOKEN}; Authorization={TOKEN}'], NO_TOKEN],
    ['an underscore for the hyphen', ['x_api_key: {TOKEN}'], NO_TOKEN],
    ['a subprotocol without an upgrade', ['Sec-WebSocket-Protocol: bedrock, bearer.{TOKEN}'], NO_TOKEN],
    ['another scheme', ['Authorization: Token {TOKEN}'], NO_TOKEN],
  ] as const) {
    test(`${name} is answered ${expected.status}`, async () => {
      assert.deepEqual(await answerTo(lines), expected)
    })
  }

  test('a token in the query or in the body is none', async () => {
    const got = await ask('HTTP/1.1', house.proxy.port, `/model/x/invoke?access_token=${TOKEN}&X-Amz-Security-Token=${TOKEN}`, { body: `access_token=${TOKEN}` })
    assert.equal(got.status, 401)
  })
})

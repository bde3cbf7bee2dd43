import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BEARER, invoke, openHouse, statuses, TOKEN } from './kit.ts'

const house = await openHouse()

interface Row {
  readonly name: string
  /** The whole request; `{model}` stands for an id that no other row has. */
  readonly bytes: string
  readonly status: number
  readonly type: string
}

const row = (status: number, type: string) => (name: string, bytes: string): Row => ({ name, bytes, status, type })
const bad = row(400, 'ValidationException')
const large = row(431, 'ValidationException')
const method = row(405, 'UnknownOperationException')

/** A good request but for some lines of its head. */
const withLines = (...lines: string[]) => invoke('{model}', lines.map((line) => `${line}\r\n`).join(''))
const withTarget = (target: string, verb = 'POST') => `${verb} ${target} HTTP/1.1\r\nHost: proxy.example\r\n${BEARER}Content-Length: 2\r\n\r\n{}`
const withHosts = (...lines: string[]) => `POST /model/{model}/invoke HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join('')}${BEARER}Content-Length: 2\r\n\r\n{}`
const withVersion = (version: string, framing = 'Content-Length: 2\r\n\r\n{}') => `POST /model/{model}/invoke ${version}\r\nHost: proxy.example\r\n${BEARER}${framing}`
const chunked = (encoding: string, version = 'HTTP/1.1') => withVersion(version, `${encoding}\r\n\r\n2\r\n{}\r\n0\r\n\r\n`)
const lines = (count: number) => Array.from({ length: count }, (_, i) => `x-${i}: ${i}\r\n`).join('')

// Each is accepted by node:http as it comes, unless a word behind it says otherwise.
const ROWS: readonly Row[] = [
  bad('transfer-encoding with a second coding', chunked('Transfer-Encoding: gzip, chunked')),
  bad('transfer-encoding with an empty element', chunked('Transfer-Encoding: ,chunked')),
  bad('transfer-encoding in HTTP/1.0', chunked('Transfer-Encoding: chunked', 'HTTP/1.0')),
  bad('content-length beside transfer-encoding (llhttp)', chunked('Content-Length: 2\r\nTransfer-Encoding: chunked')),
  bad('two equal content-lengths (llhttp)', withLines('Content-Length: 2')),
  bad('a content-length no computer has', `POST /model/{model}/invoke HTTP/1.1\r\nHost: a\r\n${BEARER}Content-Length: 9999999999999999\r\n\r\n`),

  bad('HTTP/0.9', withVersion('HTTP/0.9')),
  bad('HTTP/2.0 without HTTP/2', withVersion('HTTP/2.0')),
  bad('HTTP/1.2 (llhttp)', withVersion('HTTP/1.2')),

  bad('no Host', withHosts()),
  bad('an empty Host', withHosts('Host:')),
  bad('two equal Hosts', withHosts('Host: a', 'Host: a')),
  bad('two Hosts', withHosts('Host: a', 'host: b')),
  bad('userinfo in Host', withHosts('Host: a@b')),
  bad('a path in Host', withHosts('Host: a/b')),
  bad('a list of Hosts', withHosts('Host: a, b')),
  bad('a folded line (llhttp)', withLines('X: a', ' b')),
  bad('a space before the colon (llhttp)', withLines('X : a')),

  bad('two equal Authorizations', withLines(BEARER.trim())),
  bad('a second Authorization', withLines('authorization: Basic dTpw')),
  bad('two Content-Types', withLines('Content-Type: application/json', 'Content-Type: text/html')),
  bad('two x-api-keys', withLines(`x-api-key: ${TOKEN}`, `x-api-key: ${TOKEN}`)),
  bad('two x-amz-dates', withLines('X-Amz-Date: 20260101T000000Z', 'x-amz-date: 20260101T000000Z')),
  bad('two guardrails', withLines('X-Amzn-Bedrock-GuardrailIdentifier: a', 'X-Amzn-Bedrock-GuardrailIdentifier: b')),
  bad('a Content-Type outside of ASCII', withLines('Content-Type: application/json\xff')),
  bad('Connection naming authorization', withLines('Connection: keep-alive, Authorization')),
  bad('Connection naming host', withLines('Connection: HOST')),
  bad('Connection naming a signed header', withLines('Connection: x-amz-date')),
  bad('two different tokens', withLines('x-api-key: a.b.c')),

  large('201 header lines', invoke('{model}', lines(198))),
  large('a header of 66 KiB', withLines(`X: ${'a'.repeat(66 * 1024)}`)),
  large('many header lines of 66 KiB together', withLines(...Array.from({ length: 66 }, (_, i) => `x-${i}: ${'a'.repeat(1024)}`))),
  large('2,100 header lines before the token', `POST /model/{model}/invoke HTTP/1.1\r\nHost: a\r\n${lines(2100)}${BEARER}Content-Length: 2\r\n\r\n{}`),
  large('2,100 header lines before the length', `POST /model/{model}/invoke HTTP/1.1\r\nHost: a\r\n${BEARER}${lines(2100)}Content-Length: 2\r\n\r\n{}`),

  bad('absolute form', withTarget('http://evil.example/model/{model}/invoke')),
  bad('absolute form of a metadata service', withTarget('https://169.254.169.254/latest/meta-data')),
  bad('absolute form of this very host', withTarget('http://proxy.example/model/{model}/invoke')),
  bad('a host without a scheme', withTarget('//evil.example/model/{model}/invoke')),
  bad('asterisk form', withTarget('*', 'OPTIONS')),
  bad('asterisk form of another method', withTarget('*', 'GET')),
  bad('authority form (llhttp)', withTarget('evil.example:443', 'GET')),
  bad('P7 an id of 2,049 characters', withTarget(`/model/${'a'.repeat(2049)}/invoke`)),
  bad('P9 a fragment', withTarget('/model/{model}/invoke#x')),
  bad('P9 a fragment before the operation', withTarget('/model/{model}#/invoke')),
  bad('a backslash', withTarget('/model/a\\{model}/invoke')),
  bad('a target outside of ASCII (llhttp)', withTarget('/model/{model}\xe9/invoke')),
  bad('a target of 9 kB', withTarget(`/model/{model}/invoke?${'a'.repeat(9000)}`)),
  bad('P1 dot segments', withTarget('/model/../model/{model}/invoke')),
  bad('P1 dot segments inside the id', withTarget('/model/a/../{model}/invoke')),
  bad('P1 encoded dots', withTarget('/model/%2e%2e/{model}/invoke')),
  bad('P1 encoded dots as the id', withTarget('/model/%2E%2e/invoke')),
  bad('P1 half-encoded dots', withTarget('/model/.%2e/{model}/invoke')),
  bad('P1 dots encoded twice', withTarget('/model/%252e%252e/{model}/invoke')),
  bad('P1 dot segments on another surface', withTarget('/openai/v1/../../model/{model}/invoke')),
  bad('P1 encoded dots on another surface', withTarget('/mantle/%2e%2e/model/{model}/invoke')),
  bad('P1 an encoded slash on another surface', withTarget('/anthropic/v1/a%2f..%2f{model}')),
  bad('P2 an encoded slash outside of an ARN', withTarget('/model/a%2f{model}/invoke')),
  bad('P2 an encoded backslash', withTarget('/model/a%5c{model}/invoke')),
  bad('P2 an encoded NUL', withTarget('/model/{model}%00/invoke')),
  bad('P2 an encoded line break', withTarget('/model/{model}%0d%0aX:%20y/invoke')),
  bad('P2 overlong UTF-8', withTarget('/model/{model}%c0%ae/invoke')),
  bad('P2 a lone percent sign', withTarget('/model/{model}%/invoke')),
  bad('P2 percent and no hex digits', withTarget('/model/{model}%zz/invoke')),
  bad('P4 an encoded fragment', withTarget('/model/evil.com%23{model}/invoke')),
  bad('P4 an encoded question mark', withTarget('/model/{model}%3f/invoke')),
  bad('an empty segment', withTarget('/model//invoke/{model}/invoke')),
  row(404, 'UnknownOperationException')('an empty id', withTarget('/model//invoke')),
  row(404, 'UnknownOperationException')('P12 a slash behind the operation', withTarget('/model/{model}/invoke/')),
  bad('P12 the operation twice', withTarget('/model/{model}/invoke/invoke')),
  row(405, 'UnknownOperationException')('P10 the operation in the query', withTarget('/?x=/model/{model}/invoke')),
  row(404, 'UnknownOperationException')('P12 the operation in capitals', withTarget('/model/{model}/INVOKE')),

  method('TRACE', withTarget('/model/{model}/invoke', 'TRACE')),
  method('QUERY', withTarget('/model/{model}/invoke', 'QUERY')),
  method('OPTIONS', withTarget('/model/{model}/invoke', 'OPTIONS')),
  method('GET on an operation that is a POST', withTarget('/model/{model}/invoke', 'GET')),
  method('HEAD', `HEAD /model/{model}/invoke HTTP/1.1\r\nHost: a\r\n${BEARER}\r\n`),
  method('CONNECT', `CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n${BEARER}\r\n`),
  bad('a method in lower case (llhttp)', withTarget('/model/{model}/invoke', 'post')),
  bad('a body on an operation that is a GET', withTarget('/foundation-models', 'GET')),
  row(417, 'ValidationException')('an expectation nobody knows', withLines('Expect: 200-ok')),
  row(417, 'ValidationException')('a HEAD with an expectation nobody knows', 'HEAD / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n'),
]

describe('each of these alone keeps a good request from going up', { concurrency: 50 }, () => {
  ROWS.forEach(({ name, bytes, status, type }, i) => {
    test(`the door refuses ${name}`, async () => {
      const answers = await house.send(bytes.replaceAll('{model}', `row-${i}`))
      assert.deepEqual(statuses(answers), [status])
      assert.equal(answers[0]!.headers.get('x-amzn-errortype'), type)
    })
  })
})

test('nothing of what was refused reached Bedrock', async () => {
  assert.deepEqual(house.bedrock.seen, [])
})

test('a row that nothing is wrong with goes up', async () => {
  assert.deepEqual(statuses(await house.send(invoke('good', lines(195)))), [200])
  assert.equal(house.seenOf('good').length, 1)
})

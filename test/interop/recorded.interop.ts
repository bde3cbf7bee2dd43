import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { connect, type OutgoingHttpHeaders } from 'node:http2'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { conformance, readJson } from '../kit/vectors.ts'
import { closing } from './kit/closing.ts'
import type { Received } from './kit/standin.ts'
import { TOKENS } from './kit/token.ts'
import { bedrock, program } from './kit/world.ts'

/** A request as a client sent it: the very target, and its header lines in their order and spelling. */
interface Recorded {
  readonly proto: string
  readonly method: string
  readonly target: string
  readonly headers: readonly (readonly [string, string])[]
  readonly bodyBytes: number
  readonly body: { readonly utf8?: string; readonly topLevelKeys?: readonly string[] }
}

interface RecordedCase {
  readonly case: string
  readonly client?: string
  readonly requests?: readonly Recorded[]
}

/** Clients that are not run here, or not in all of their versions. */
const SECTIONS = ['claude_code', 'anthropic_bedrock_sdk_js_and_openai_js', 'anthropic_bedrock_sdk_js_old_versions', 'anthropic_python', 'boto3_bearer', 'aws_sdk_js_v3_bearer', 'vercel_ai_sdk']

/** What is refused whoever asks, by the beginning of its target. */
const REFUSED: ReadonlyMap<string, number> = new Map([
  // The user encoded the ARN, and the SDK did it again: AWS would not know it either.
  ['/model/arn%253A', 400],
  // The base URL had a prefix; ours has none.
  ['/bedrock/', 404],
  // A base URL of Mantle itself; with us that is below /mantle.
  ['/v1/responses', 404],
])

conformance('bedrock-contract', (folder) => {
  const recorded = readJson<Readonly<Record<string, readonly RecordedCase[]>>>(folder, 'client-requests.json')
  for (const section of SECTIONS) {
    describe(section, () => {
      for (const { case: name, requests = [] } of recorded[section]!) {
        for (const one of requests) test(`${name}: ${one.method} ${one.target}`, () => replay(one))
      }
    })
  }
})

async function replay(recorded: Recorded): Promise<void> {
  const sent = { ...recorded, headers: withToken(recorded.headers), body: bodyOf(recorded) }
  const [refused] = [...REFUSED].filter(([start]) => recorded.target.startsWith(start)).map(([, status]) => status)
  const expected = refused ?? (JSON.stringify(sent.headers).includes(TOKENS.good) ? 200 : 401)
  const arrived: Received[] = []
  bedrock.onRequest = (received) => arrived.push(received)
  assert.equal(await send(sent), expected)
  if (expected !== 200) return assert.deepEqual(arrived, [])
  assert.equal(arrived.length, 1)
  const [received] = arrived as [Received]
  assert.equal(`${received.method} ${received.target}`, `${recorded.method} ${canonical(recorded.target)}`)
  assert.equal(received.text(), sent.body)
  assertHeaders(recorded, received)
}

/** Where a client sent its token we send ours. Signatures of AWS keys stay: they are nothing to the proxy. */
function withToken(headers: Recorded['headers']): Recorded['headers'] {
  return headers.map(([name, value]) => [name, /^(?:authorization|x-api-key)$/i.test(name) && !value.startsWith('AWS4-') ? value.replace(/^(Bearer )?.*/, `$1${TOKENS.good}`) : value])
}

/** The recorded body, or, where it was left out, one with its members and its length. */
function bodyOf({ body, bodyBytes }: Recorded): string {
  if (body.topLevelKeys === undefined) return body.utf8 ?? ''
  const members = Object.fromEntries(body.topLevelKeys.map((key) => [key.split(' ')[0], 1]))
  const bare = JSON.stringify({ ...members, messages: '' })
  return bare.replace('"messages":""', `"messages":"${'m'.repeat(bodyBytes - bare.length)}"`)
}

/** The one spelling in which AWS hears of it: colons as %3A, the query sorted. `/mantle` is ours. */
function canonical(target: string): string {
  const [path = '', query] = target.split('?')
  return path.replaceAll(':', '%3A') + (query === undefined ? '' : `?${query.split('&').sort().join('&')}`)
}

/** Headers that end at the proxy, and those that it sets anew. */
const NOT_FORWARDED = /^(?:authorization|x-api-key|x-amz-|amz-sdk-|x-stainless-|sec-|host$|connection$|content-length$|transfer-encoding$|accept-encoding$|expect$|x-amzn-bedrock-request-metadata$)/

function assertHeaders({ headers }: Recorded, received: Received): void {
  const signed = /SignedHeaders=([^,]+)/.exec(received.headers.authorization!)![1]!.split(';')
  assert.equal(received.headers['accept-encoding'], 'identity')
  for (const [name, value] of headers.map(([name, value]) => [name.toLowerCase(), value] as const)) {
    if (name.startsWith(':') || NOT_FORWARDED.test(name)) continue
    assert.equal(received.headers[name], value, name)
    if (name.startsWith('x-amzn-bedrock-')) assert.ok(signed.includes(name), `${name} is not signed`)
  }
  const strangers = Object.keys(received.headers).filter((name) => /^(?:x-api-key|amz-sdk-|x-stainless-|sec-|x-amz-user-agent|x-amzn-bedrock-request-metadata)/.test(name))
  assert.deepEqual(strangers, [])
}

async function send({ proto, method, target, headers, body }: Omit<Recorded, 'body'> & { readonly body: string }): Promise<number> {
  const { url } = await program('usual', false)
  return proto.startsWith('HTTP/2') ? sendH2(url, headers, body) : sendH1(url, method, target, headers, body)
}

async function sendH1(url: string, method: string, target: string, headers: Recorded['headers'], body: string): Promise<number> {
  const { hostname, port, host } = new URL(url)
  const lines = headers.flatMap(([name, value]) => (/^connection$/i.test(name) ? [] : [name, /^host$/i.test(name) ? host : value]))
  const request = httpRequest({ hostname, port, method, path: target, headers: lines, setHost: false, agent: false }).end(body)
  const [response] = await once(request, 'response')
  response.resume()
  await once(response, 'end')
  return response.statusCode
}

async function sendH2(url: string, headers: Recorded['headers'], body: string): Promise<number> {
  const session = connect(url)
  const own = headers.filter(([name]) => name !== ':authority' && name !== ':scheme')
  const stream = session.request(Object.fromEntries(own) as OutgoingHttpHeaders, { endStream: body === '' })
  if (body !== '') stream.end(body)
  const [head] = await once(stream, 'response')
  stream.resume()
  await once(stream, 'end')
  session.close()
  return head[':status']
}

closing('recorded')

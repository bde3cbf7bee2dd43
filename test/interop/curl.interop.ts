import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Ask, Client, Said } from './kit/client.ts'
import { codec, streamAnswer, TOOL, WORDS } from './kit/model.ts'
import { beginThen, reply } from './kit/standin.ts'
import { type Expectations, type Expected, interop } from './kit/suite.ts'
import { TOKENS } from './kit/token.ts'
import { bedrock, certificate, folder, program } from './kit/world.ts'

const VERSION = spawnSync('curl', ['--version'], { encoding: 'utf8' }).stdout ?? ''
const HTTP2 = /^Features:.*\bHTTP2\b/m.test(VERSION)

/** What curl made of a request. */
interface Curled {
  readonly exit: number
  readonly complaint: string
  readonly version: string
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** Runs curl; nothing of the user's configuration counts. The body comes from its standard input. */
async function curl(url: string, args: readonly string[], body?: string | Buffer, onData: (chunk: Buffer) => void = () => undefined): Promise<Curled> {
  const headFile = join(folder, `head-${randomUUID()}`)
  writeFileSync(headFile, '')
  const child = spawn('curl', ['-q', '-sS', '-N', '--noproxy', '*', '-D', headFile, ...args, url], { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.on('error', () => undefined).end(body)
  const chunks: Buffer[] = []
  let complaint = ''
  let failure: unknown
  child.stdout.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    try {
      onData(chunk)
    } catch (error) {
      failure ??= error
      child.kill()
    }
  })
  child.stderr.on('data', (chunk: Buffer) => { complaint += chunk.toString() })
  const [exit] = await once(child, 'close') as [number]
  if (failure !== undefined) throw failure
  // After an informational head comes the one that counts.
  const head = readFileSync(headFile, 'latin1').trimEnd().split('\r\n\r\n').at(-1)!.split('\r\n')
  const [version = '', status = ''] = head[0]!.split(' ')
  const headers = Object.fromEntries(head.slice(1).map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]))
  return { exit, complaint, version, status: Number(status), headers, body: Buffer.concat(chunks) }
}

/** A failure as a script that uses curl would find it. */
class CurlFailure extends Error {}

const TRANSPORTS = {
  'HTTP/1.1': { secure: false, args: ['--http1.1'] },
  'h2c': { secure: false, args: ['--http2-prior-knowledge'] },
  'HTTP/1.1 over TLS': { secure: true, args: ['--http1.1'] },
  'h2 over TLS': { secure: true, args: ['--http2'] },
} as const

/** Arguments for a question to the proxy. */
function asking(token: string | undefined, secure: boolean): string[] {
  const trust = secure ? ['--cacert', certificate().certFile] : []
  return [...trust, ...(token === undefined ? [] : ['-H', `Authorization: Bearer ${token}`]), '-H', 'Content-Type: application/json', '--data-binary', '@-']
}

function client(transport: keyof typeof TRANSPORTS): Client {
  const { secure, args } = TRANSPORTS[transport]
  async function ask({ url, token, model, prompt, tool, tap }: Ask, operation: string, onData?: (chunk: Buffer) => void): Promise<Curled> {
    const tools = { toolConfig: { tools: [{ toolSpec: { name: TOOL.name, inputSchema: { json: {} } } }] } }
    const body = JSON.stringify({ messages: [{ role: 'user', content: [{ text: prompt }] }], ...(tool && tools) })
    tap.sent(body)
    const curled = await curl(`${url}/model/${encodeURIComponent(model)}/${operation}`, [...args, ...asking(token, secure)], body, onData)
    if (curled.status > 0) tap.answered(curled.status, curled.headers)
    if (curled.exit !== 0) throw new CurlFailure(curled.complaint.trim(), { cause: `exit ${curled.exit}` })
    assert.equal(curled.version, transport.startsWith('h2') ? 'HTTP/2' : 'HTTP/1.1')
    if (curled.status === 200) return curled
    const error = JSON.parse(curled.body.toString()) as { message?: string; Message?: string }
    throw new CurlFailure(error.message ?? error.Message, { cause: curled.headers['x-amzn-errortype']?.split(':')[0] })
  }
  return {
    name: transport, secure, sendsBodies: true,
    async say(question) {
      const { body } = await ask(question, 'converse')
      const { output } = JSON.parse(body.toString()) as { output: { message: { content: { text?: string; toolUse?: { name: string; input: unknown } }[] } } }
      const { text = '', toolUse } = output.message.content[0]!
      return { text, tool: toolUse && { name: toolUse.name, input: toolUse.input } }
    },
    async stream(question, heard) {
      const events = new Events(heard)
      await ask(question, 'converse-stream', (chunk) => events.take(chunk))
      return events.said()
    },
    show(error) {
      if (!(error instanceof CurlFailure)) throw error
      return { error: String(error.cause), message: error.message }
    },
  }
}

interface Event {
  readonly delta?: { readonly text?: string; readonly toolUse?: { readonly input: string } }
  readonly start?: { readonly toolUse: { readonly name: string } }
  readonly message?: string
}

/** A Converse stream as it comes. */
class Events {
  readonly #heard: () => void
  #bytes: Buffer = Buffer.alloc(0)
  #text = ''
  #name: string | undefined
  #input = ''
  #exception: CurlFailure | undefined

  constructor(heard: () => void) {
    this.#heard = heard
  }

  take(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    while (this.#bytes.length >= 4 && this.#bytes.length >= this.#bytes.readUInt32BE(0)) {
      const length = this.#bytes.readUInt32BE(0)
      const { headers, body } = codec.decode(this.#bytes.subarray(0, length))
      this.#bytes = this.#bytes.subarray(length)
      const event = JSON.parse(Buffer.from(body).toString()) as Event
      const exception = headers[':exception-type']?.value
      if (exception !== undefined) this.#exception = new CurlFailure(event.message, { cause: exception })
      this.#text += event.delta?.text ?? ''
      this.#name ??= event.start?.toolUse.name
      this.#input += event.delta?.toolUse?.input ?? ''
      this.#heard()
    }
  }

  said(): Said {
    if (this.#exception !== undefined) throw this.#exception
    assert.equal(this.#bytes.length, 0, 'the stream ended inside a message')
    return { text: this.#text, tool: this.#name === undefined ? undefined : { name: this.#name, input: JSON.parse(this.#input) as unknown } }
  }
}

const EXPECTED: Expectations = {
  'no token': ['UnrecognizedClientException', 1],
  'no token, stream': ['UnrecognizedClientException', 1],
  'forged token': ['UnrecognizedClientException', 1],
  'expired token': ['UnrecognizedClientException', 1],
  'expired token, stream': ['UnrecognizedClientException', 1],
  'AWS says AccessDenied': ['AccessDeniedException', 1],
  'AWS says Throttling': ['ThrottlingException', 1],
  'AWS says Validation': ['ValidationException', 1],
  'AWS says InternalServer': ['InternalServerException', 1],
  'body too large': ['ValidationException', 1],
  'bad model id': ['ValidationException', 1],
  'unknown path': ['UnknownOperationException', 1],
  'policy says no': ['AccessDeniedException', 1],
  'budget used up': ['ServiceQuotaExceededException', 1],
  'rate limited': ['ThrottlingException', 1],
  'rate limited, stream': ['ThrottlingException', 1],
  'keys refused: UnrecognizedClient': ['ServiceUnavailableException', 1],
  'keys refused: ExpiredToken': ['ServiceUnavailableException', 1],
  'keys refused: InvalidSignature': ['ServiceUnavailableException', 1],
  'no keys': ['ServiceUnavailableException', 1],
  'AWS unreachable': ['ServiceUnavailableException', 1],
  'AWS unreachable, stream': ['ServiceUnavailableException', 1],
  'AWS silent': ['ModelTimeoutException', 1],
  'AWS silent, stream': ['ModelTimeoutException', 1],
  'stream cut between messages': ['modelStreamErrorException', 1],
  'stream falls silent': ['modelStreamErrorException', 1],
  'shutdown amid a stream': ['serviceUnavailableException', 1],
  'AWS ends a stream: throttling': ['throttlingException', 1],
  'AWS ends a stream: internal': ['internalServerException', 1],
}

/** curl says by its exit code that a transfer is not complete: 92 is an error of an HTTP/2 stream, 18 a partial file. */
const brokenOff = (name: string): Expected => (name.startsWith('h2') ? ['exit 92', 1, /HTTP\/2 stream/] : ['exit 18', 1, /transfer closed|outstanding/])

/** Asks with any arguments; the body comes from standard input. */
async function askFor(operation: string, args: readonly string[], body?: string | Buffer, token: string | null = TOKENS.good): Promise<Curled> {
  const { url } = await program('usual', false)
  const identity = token === null ? [] : ['-H', `Authorization: Bearer ${token}`]
  return curl(`${url}/model/interop.${operation.split('/')[0]}/${operation.split('/')[1]}`, [...identity, '-H', 'Content-Type: application/json', ...args], body)
}

function withoutSdk(): void {
  const post = ['--data-binary', '@-']

  test('the bytes of a stream are the very bytes that AWS sent', async () => {
    const { body, headers } = await askFor('bytes/converse-stream', post, '{}')
    assert.equal(headers['content-type'], 'application/vnd.amazon.eventstream')
    assert.deepEqual(body, Buffer.concat(streamAnswer('converse-stream', 'words')))
  })

  test('20 MB come down as they are', async () => {
    const json = { echo: randomBytes(10_000_000).toString('hex') }
    bedrock.script('interop.down', reply(json))
    const { body } = await askFor('down/invoke', post, '{}')
    assert.equal(sha256(body), sha256(JSON.stringify(json)))
  })

  test('Accept: text/event-stream gives server-sent events; a break is an event: error', async () => {
    bedrock.script('interop.sse-cut', beginThen(0, (response) => response.write(streamAnswer('converse-stream', 'words')[0]!, () => response.destroy())))
    const sse = [...post, '-H', 'Accept: text/event-stream']
    const [whole, cut] = await Promise.all([askFor('sse/invoke-with-response-stream', sse, '{}'), askFor('sse-cut/converse-stream', sse, '{}')])
    assert.equal(whole.headers['content-type'], 'text/event-stream')
    assert.deepEqual(eventNames(whole), ['message_start', 'content_block_start', ...WORDS.map(() => 'content_block_delta'), 'content_block_stop', 'message_delta', 'message_stop'])
    assert.deepEqual(eventNames(cut), ['messageStart', 'error'])
    assert.match(cut.body.toString(), /"type":"modelStreamErrorException"/)
  })

  test('an offer to upgrade to h2c is answered as HTTP/1.1', async () => {
    const { version, status } = await askFor('upgrade/invoke', ['--http2', ...post], '{}')
    assert.deepEqual([version, status], ['HTTP/1.1', 200])
  })

  test('another method: 405 with the one there is', async () => {
    const { status, headers } = await askFor('method/invoke', [])
    assert.deepEqual([status, headers.allow, headers['x-amzn-errortype']], [405, 'POST', 'UnknownOperationException'])
  })

  test('two different tokens: 400', async () => {
    const { status, body } = await askFor('two/invoke', [...post, '-H', `x-api-key: ${TOKENS.forged}`], '{}')
    assert.deepEqual([status, body.toString().includes('two different tokens')], [400, true])
  })

  test('the token can come as x-api-key', async () => {
    assert.equal((await askFor('key/invoke', [...post, '-H', `x-api-key: ${TOKENS.good}`], '{}', null)).status, 200)
  })

  test('a body of unknown length arrives whole', async () => {
    const body = JSON.stringify({ prompt: randomBytes(10_000_000).toString('hex') })
    const { status } = await askFor('chunked/invoke', ['-X', 'POST', '-T', '-'], body)
    assert.equal(status, 200)
    assert.deepEqual(bedrock.of('interop.chunked').map((received) => received.sha256), [sha256(body)])
  })

  for (const [protocol, args] of [['HTTP/1.1', '--http1.1'], ...(HTTP2 ? [['HTTP/2', '--http2-prior-knowledge']] : [])] as const) {
    test(`a body of unknown length that grows too large: 413 (${protocol})`, async () => {
      const { status, headers } = await askFor('endless/invoke', [args!, '-X', 'POST', '-T', '-', '-H', 'Expect:'], Buffer.alloc(25_000_001, 'x'))
      assert.deepEqual([status, headers['x-amzn-errortype']], [413, 'ValidationException'])
    })
  }

  test('who waits for "100 Continue" hears of a bad token before sending a byte', async () => {
    const { status, body } = await askFor('expect/invoke', [...post, '-H', 'Expect: 100-continue', '--expect100-timeout', '30', '-w', '%{size_upload}'], Buffer.alloc(5_000_000), TOKENS.forged)
    assert.deepEqual([status, body.toString().endsWith('}0')], [401, true])
  })
}

const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex')
const eventNames = ({ body }: Curled): string[] => body.toString().split('\n').filter((line) => line.startsWith('event: ')).map((line) => line.slice(7))

if (VERSION === '') {
  test('curl', { skip: 'curl is not installed on this machine' }, () => undefined)
} else {
  const transports = (Object.keys(TRANSPORTS) as (keyof typeof TRANSPORTS)[]).filter((name) => HTTP2 || !name.startsWith('h2'))
  if (!HTTP2) test('curl over HTTP/2', { skip: 'the curl of this machine was built without HTTP/2' }, () => undefined)
  describe('without an SDK', { concurrency: true, timeout: 60_000 }, withoutSdk)
  interop('curl', transports.map(client), ({ name }) => ({ ...EXPECTED, 'stream cut inside a message': brokenOff(name), 'stream ends inside a message': brokenOff(name) }))
}

import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer as createSecureServer } from 'node:https'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ask, httpClient, type HttpRequest } from '../../src/credentials/http.ts'
import { CredentialsError } from '../../src/credentials/source.ts'
import { failure, type Received, serve, world } from './kit.ts'

const open = new AbortController().signal
const request = (url: string, more: Partial<HttpRequest> = {}): HttpRequest => ({ method: 'GET', url: new URL(url), headers: {}, timeoutMs: 5000, ...more })
const fetched = (url: string, more: Partial<HttpRequest> = {}, closing = open) => () => httpClient()(request(url, more), closing)

/** A server that writes these bytes, and ends the connection unless it is to hang. */
async function raw(bytes: string, hang = false, onClose = () => undefined as void): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined).on('close', onClose).resume()
    socket.write(bytes)
    if (!hang) socket.end()
    after(() => socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

test('a request goes out with its method, target, headers and body', async () => {
  const seen: Received[] = []
  const url = await serve((received, response) => {
    seen.push(received)
    response.end('answer')
  })
  const client = httpClient()
  const { date, ...answer } = await client(request(`${url}/a?b=c`, { method: 'POST', headers: { 'x-a': 'b' }, body: 'ü' }), open)
  assert.deepEqual([answer, Number.isNaN(Date.parse(date!))], [{ status: 200, body: 'answer' }, false])
  await client(request(`${url}/t`, { method: 'PUT' }), open)
  assert.deepEqual(seen.map(({ method, target, headers, body }) => [method, target, headers['x-a'], headers['content-length'], headers.connection, body]), [
    ['POST', '/a?b=c', 'b', '2', 'close', 'ü'], ['PUT', '/t', undefined, '0', 'close', ''],
  ])
})

test('over a connection that somebody else makes the Host header names the port of https no more than without', async () => {
  const hosts: unknown[] = []
  const url = await serve(({ headers }, response) => {
    hosts.push(headers.host)
    response.end()
  })
  const client = httpClient({ connect: () => Promise.resolve(connect(Number(new URL(url).port), '127.0.0.1')) })
  for (const to of ['https://sts.example/', 'http://sts.example/', 'https://sts.example:8443/']) await client(request(to), open)
  assert.deepEqual(hosts, ['sts.example', 'sts.example', 'sts.example:8443'])
})

test('a redirect is an answer, and is not followed', async () => {
  let requests = 0
  const url = await serve((_received, response) => {
    requests++
    response.writeHead(302, { location: '/elsewhere' }).end()
  })
  assert.equal((await httpClient()(request(url), open)).status, 302)
  assert.equal(requests, 1)
})

test('an answer over 64 KiB is refused, however it is framed', async () => {
  for (const framing of [{ 'content-length': '70000' }, { 'transfer-encoding': 'chunked' }]) {
    const url = await serve((_received, response) => { response.writeHead(200, framing).end('x'.repeat(70_000)) })
    await failure(fetched(url), 'CREDENTIALS_INVALID')
  }
})

test('a deadline ends a request in whatever phase it hangs', async () => {
  for (const bytes of ['', 'HTTP/1.1 200', 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf']) {
    await failure(fetched(await raw(bytes, true), { timeoutMs: 30 }), 'CREDENTIALS_TIMEOUT')
  }
})

test('whoever gave no answer in time, or too much of one, loses the connection', async () => {
  for (const bytes of ['', `HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(70_000)}`]) {
    let closed = () => undefined as void
    const close = new Promise<void>((resolve) => { closed = resolve })
    await failure(fetched(await raw(bytes, true, () => closed()), { timeoutMs: 100 }), bytes === '' ? 'CREDENTIALS_TIMEOUT' : 'CREDENTIALS_INVALID')
    await close
  }
})

test('a connection that fails, breaks off or speaks no HTTP is unreachable', async () => {
  for (const bytes of ['', 'SSH-2.0-OpenSSH\r\n', 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n']) {
    await failure(fetched(await raw(bytes)), 'CREDENTIALS_UNREACHABLE')
  }
  await failure(fetched('http://127.0.0.1:1/'), 'CREDENTIALS_UNREACHABLE')
  await failure(fetched((await raw('')).replace('http:', 'https:')), 'CREDENTIALS_UNREACHABLE')
})

/** A certificate for an address, signed by itself. */
function certificate(address: string): { readonly key: string; readonly cert: string } {
  const folder = mkdtempSync(join(tmpdir(), 'credentials-'))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const subject = ['-subj', '/CN=test', '-addext', `subjectAltName=IP:${address}`]
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', ...subject, '-keyout', key, '-out', cert], { stdio: 'pipe' })
  after(() => rmSync(folder, { recursive: true }))
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
}

const noOpenssl = spawnSync('openssl', ['version']).status === 0 ? false : 'no openssl on this machine'

test('over TLS the authority must be known, and the certificate be that of the host', { skip: noOpenssl }, async () => {
  for (const [address, own] of [['127.0.0.1', true], ['127.0.0.2', false]] as const) {
    const pair = certificate(address)
    const server = createSecureServer(pair, (_request, response) => { response.end('answer') })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    after(() => server.close())
    const sent = request(`https://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    const known = () => httpClient({ ca: pair.cert })(sent, open)
    if (own) assert.equal((await known()).body, 'answer')
    else await failure(known, 'CREDENTIALS_UNREACHABLE')
    await failure(() => httpClient()(sent, open), 'CREDENTIALS_UNREACHABLE')
  }
})

test('closing ends a request that hangs', async () => {
  const closing = new AbortController()
  const pending = failure(fetched(await raw('', true), {}, closing.signal), 'CREDENTIALS_UNREACHABLE')
  closing.abort()
  await pending
  await failure(fetched(await raw('', true), {}, closing.signal), 'CREDENTIALS_UNREACHABLE')
})

test('ask() repeats what may pass, three times in all, and gives the last answer', async () => {
  const pauses: number[] = []
  const sleep = async (ms: number) => void pauses.push(ms)
  let calls = 0
  const host = world({ sleep, http: async () => ({ status: (calls++, 503), body: '' }) })
  assert.equal((await ask(host, request('http://127.0.0.1/'))).status, 503)
  assert.deepEqual([calls, pauses], [3, [300, 600]])
})

test('ask() repeats a broken connection, no timeout, and nothing once it is closing', async () => {
  for (const [code, closing, times] of [['CREDENTIALS_UNREACHABLE', open, 3], ['CREDENTIALS_TIMEOUT', open, 1], ['CREDENTIALS_UNREACHABLE', AbortSignal.abort(), 1]] as const) {
    let calls = 0
    const http = () => {
      calls++
      return Promise.reject(new CredentialsError(code, 'no'))
    }
    await failure(() => ask(world({ http, closing }), request('http://127.0.0.1/')), code)
    assert.equal(calls, times)
  }
})

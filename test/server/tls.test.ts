import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect as connectH2 } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { HELLO } from './frames.ts'
import { invoke, Line, openHouse, responses, statuses, TOKEN } from './kit.ts'

const folder = mkdtempSync(join(tmpdir(), 'door-'))
after(() => rmSync(folder, { recursive: true }))
const certFile = join(folder, 'cert.pem')
const keyFile = join(folder, 'key.pem')
execFileSync('openssl', [
  'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost',
  '-addext', 'subjectAltName=DNS:localhost', '-keyout', keyFile, '-out', certFile,
], { stdio: 'ignore' })
const ca = readFileSync(certFile, 'utf8')

const WAIT = { timeout: 15_000 }
const house = await openHouse({ SERVER__TLS__CERT_FILE: certFile, SERVER__TLS__KEY_FILE: keyFile })
const { port } = house.proxy

const secure = (options: ConnectionOptions = {}): TLSSocket => connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca, ...options })

/** Sends bytes once the handshake is done; all that comes back until the server closes. */
async function say(bytes: Buffer | string, options: ConnectionOptions = {}): Promise<string> {
  const socket = secure(options)
  const line = new Line(socket)
  await once(socket, 'secureConnect')
  socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  return line.closed
}

describe('over TLS', { concurrency: true }, () => {
  for (const [name, options] of [['without ALPN', {}], ['by ALPN', { ALPNProtocols: ['http/1.1'] }]] as const) {
    test(`HTTP/1.1 ${name} is served and refused as without TLS`, WAIT, async () => {
      const bytes = invoke('tls') + invoke('tls', 'Host: b\r\n') + invoke('tls').replace(TOKEN, 'a.b.c')
      assert.deepEqual(statuses(responses(await say(bytes, options))), [200, 400, 401])
      assert.deepEqual(statuses(responses(await say('HEAD /health HTTP/1.1\r\nHost: a\r\n\r\n', options))), [200])
    })
  }

  test('HTTP/2 by ALPN is served and refused', WAIT, async () => {
    const session = connectH2('https://localhost', { createConnection: () => secure({ ALPNProtocols: ['h2'] }) })
    const ask = async (path: string, authorization: string) => {
      const stream = session.request({ ':method': 'POST', ':path': path, authorization })
      stream.end('{}')
      const [headers] = await once(stream, 'response') as [{ ':status': number }]
      stream.resume()
      return headers[':status']
    }
    assert.equal(await ask('/model/tls-h2/invoke', `Bearer ${TOKEN}`), 200)
    assert.equal(await ask('/model/tls-h2/invoke', 'Bearer a.b.c'), 401)
    assert.equal(house.seenOf('tls-h2').length, 1)
    session.close()
  })

  test('both protocols offered: it is HTTP/2', WAIT, async () => {
    const socket = secure({ ALPNProtocols: ['http/1.1', 'h2'] })
    await once(socket, 'secureConnect')
    assert.equal(socket.alpnProtocol, 'h2')
    socket.destroy()
  })

  test('a protocol that nobody speaks is refused in the handshake', WAIT, async () => {
    const [error] = await once(secure({ ALPNProtocols: ['spdy/3.1'] }), 'error') as [Error & { code?: string }]
    assert.equal(error.code, 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL')
  })

  for (const version of ['TLSv1', 'TLSv1.1'] as const) {
    test(`${version} is refused`, WAIT, async () => {
      const [error] = await once(secure({ minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' }), 'error') as [Error & { code?: string }]
      assert.equal(error.code, 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION')
    })
  }

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`${version} is spoken`, WAIT, async () => {
      const socket = secure({ minVersion: version, maxVersion: version })
      await once(socket, 'secureConnect')
      assert.equal(socket.getProtocol(), version)
      socket.destroy()
    })
  }

  test('a preface of HTTP/2 after ALPN said otherwise is no request', WAIT, async () => {
    assert.deepEqual(statuses(responses(await say(HELLO, { ALPNProtocols: ['http/1.1'] }))), [400])
  })

  test('HTTP/1.1 after ALPN said HTTP/2 is no request', WAIT, async () => {
    assert.doesNotMatch(await say(invoke('mixed'), { ALPNProtocols: ['h2'] }), /^HTTP/)
    assert.deepEqual(house.seenOf('mixed'), [])
  })

  for (const protocol of ['http/1.1', 'h2']) {
    test(`a client that says nothing after the handshake is let go (${protocol})`, WAIT, async () => {
      await say('', { ALPNProtocols: [protocol] })
    })
  }
})

// The first bytes of a ClientHello: a handshake record of 512 bytes.
const HALF_HELLO = Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3])

describe('what is no TLS, on a port of TLS', { concurrency: true }, () => {
  for (const [name, bytes] of [
    ['nothing', ''], ['half a hello', HALF_HELLO], ['a request in the clear', invoke('clear')], ['HTTP/2 in the clear', HELLO],
    ['16 KiB of noise', Buffer.alloc(16_384, 0xa5)], ['a record of an absurd length', Buffer.from([22, 3, 1, 255, 255])],
    ['an alert', Buffer.from([21, 3, 1, 0, 2, 2, 40])],
  ] as const) {
    test(`${name} is closed without an answer of ours`, WAIT, async () => {
      const line = Line.to(port)
      line.socket.write(bytes)
      assert.doesNotMatch(await line.closed, /HTTP|message/)
    })

    test(`${name} and a reset hurt nobody`, WAIT, async () => {
      const line = Line.to(port)
      line.socket.write(bytes, () => line.socket.resetAndDestroy())
      await line.closed
    })
  }
})

test('after all this the port serves', WAIT, async () => {
  assert.deepEqual(statuses(responses(await say(invoke('after')))), [200])
  assert.deepEqual(house.seenOf('clear'), [])
})

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, type IncomingMessage, request } from 'node:http'
import { connect as h2connect, type IncomingHttpHeaders } from 'node:http2'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect as tlsConnect } from 'node:tls'
import { Splitter, stringHeader } from '../../src/eventstream/index.ts'
import { plainAnswer } from '../kit/bedrock.ts'
import { ask, type Protocol, PROTOCOLS } from '../kit/client.ts'
import { authorization, bedrock, beginStreams, HELLO, serve, STREAM } from './kit.ts'

test('SIGTERM during 50 streams of both protocols: all 50 complete, then the program ends with 0', async () => {
  const program = serve()
  const { answers, finish } = await beginStreams(await program.port(), 50)
  program.child.kill('SIGTERM')
  await program.line(/"msg":"draining"/)
  finish()
  for (const got of await Promise.all(answers)) assert.deepEqual([got.status, got.complete, got.body.length], [200, true, 2 * HELLO.length])
  assert.equal(await program.ended(), 0)
  assert.match(program.stdout.at(-1)!, /"msg":"stopped","cut":0/)
})

test('streams that outlast the drain end with serviceUnavailableException', async () => {
  const program = serve({ SERVER__DRAIN_TIMEOUT: '300ms' })
  const { answers } = await beginStreams(await program.port(), 4)
  program.child.kill('SIGTERM')
  for (const got of await Promise.all(answers)) {
    const last = [...new Splitter().push(got.body)].at(-1)!
    assert.equal(stringHeader(last.headers, ':exception-type'), 'serviceUnavailableException')
    assert.equal(got.complete, true)
  }
  assert.equal(await program.ended(), 1)
  assert.match(program.stdout.at(-1)!, /"msg":"stopped","cut":4/)
})

for (const protocol of PROTOCOLS) {
  test(`uploads that outlast the drain, one half here and one that waits for memory, are answered 503 over ${protocol}, and the program ends with 1`, async () => {
    const program = serve({ SERVER__DRAIN_TIMEOUT: '2s', SERVER__MAX_INFLIGHT: '2MiB', SERVER__MAX_BODY: '1500KB' })
    const port = await program.port()
    const uploads = [await beginUpload(protocol, port, 1_400_000), await beginUpload(protocol, port, 1_400_000)]
    program.child.kill('SIGTERM')
    for (const { answer } of uploads) assert.deepEqual(await answer, [503, '1', 'The proxy is shutting down.'])
    assert.equal(await program.ended(), 1)
    assert.equal(program.stdout.filter((line) => line.includes('"error":"DRAINING"')).length, 2)
    assert.match(program.stdout.at(-1)!, /"msg":"stopped","cut":2/)
  })
}

test('SIGTERM under keep-alive load resets nobody: every request that was sent is answered', async () => {
  const program = serve()
  const port = await program.port()
  bedrock.script = plainAnswer
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  let answered = 0
  const client = async (): Promise<string> => {
    for (;;) {
      const outcome = await new Promise<string>((resolve) => {
        const sent = request({ port, host: '127.0.0.1', agent, path: '/model/x/invoke', method: 'POST', headers: { authorization: authorization() } }, (response) => {
          answered++
          response.resume().on('end', () => resolve(response.headers.connection === 'close' ? 'told to leave' : 'answered'))
        })
        sent.on('error', (error: NodeJS.ErrnoException) => resolve(error.code!)).end('{}')
      })
      if (answered === 50) program.child.kill('SIGTERM')
      if (outcome !== 'answered') return outcome
    }
  }
  const outcomes = await Promise.all(Array.from({ length: 8 }, client))
  assert.deepEqual(new Set(outcomes), new Set(['told to leave']))
  assert.equal(await program.ended(), 0)
})

test('a request that comes late on a draining connection is answered 503 with Retry-After', async () => {
  const program = serve()
  const { answers, finish } = await beginStreams(await program.port(), 1)
  const socket = connect(await program.port(), '127.0.0.1')
  const closed = once(socket, 'close')
  const head = (path: string) => `POST ${path} HTTP/1.1\r\nHost: h\r\nAuthorization: ${authorization()}\r\nContent-Length: 2\r\n\r\n{}`
  let finishOwn = (): void => undefined
  bedrock.script = (_seen, response) => {
    response.writeHead(200, { 'Content-Type': 'application/vnd.amazon.eventstream' }).write(HELLO)
    finishOwn = () => response.end()
  }
  socket.write(head(STREAM))
  // Its head is out, and does not say that the connection will close.
  let text = ''
  await new Promise<void>((resolve) => socket.on('data', (part) => {
    text += String(part)
    resolve()
  }))
  program.child.kill('SIGTERM')
  await program.line(/"msg":"draining"/)
  await refusedConnection(await program.port())
  const before = bedrock.seen.length
  // Later than the moment in which requests already on their way are still served.
  await program.line(/"msg":"turning away"/)
  socket.write(head('/model/x/invoke'), finishOwn)
  await program.line(/"error":"DRAINING"/)
  finish()
  await closed
  assert.match(text, /HTTP\/1\.1 503 .*retry-after: 1\r\n/is)
  assert.equal(bedrock.seen.length, before)
  await Promise.all(answers)
  assert.equal(await program.ended(), 0)
})

test('an HTTP/2 session is told to go when the program drains', async () => {
  const program = serve()
  const session = h2connect(`http://127.0.0.1:${await program.port()}`)
  await once(session, 'remoteSettings')
  program.child.kill('SIGINT')
  const [code] = await once(session, 'goaway') as [number]
  assert.equal(code, 0)
  assert.equal(await program.ended(), 0)
})

test('a session of HTTP/2 that has ended does not hold up the end of the program', async () => {
  const program = serve()
  assert.equal((await ask('HTTP/2', await program.port(), '/health', { method: 'GET' })).status, 200)
  const stopped = program.line(/"msg":"stopped"/)
  program.child.kill('SIGTERM')
  await stopped
  // Its header timeout is 10 s: a timer left behind would keep the program alive that long.
  const late = setTimeout(() => program.child.kill('SIGKILL'), 5000)
  assert.equal(await program.ended(), 0)
  clearTimeout(late)
})

test('connections that say nothing, or half a handshake, are cut when the drain is over', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'silent-'))
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', keyFile, '-out', certFile, '-subj', '/CN=a', '-days', '2'], { stdio: 'ignore' })
  for (const tls of [{}, { SERVER__TLS__CERT_FILE: certFile, SERVER__TLS__KEY_FILE: keyFile }]) {
    const program = serve({ SERVER__DRAIN_TIMEOUT: '1s', SERVER__TIMEOUTS__HEADER: '10m', SERVER__TIMEOUTS__KEEP_ALIVE: '1h', ...tls })
    const port = await program.port()
    const said = ['', 'PRI ', Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3])]
    const sockets = await Promise.all(said.map(async (bytes) => {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined)
      await once(socket, 'connect')
      socket.write(bytes)
      return socket
    }))
    const session = 'SERVER__TLS__KEY_FILE' in tls ? tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false }) : undefined
    if (session !== undefined) await once(session.on('error', () => undefined), 'secureConnect')
    program.child.kill('SIGTERM')
    assert.equal(await program.ended(), 0)
    for (const socket of [...sockets, session]) socket?.destroy()
  }
  rmSync(folder, { recursive: true })
})

test('a configuration with problems ends the program with 78 before a port is open, and names them all', async () => {
  const program = serve({ SERVER__PROT: '1', JWT__SECRET: 'short', AWS__REGION: 'nowhere!' })
  assert.equal(await program.ended(), 78)
  assert.equal(program.stdout.length, 0)
  for (const name of ['SERVER__PROT', 'AWS__REGION']) assert.ok(program.stderr.some((line) => line.includes(name)), name)
})

test('a secret that is too short or publicly known ends the program with 78, and a command that makes a good one', async () => {
  for (const secret of ['your-jwt-secret', 'secret'.repeat(8)]) {
    const program = serve({ JWT__SECRET: secret })
    assert.equal(await program.ended(), 78)
    assert.match(program.stderr.join('\n'), /openssl rand -base64 48/)
    assert.ok(!program.stderr.join('\n').includes(secret))
  }
})

for (const name of ['NODE_DEBUG', 'OPENSSL_CONF', 'NODE_TLS_REJECT_UNAUTHORIZED']) {
  test(`${name} in the environment ends the program with 78`, async () => {
    const program = serve({ [name]: '0' })
    assert.equal(await program.ended(), 78)
    assert.match(program.stderr.at(-1)!, new RegExp(`^${name} is set: it .*; unset it$`))
    assert.equal(program.stdout.length, 0)
  })
}

test('a port that is taken ends the program with an error that says so', async () => {
  const program = serve({ SERVER__PORT: String(bedrock.port), AWS__ENDPOINT: 'http://127.0.0.1:9' })
  assert.equal(await program.ended(), 1)
  assert.equal(program.stderr.join('\n'), `cannot listen on 127.0.0.1, port ${bedrock.port}: EADDRINUSE`)
})

for (const [whose, taken] of [['', 'SERVER__PORT'], [' for metrics', 'ADMIN__PORT']] as const) {
  test(`a port${whose} that is taken ends the program, whatever else it has begun: a Redis that is connected does not keep it`, { timeout: 30_000 }, async (t) => {
    // It says nothing, and nobody waits for it to.
    const redis = createServer().listen(0, '127.0.0.1')
    t.after(() => redis.close())
    await once(redis, 'listening')
    const program = serve({ AWS__ENDPOINT: 'http://127.0.0.1:9', [taken]: String(bedrock.port), LIMITS__STORE: 'redis', LIMITS__URL: `redis://127.0.0.1:${(redis.address() as AddressInfo).port}`, LIMITS__TIMEOUT: '1m' })
    assert.equal(await program.ended(), 1)
  })
}

type Answered = readonly [status: unknown, retryAfter: unknown, message: string]

/** An upload of which only the first bytes are sent; they are at the program when this resolves. */
async function beginUpload(protocol: Protocol, port: number, bytes: number): Promise<{ answer: Promise<Answered> }> {
  const headers = { authorization: authorization(), 'content-length': bytes }
  if (protocol === 'HTTP/2') {
    const session = h2connect(`http://127.0.0.1:${port}`)
    const stream = session.request({ ':method': 'POST', ':path': '/model/x/invoke', ...headers })
    const answer = Promise.all([once(stream, 'response'), once(stream, 'data')]).then(([[head], [body]]) => answered(head[':status'], head, body))
    // A PING would overtake the head of a request that has not gone out.
    await new Promise((resolve) => stream.write(' ', resolve))
    await new Promise((resolve) => session.ping(resolve))
    return { answer }
  }
  const agent = new Agent({ keepAlive: true })
  const [hello] = await once(request({ port, host: '127.0.0.1', agent, path: '/health' }).end(), 'response') as [IncomingMessage]
  await once(hello.resume(), 'close')
  const upload = request({ port, host: '127.0.0.1', agent, path: '/model/x/invoke', method: 'POST', headers })
  const answer = once(upload, 'response').then(async ([response]) => answered(response.statusCode, response.headers, (await once(response, 'data'))[0]))
  await new Promise((resolve) => upload.write(' ', resolve))
  return { answer }
}

const answered = (status: unknown, fields: IncomingHttpHeaders, body: Buffer): Answered => [status, fields['retry-after'], (JSON.parse(String(body)) as { message: string }).message]

function refusedConnection(port: number): Promise<void> {
  return new Promise((resolve) => {
    const attempt = (): void => {
      connect(port, '127.0.0.1', function connected(this: Socket) { this.destroy(); setImmediate(attempt) }).on('error', () => resolve())
    }
    attempt()
  })
}

for (const protocol of PROTOCOLS) {
  test(`a whole answer of which nothing has come when the drain is over is answered 503 over ${protocol}`, async () => {
    const program = serve({ SERVER__DRAIN_TIMEOUT: '1s' })
    const port = await program.port()
    const begun = new Promise<void>((resolve) => {
      bedrock.script = (_seen, response) => {
        response.writeHead(200, { 'Content-Length': '10' }).flushHeaders()
        resolve()
      }
    })
    const answer = ask(protocol, port, '/model/x/invoke', { headers: { authorization: authorization() }, body: '{}' })
    await begun
    program.child.kill('SIGTERM')
    const { status, headers } = await answer
    assert.deepEqual([status, headers['retry-after']], [503, '1'])
    assert.equal(await program.ended(), 1)
  })
}

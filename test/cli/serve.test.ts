import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { connect as h2connect } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { connect as tlsConnect } from 'node:tls'
import { mint } from '../../src/cli/token.ts'
import { encodeMessage, eventMessage, Splitter, stringHeader } from '../../src/eventstream/index.ts'
import { FakeBedrock, plainAnswer } from '../kit/bedrock.ts'
import { ask, type Got, PROTOCOLS } from '../kit/client.ts'
import { secret as secretOf } from '../kit/leaks.ts'
import { Program } from '../kit/program.ts'
import { JWT_SECRET, proxyEnv, token } from '../kit/proxy.ts'

let bedrock: FakeBedrock
before(async () => { bedrock = await FakeBedrock.start() })
after(() => bedrock.close())

const started: Program[] = []
afterEach(() => { for (const program of started.splice(0)) program.child.kill('SIGKILL') })

function serve(more: Readonly<Record<string, string>> = {}): Program {
  const program = new Program(['serve'], proxyEnv(bedrock, more))
  started.push(program)
  return program
}

const HELLO = encodeMessage(eventMessage('chunk', Buffer.from('{"bytes":"e30="}')))
const authorization = () => `Bearer ${token()}`
const STREAM = '/model/x/invoke-with-response-stream'

/** Streams that have begun: each answer is held open by the fake until `finish`. */
async function beginStreams(port: number, count: number): Promise<{ answers: Promise<Got>[]; finish: () => void }> {
  const finishers: (() => void)[] = []
  const begun = new Promise<void>((resolve) => {
    bedrock.script = (_seen, response) => {
      response.writeHead(200, { 'Content-Type': 'application/vnd.amazon.eventstream' }).write(HELLO)
      finishers.push(() => response.end(HELLO))
      if (finishers.length === count) resolve()
    }
  })
  const answers = Array.from({ length: count }, (_, i) => ask(PROTOCOLS[i % 2]!, port, STREAM, { headers: { authorization: authorization() }, body: '{}' }))
  await begun
  return { answers, finish: () => { for (const finish of finishers) finish() } }
}

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
  assert.equal(await program.ended(), 0)
  assert.match(program.stdout.at(-1)!, /"msg":"stopped","cut":4/)
})

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

test('a log that nobody reads any more costs no request', async () => {
  const program = serve()
  const port = await program.port()
  bedrock.script = plainAnswer
  program.child.stdout!.destroy()
  for (let i = 0; i < 3; i++) assert.equal((await ask('HTTP/1.1', port, '/model/x/invoke', { headers: { authorization: authorization() }, body: '{}' })).status, 200)
  program.child.kill('SIGTERM')
  const [code] = await once(program.child, 'exit') as [number]
  assert.equal(code, 0)
})

/** Has some lines written of more than a thousand bytes each. */
async function fillLog(port: number, lines: number): Promise<void> {
  const bad = `POST /model/${'x'.repeat(1500)}/invoke HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a.b.c\r\nContent-Length: 0\r\n\r\n`
  const socket = connect(port, '127.0.0.1')
  let answers = 0
  socket.on('data', (part) => { answers += String(part).split('HTTP/1.1 401').length - 1 })
  for (let asked = 50; asked <= lines; asked += 50) {
    socket.write(bad.repeat(50))
    while (answers < asked) await once(socket, 'data')
  }
  socket.destroy()
}

test('a log that is not read for a while loses lines, never memory without end, and says how many once it is read', { timeout: 120_000 }, async () => {
  const program = serve()
  const port = await program.port()
  program.child.stdout!.pause()
  await Promise.all(Array.from({ length: 8 }, () => fillLog(port, 2000)))
  program.child.stdout!.resume()
  const { lost } = JSON.parse(await program.line(/"msg":"lines of this log are lost/)) as { lost: number }
  const kept = program.stdout.filter((line) => line.includes('"msg":"request"')).length
  assert.ok(lost > 0 && kept > 0)
  assert.equal(kept + lost, 16_000)
  program.child.kill('SIGTERM')
  assert.equal(await program.ended(), 0)
  assert.match(program.stdout.at(-1)!, /"msg":"stopped"/)
})

test('a log that nobody reads does not hold up the end of the program', async () => {
  const program = serve()
  const port = await program.port()
  program.child.stdout!.pause()
  await fillLog(port, 1000)
  program.child.kill('SIGTERM')
  const [code] = await once(program.child, 'exit') as [number]
  assert.equal(code, 0)
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
  const program = serve({ SERVER__PORT: String(bedrock.port) })
  assert.equal(await program.ended(), 1)
  assert.equal(program.stderr.join('\n'), `cannot listen on 127.0.0.1, port ${bedrock.port}: EADDRINUSE`)
})

function refusedConnection(port: number): Promise<void> {
  return new Promise((resolve) => {
    const attempt = (): void => {
      connect(port, '127.0.0.1', function connected(this: Socket) { this.destroy(); setImmediate(attempt) }).on('error', () => resolve())
    }
    attempt()
  })
}

test('SIGHUP takes new keys without dropping a request, and keeps the old ones where the new configuration is bad', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'reload-'))
  const file = join(folder, 'config.yaml')
  const write = (secret: string, more = '') => writeFileSync(file, `jwt: { secret: "${secret}" }\n${more}`, { mode: 0o600 })
  const [first, second] = [JWT_SECRET, secretOf('a second JWT secret', randomBytes(48).toString('base64'))]
  const env = proxyEnv(bedrock)
  delete env.JWT__SECRET
  write(first)
  const program = new Program(['serve', '--config', file], env)
  started.push(program)
  const port = await program.port()
  const status = async (secret: string) => (await ask('HTTP/1.1', port, '/model/x/invoke', { headers: { authorization: `Bearer ${mint({ sub: 'a' }, secret, 60, Date.now())}` }, body: '{}' })).status
  const { answers, finish } = await beginStreams(port, 2)
  bedrock.script = plainAnswer
  assert.deepEqual([await status(first), await status(second)], [200, 401])

  write(second, 'server: { prot: 1 }\n')
  program.child.kill('SIGHUP')
  await program.line(/the configuration is not reloaded.*did you mean port\?/)
  assert.deepEqual([await status(first), await status(second)], [200, 401])

  write(second, 'server: { max_body: 1MB }\n')
  program.child.kill('SIGHUP')
  await program.line(/"msg":"reloaded"/)
  await program.line(/"msg":"an option waits for a restart","option":"server.max_body"/)
  assert.deepEqual([await status(first), await status(second)], [401, 200])
  finish()
  for (const got of await Promise.all(answers)) assert.equal(got.complete, true)
  rmSync(folder, { recursive: true })
})

test('SIGHUP takes another level of the log, not another format', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'level-'))
  const file = join(folder, 'config.yaml')
  const env = proxyEnv(bedrock)
  delete env.LOGGING__LEVEL
  const write = (logging: string) => writeFileSync(file, `logging: { ${logging} }\n`)
  write('level: info')
  const program = new Program(['serve', '--config', file], env)
  started.push(program)
  const port = await program.port()
  const refused = async (path: string) => void await ask('HTTP/1.1', port, path)
  const shown = (path: string) => program.stdout.some((line) => line.includes('"msg":"request"') && line.includes(path))
  await refused('/model/first/invoke')
  write('level: warn, format: text')
  program.child.kill('SIGHUP')
  await program.line(/"msg":"an option waits for a restart","option":"logging.format"/)
  await refused('/model/second/invoke')
  write('level: info')
  program.child.kill('SIGHUP')
  await program.line(/"msg":"reloaded"/)
  await refused('/model/third/invoke')
  await program.line(/"subject":"third"/)
  assert.deepEqual(['first', 'second', 'third'].map((subject) => shown(`"subject":"${subject}"`)), [true, false, true])
  rmSync(folder, { recursive: true })
})

test('SIGHUP shows a renewed certificate to those who connect from then on; a key that does not fit is refused', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'certificate-'))
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const make = (name: string, key = keyFile) => execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', certFile, '-subj', `/CN=${name}`, '-days', '2'], { stdio: 'ignore' })
  const shown = () => new Promise<string>((resolve, reject) => {
    const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN))
      socket.destroy()
    }).on('error', reject)
  })
  make('first')
  const program = serve({ SERVER__TLS__CERT_FILE: certFile, SERVER__TLS__KEY_FILE: keyFile })
  const port = await program.port()
  assert.equal(await shown(), 'first')
  make('other', join(folder, 'elsewhere.pem'))
  program.child.kill('SIGHUP')
  await program.line(/are not a certificate and its private key in PEM/)
  assert.equal(await shown(), 'first')
  make('torn')
  appendFileSync(certFile, '-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n')
  program.child.kill('SIGHUP')
  while (program.stdout.filter((line) => line.includes('not a certificate')).length < 2) await nextTurn()
  assert.equal(await shown(), 'first')
  make('second')
  program.child.kill('SIGHUP')
  await program.line(/"msg":"reloaded"/)
  assert.equal(await shown(), 'second')
  rmSync(folder, { recursive: true })
})

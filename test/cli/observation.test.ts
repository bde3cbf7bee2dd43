import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createSecretKey, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmdirSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as later } from 'node:timers/promises'
import { readHead, verify } from '../../src/audit/index.ts'
import { plainAnswer } from '../kit/bedrock.ts'
import { ask, PROTOCOLS } from '../kit/client.ts'
import { secret } from '../kit/leaks.ts'
import { startProxy, token } from '../kit/proxy.ts'
import { bedrock, serve } from './kit.ts'

const folder = mkdtempSync(join(tmpdir(), 'observation-'))
after(() => rmSync(folder, { recursive: true }))
let made = 0

const freshPath = () => join(folder, `audit-${++made}.jsonl`)
const invoke = (port: number, more: Readonly<Record<string, string>> = {}, model = 'anthropic.claude-3-haiku-20240307-v1:0') =>
  ask('HTTP/1.1', port, `/model/${model}/invoke`, { headers: { authorization: `Bearer ${token()}`, ...more }, body: '{"a":1}' })
const linesIn = (path: string) => readFileSync(path, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line) as Record<string, unknown>)
const problems = (path: string | string[], key?: string) => verify([path].flat(), { key: key === undefined ? undefined : createSecretKey(key, 'utf8'), head: readHead(`${[path].flat()[0]!}.head`, key === undefined ? undefined : createSecretKey(key, 'utf8')) }).problems

/** Asks again until it is so; each answer is an event, and between them the second of the log must pass. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!await isSo()) await later(50)
}

test('audit.file: a line for each request, whichever way it went, that says who did what, and no prompt and no token', async () => {
  const path = freshPath()
  const proxy = await startProxy(bedrock, { AUDIT__FILE: path })
  bedrock.script = plainAnswer
  for (const protocol of PROTOCOLS) {
    await ask(protocol, proxy.port, '/model/us.anthropic.claude-3-haiku-20240307-v1%3A0/invoke', { headers: { authorization: `Bearer ${token()}`, 'x-claude-code-session-id': 'session-1' }, body: '{"prompt":"hush"}' })
  }
  await ask('HTTP/1.1', proxy.port, '/model/m/invoke', { body: '{}' })
  await ask('HTTP/1.1', proxy.port, '/nowhere', { headers: { authorization: `Bearer ${token()}` }, body: '{}' })
  await proxy.stop()
  const lines = linesIn(path)
  assert.equal(lines.length, 4)
  const { time, request_id: id, hash, prev, duration_ms: durationMs, first_byte_ms: firstByteMs, upstream_ms: upstreamMs, ...rest } = lines[1]!
  assert.deepEqual(rest, {
    seq: 2, event: 'call', user: 'alice', issuer: '', groups: ['engineering'], source: '127.0.0.1', method: 'POST', operation: 'InvokeModel', model: 'us.anthropic.claude-3-haiku-20240307-v1:0',
    status: 200, bytes_in: 17, bytes_out: 11, input_tokens: 0, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0, partial: true, rule: 'default', aws_request_id: 'aws-request-id', session_id: 'session-1',
  })
  assert.ok([durationMs, firstByteMs, upstreamMs].every((ms) => Number(ms) >= 0))
  assert.match(String(time), /^\d{4}-\d\d-\d\dT.*Z$/)
  assert.deepEqual([String(id).length, String(hash).length, prev], [36, 64, lines[0]!.hash])
  assert.deepEqual(lines.slice(2).map(({ status, failed, error, user }) => [status, failed, error, user]), [[401, 'client', 'HTTP_NO_TOKEN', undefined], [404, 'client', 'UNKNOWN_OPERATION', undefined]])
  assert.doesNotMatch(readFileSync(path, 'utf8'), /hush|eyJ/)
  assert.deepEqual(problems(path), [])
})

test('audit.key: lines and head are sealed; a short key is refused at the start', async () => {
  const key = secret('the audit key', randomBytes(32).toString('base64'))
  const path = freshPath()
  const proxy = await startProxy(bedrock, { AUDIT__FILE: path, AUDIT__KEY: key })
  await invoke(proxy.port)
  await proxy.stop()
  assert.deepEqual(problems(path, key), [])
  assert.equal(verify([path], { key: undefined, head: undefined }).problemCount, 1)
  await assert.rejects(startProxy(bedrock, { AUDIT__FILE: path, AUDIT__KEY: 'x'.repeat(31) }), /audit\.key of at least 32 bytes/)
})

for (const fail of ['closed', 'open'] as const) {
  test(`audit.fail ${fail}: a log that is gone and cannot be made anew, then can`, async () => {
    const path = freshPath()
    const proxy = await startProxy(bedrock, { AUDIT__FILE: path, AUDIT__FAIL: fail })
    bedrock.script = plainAnswer
    assert.equal((await invoke(proxy.port)).status, 200)
    unlinkSync(path)
    mkdirSync(path)
    await proxy.nextLine(({ msg }) => msg === 'the audit log cannot be written')
    const seen = bedrock.seen.length
    const got = await invoke(proxy.port)
    assert.equal(got.status, fail === 'closed' ? 503 : 200)
    assert.equal(bedrock.seen.length - seen, fail === 'closed' ? 0 : 1)
    if (fail === 'closed') assert.deepEqual([got.headers['x-amzn-errortype'], got.headers['retry-after']], ['ServiceUnavailableException', '5'])
    assert.equal((await ask('HTTP/1.1', proxy.port, '/health/ready', { method: 'GET' })).status, fail === 'closed' ? 503 : 200)
    rmdirSync(path)
    await proxy.nextLine(({ msg }) => msg === 'the audit log can be written again')
    assert.equal((await invoke(proxy.port)).status, 200)
    await proxy.stop()
    assert.deepEqual(linesIn(path).map(({ status }) => status), fail === 'closed' ? [200] : [200, 200])
  })
}

for (const fsync of ['interval', 'every'] as const) {
  test(`audit.intent, fsync ${fsync}: a line is in the file before the call reaches AWS`, async () => {
    const path = freshPath()
    const proxy = await startProxy(bedrock, { AUDIT__FILE: path, AUDIT__INTENT: 'true', AUDIT__FSYNC: fsync })
    const events: unknown[] = []
    bedrock.script = (seen, response) => {
      events.push(linesIn(path).map(({ event }) => event))
      plainAnswer(seen, response)
    }
    await invoke(proxy.port)
    await proxy.stop()
    assert.deepEqual(events, [['intent']])
    assert.deepEqual(linesIn(path).map(({ event, request_id: id }) => [event, id === linesIn(path)[0]!.request_id]), [['intent', true], ['call', true]])
  })
}

test('audit.intent: while the disk takes its time, the end of an empty body is not missed', async () => {
  const proxy = await startProxy(bedrock, { AUDIT__FILE: freshPath(), AUDIT__INTENT: 'true', AUDIT__FSYNC: 'every' })
  bedrock.script = plainAnswer
  for (const protocol of PROTOCOLS) {
    const got = await ask(protocol, proxy.port, '/model/m/invoke', { headers: { authorization: `Bearer ${token()}` }, body: '' })
    assert.equal(got.status, 200, protocol)
  }
  await proxy.stop()
})

test('kill -9 under load, again and again: the chain goes on, and all of it verifies', async () => {
  const path = freshPath()
  // Longer than a line waits: in that time one call of each client can end, no more.
  bedrock.script = (seen, response) => void setTimeout(() => plainAnswer(seen, response), 16)
  let answered = 0
  for (let round = 0; round < 4; round++) {
    const program = serve({ AUDIT__FILE: path, AUDIT__FSYNC: round % 2 === 0 ? 'interval' : 'every' })
    const port = await program.port()
    const client = async () => {
      for (;;) {
        try {
          await invoke(port)
          if (++answered % 40 === 0) program.child.kill('SIGKILL')
        } catch {
          return
        }
      }
    }
    await Promise.all([client(), client(), client(), client()])
    await program.ended()
  }
  const proxy = await startProxy(bedrock, { AUDIT__FILE: path })
  await proxy.stop()
  assert.deepEqual(problems(path), [])
  // Of each round, at most the lines of its last ten milliseconds are missing.
  assert.ok(linesIn(path).length >= answered - 4 * 4, `${linesIn(path).length} of ${answered}`)
})

const PRLIMIT = spawnSync('prlimit', ['--version']).error === undefined

test('a log that may grow no further, in the middle of a line: no call goes up, and the chain goes on when it may', { skip: PRLIMIT ? false : 'prlimit is not there' }, async () => {
  const path = freshPath()
  const program = serve({ AUDIT__FILE: path })
  const port = await program.port()
  bedrock.script = plainAnswer
  await invoke(port)
  // An answer can be here before its line is.
  await until(() => Promise.resolve(linesIn(path).length === 1))
  const limit = (bytes: string) => execFileSync('prlimit', ['--pid', String(program.child.pid), `--fsize=${bytes}:`])
  limit(String(statSync(path).size + 100))
  // This one goes up: that its line finds no room is known at its end only.
  assert.equal((await invoke(port)).status, 200)
  await program.line(/"msg":"the audit log cannot be written","error":"EFBIG","calls":"are refused"/)
  const seen = bedrock.seen.length
  assert.equal((await invoke(port)).status, 503)
  assert.equal(bedrock.seen.length, seen)
  assert.ok(readFileSync(path, 'utf8').endsWith('}\n'))
  limit('unlimited')
  await program.line(/"msg":"the audit log can be written again","lost":0/)
  assert.equal((await invoke(port)).status, 200)
  program.child.kill('SIGTERM')
  assert.equal(await program.ended(), 0)
  assert.deepEqual([linesIn(path).map(({ status }) => status), problems(path)], [[200, 200, 200], []])
})

test('a second proxy with the same audit.file does not start, and says why; the log of the first is whole', async () => {
  const path = freshPath()
  const first = serve({ AUDIT__FILE: path })
  const port = await first.port()
  await invoke(port)
  const second = serve({ AUDIT__FILE: path })
  assert.equal(await second.ended(), 1)
  assert.equal(second.stderr.join('\n'), `audit.file: process ${first.child.pid} writes this audit log (${path}.lock): each needs a file of its own`)
  await invoke(port)
  first.child.kill('SIGTERM')
  assert.equal(await first.ended(), 0)
  assert.deepEqual([linesIn(path).length, problems(path), existsSync(`${path}.lock`)], [2, [], false])
})

test('HUP after a rename: the log goes on in a new file, and its chain with it', async () => {
  const path = freshPath()
  const config = join(folder, 'config.yaml')
  writeFileSync(config, '')
  const program = serve({ AUDIT__FILE: path, BEDROCK_SSO_PROXY_CONFIG: config })
  const port = await program.port()
  await invoke(port)
  renameSync(path, `${path}.1`)
  await invoke(port)
  // Once this is answered, the turn in which the call was told of is over.
  await ask('HTTP/1.1', port, '/health/live', { method: 'GET' })
  // A configuration that cannot be read any more changes nothing of that.
  writeFileSync(config, 'nonsense: true\n')
  program.child.kill('SIGHUP')
  await program.line(/"msg":"the configuration is not reloaded"/)
  await invoke(port)
  program.child.kill('SIGTERM')
  assert.equal(await program.ended(), 0)
  assert.deepEqual([linesIn(`${path}.1`).length, linesIn(path).length], [2, 1])
  assert.deepEqual(problems([path, `${path}.1`]), [])
  assert.ok(program.stdout.some((line) => /"msg":"audit head","seq":3,"hash":"[0-9a-f]{64}"/.test(line)))
})

test('an audit log that others can write ends the program before a port is open', async () => {
  const path = freshPath()
  writeFileSync(path, '')
  chmodSync(path, 0o666)
  const program = serve({ AUDIT__FILE: path })
  assert.equal(await program.ended(), 1)
  assert.deepEqual(program.stderr, ['audit.file: others can write the audit log (chmod go-w)'])
  assert.ok(!program.stdout.some((line) => line.includes('listening')))
})

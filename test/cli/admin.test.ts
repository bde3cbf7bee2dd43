import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as later } from 'node:timers/promises'
import { ACCESS_KEY_ID, plainAnswer, SECRET_ACCESS_KEY } from '../kit/bedrock.ts'
import { ask, raw } from '../kit/client.ts'
import { startWithAdmin, token } from '../kit/proxy.ts'
import { bedrock, serve } from './kit.ts'

const get = (port: number, path: string) => ask('HTTP/1.1', port, path, { method: 'GET' })
const invoke = (port: number, model = 'anthropic.claude-3-haiku-20240307-v1:0') =>
  ask('HTTP/1.1', port, `/model/${model}/invoke`, { headers: { authorization: `Bearer ${token()}` }, body: '{"a":1}' })

test('admin: metrics count what came through the door, by operation, family of models, status and who failed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'admin-'))
  const path = join(folder, 'audit.jsonl')
  const proxy = await startWithAdmin(bedrock, { AUDIT__FILE: path })
  bedrock.script = plainAnswer
  await invoke(proxy.port)
  await invoke(proxy.port)
  await invoke(proxy.port, 'evil.model')
  await ask('HTTP/1.1', proxy.port, '/model/amazon.nova-lite-v1:0/converse', { body: '{}' })
  await raw(proxy.port, 'noise\r\n\r\n')
  let got = await get(proxy.admin, '/metrics')
  // Calls are counted before their lines are written.
  while (!got.body.includes('audit_head_number 5\n')) got = await get(proxy.admin, '/metrics')
  assert.deepEqual([got.status, got.headers['content-type']], [200, 'text/plain; version=0.0.4; charset=utf-8'])
  const text = got.body.toString()
  const P = 'bedrock_sso_proxy_'
  for (const line of [
    `${P}requests_total{operation="InvokeModel",model="anthropic.claude",status="200",failed="none"} 2`,
    `${P}requests_total{operation="InvokeModel",model="other",status="200",failed="none"} 1`,
    `${P}requests_total{operation="Converse",model="amazon.nova",status="401",failed="client"} 1`,
    `${P}errors_total{error="HTTP_NO_TOKEN"} 1`, `${P}errors_total{error="UNREADABLE"} 1`, `${P}requests_total{operation="none",model="none",status="400",failed="client"} 1`,
    `${P}request_bytes_total{operation="InvokeModel"} 21`, `${P}response_bytes_total{operation="InvokeModel"} 33`,
    `${P}request_duration_seconds_count{operation="InvokeModel"} 3`, `${P}upstream_seconds_bucket{operation="InvokeModel",le="+Inf"} 3`, `${P}first_byte_seconds_count{operation="InvokeModel"} 3`,
    `${P}live_streams 0`, `${P}ready{check="credentials"} 1`, `${P}audit_writable 1`, `${P}audit_lost_lines_total 0`, `${P}audit_head_number 5`,
  ]) assert.ok(text.includes(`\n${line}\n`), `${line}\n${text}`)
  for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'process_open_fds', 'process_max_fds', 'process_start_time_seconds', `${P}event_loop_delay_seconds{stat="p99"}`, `${P}build_info{version="`]) assert.ok(text.includes(`\n${name}`), name)
  const head = Number(/audit_head_hash (\d+)/.exec(text)![1]).toString(16).padStart(12, '0')
  assert.ok((JSON.parse(readFileSync(path, 'utf8').split('\n')[4]!) as { hash: string }).hash.startsWith(head))
  await proxy.stop()
  rmSync(folder, { recursive: true })
})

test('admin: live streams are counted while they last; what drains is not ready but alive, and the listener closes last', async () => {
  const proxy = await startWithAdmin(bedrock)
  let finish: () => void = () => undefined
  const begun = new Promise<void>((resolve) => {
    bedrock.script = (_seen, response) => {
      response.writeHead(200, { 'Content-Type': 'application/vnd.amazon.eventstream' }).flushHeaders()
      finish = () => response.end()
      resolve()
    }
  })
  const answer = ask('HTTP/2', proxy.port, '/model/x/invoke-with-response-stream', { headers: { authorization: `Bearer ${token()}` }, body: '{}' })
  await begun
  while (!(await get(proxy.admin, '/metrics')).body.includes('live_streams 1')) await later(50)
  const stopped = proxy.stop()
  const health = await get(proxy.admin, '/health')
  assert.deepEqual([health.status, JSON.parse(health.body.toString())], [503, { status: 'not ready', checks: { credentials: 'ok', keys: 'ok', draining: 'failing' } }])
  const alive = await get(proxy.admin, '/health/live')
  assert.deepEqual([alive.status, alive.body.toString()], [200, '{"status":"ok"}'])
  finish()
  await answer
  await stopped
  await assert.rejects(get(proxy.admin, '/health'), { code: 'ECONNREFUSED' })
})

test('admin.user_metrics: users are counted where that is asked for, and else nowhere', async () => {
  bedrock.script = (_seen, response) => response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ usage: { inputTokens: 7, outputTokens: 3 } }))
  for (const asked of ['true', 'false']) {
    const proxy = await startWithAdmin(bedrock, { ADMIN__USER_METRICS: asked })
    await ask('HTTP/1.1', proxy.port, '/model/amazon.nova-lite-v1:0/converse', { headers: { authorization: `Bearer ${token({ sub: 'a"b' })}` }, body: '{}' })
    const text = (await get(proxy.admin, '/metrics')).body.toString()
    await proxy.stop()
    const lines = ['user_requests_total{issuer="",user="a\\"b"} 1', 'user_tokens_total{issuer="",user="a\\"b",kind="input"} 7', 'user_tokens_total{issuer="",user="a\\"b",kind="output"} 3']
    for (const line of lines) assert.equal(text.includes(`\nbedrock_sso_proxy_${line}\n`), asked === 'true', line)
    assert.equal(text.includes('a\\"b'), asked === 'true')
  }
})

test('admin: metrics tell when credentials end and since when the keys of an issuer are known, and nothing of those that do neither', async () => {
  const expiresMs = Math.ceil(Date.now() / 1000) * 1000 + 6 * 3_600_000
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const said: Readonly<Record<string, object>> = {
    '/task': { AccessKeyId: ACCESS_KEY_ID, SecretAccessKey: SECRET_ACCESS_KEY, Token: 't', Expiration: new Date(expiresMs).toISOString() },
    '/keys': { keys: [publicKey.export({ format: 'jwk' })] },
  }
  const server = createServer((request, response) => response.setHeader('content-type', 'application/json').end(JSON.stringify(said[request.url!]))).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const near = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const proxy = await startWithAdmin(bedrock, {
    AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_CONTAINER_CREDENTIALS_FULL_URI: `${near}/task`, JWT__SECRET: '', JWT__ISSUER: 'https://sso.example', JWT__JWKS_URL: `${near}/keys`,
  })
  while ((await get(proxy.port, '/health/ready')).status !== 200) await later(20)
  const text = (await get(proxy.admin, '/metrics')).body.toString()
  const value = (name: string) => Number(text.split('\n').find((line) => line.startsWith(`bedrock_sso_proxy_${name} `))?.split(' ').at(-1))
  assert.equal(value('credentials_expiry_timestamp_seconds'), expiresMs / 1000)
  const age = value('keys_age_seconds{issuer="https://sso.example"}')
  assert.ok(age >= 0 && age < 60, text)
  await proxy.stop()
  server.close()

  const other = await startWithAdmin(bedrock)
  assert.doesNotMatch((await get(other.admin, '/metrics')).body.toString(), /^bedrock_sso_proxy_(?:credentials_expiry_timestamp_seconds|keys_age_seconds)/m)
  await other.stop()
})

test('admin: health, and nothing else; the door for clients has no metrics', async () => {
  const proxy = await startWithAdmin(bedrock)
  assert.deepEqual(JSON.parse((await get(proxy.admin, '/health')).body.toString()), { status: 'ok', checks: { credentials: 'ok', keys: 'ok', draining: 'ok' } })
  for (const path of ['/', '/metrics/', '/metrics?x', '/model/x/invoke', '//metrics']) assert.equal((await get(proxy.admin, path)).status, 404, path)
  for (const method of ['POST', 'PUT', 'OPTIONS']) assert.equal((await ask('HTTP/1.1', proxy.admin, '/metrics', { method })).status, 405)
  const head = await ask('HTTP/1.1', proxy.admin, '/metrics', { method: 'HEAD' })
  assert.deepEqual([head.status, head.body.length], [200, 0])
  assert.equal((await get(proxy.port, '/metrics')).status, 404)
  await proxy.stop()
})

test('admin.port: one that is taken ends the program with an error that names it', async () => {
  const program = serve({ ADMIN__PORT: String(bedrock.port) })
  assert.equal(await program.ended(), 1)
  assert.deepEqual(program.stderr, [`cannot listen on 127.0.0.1, port ${bedrock.port}: EADDRINUSE`])
})

test('admin.host: where there is no such address, the start fails', async () => {
  const program = serve({ ADMIN__PORT: '9464', ADMIN__HOST: '192.0.2.1' })
  assert.equal(await program.ended(), 1)
  assert.deepEqual(program.stderr, ['cannot listen on 192.0.2.1, port 9464: EADDRNOTAVAIL'])
})

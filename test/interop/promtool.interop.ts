import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, test } from 'node:test'
import { Metrics } from '../../src/server/index.ts'
import { FakeBedrock, plainAnswer } from '../kit/bedrock.ts'
import { ask } from '../kit/client.ts'
import { startWithAdmin, token } from '../kit/proxy.ts'

const { stderr: version } = spawnSync('promtool', ['--version'], { encoding: 'utf8' })
const skip = version === undefined || version === null ? 'promtool (of Prometheus) is not there' : false

/** What the linter of Prometheus has to say; nothing where all is as it should be. */
function lint(text: string): { readonly code: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
  return { code: status, said: stdout + stderr }
}

const CLEAN = { code: 0, said: '' }

test('promtool finds nothing in the metrics of a proxy at work', { skip }, async () => {
  const bedrock = await FakeBedrock.start()
  after(() => bedrock.close())
  bedrock.script = plainAnswer
  const proxy = await startWithAdmin(bedrock)
  for (const authorization of [`Bearer ${token()}`, 'Bearer none']) await ask('HTTP/1.1', proxy.port, '/model/amazon.nova-lite-v1:0/invoke', { headers: { authorization }, body: '{}' })
  const text = (await ask('HTTP/1.1', proxy.admin, '/metrics', { method: 'GET' })).body.toString()
  assert.match(text, /requests_total\{operation="InvokeModel",model="amazon.nova",status="200"/)
  assert.deepEqual(lint(text), CLEAN)
  await proxy.stop()
})

test('promtool finds nothing in metrics of which each has a value, and reads labels as they are meant', { skip }, () => {
  const metrics = new Metrics({ version: '1', byUser: true, audit: undefined, checks: new Map([['a"b\\c\n', () => true]]), live: () => 1, limitsAvailable: () => true, credentialsEndMs: () => 1e12, issuers: () => [{ issuer: 'i', ageMs: 5 }] })
  metrics.observe({
    request_id: '', user: '', issuer: '', source: '', method: '', operation: 'Converse', model: 'amazon.nova-lite-v1:0', status: 200, failed: 'client', error: 'E', retried: undefined,
    bytes_in: 1, bytes_out: 1, input_tokens: 1, output_tokens: 1, cache_read_tokens: 1, cache_write_tokens: 1, cost_usd: 1e-7, first_byte_ms: 1, upstream_ms: 1, duration_ms: 1, aws_request_id: '', session_id: '',
  })
  const text = metrics.text()
  metrics.close()
  assert.deepEqual(lint(text), CLEAN)
})

test('promtool does find what is wrong', { skip }, () => {
  assert.notEqual(lint('# TYPE calls counter\ncalls 1\n').code, 0)
  assert.notEqual(lint('a{b="c} 1\n').code, 0)
})

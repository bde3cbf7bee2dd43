import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openLoopback } from '../../src/sso/index.ts'
import { ask } from '../kit/client.ts'

const TRANSACTION = { state: 's'.repeat(43), nonce: 'n', verifier: 'v' }

test('the answer to this sign-in is taken, by GET, at its path and by its own name; nothing else ends the wait', async () => {
  const loopback = await openLoopback('http://127.0.0.1/callback')
  const { port, pathname, hostname } = new URL(loopback.redirectUrl)
  assert.deepEqual([hostname, pathname], ['127.0.0.1', '/callback'])
  const answer = loopback.answer(TRANSACTION, 60_000)
  const good = `/callback?code=c&state=${TRANSACTION.state}`
  for (const [path, options] of [
    ['/callback', {}], ['/callback?code=c', {}], [`/callback?code=c&state=${'t'.repeat(43)}`, {}], [good.replace('callback', 'other'), {}],
    [good, { method: 'POST' }], [good, { headers: { host: `evil.example.com:${port}` } }],
  ] as const) {
    assert.equal((await ask('HTTP/1.1', Number(port), path, { method: 'GET', ...options })).status, 404, path)
  }
  const got = await ask('HTTP/1.1', Number(port), good, { method: 'GET' })
  assert.equal(got.status, 200)
  assert.ok(!got.body.toString().includes('code=c'))
  assert.equal(await answer, good.slice('/callback?'.length))
  loopback.close()
})

test('nobody waits for ever', async () => {
  const loopback = await openLoopback('http://127.0.0.1/callback')
  await assert.rejects(loopback.answer(TRANSACTION, 10), { code: 'SSO_TIMED_OUT' })
  loopback.close()
})

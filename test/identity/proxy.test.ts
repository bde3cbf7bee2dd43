import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { start } from '../../src/cli/running.ts'
import { readSetup } from '../../src/cli/setup.ts'
import { trustedIssuers } from '../../src/identity/index.ts'
import { FakeBedrock } from '../kit/bedrock.ts'
import { ask } from '../kit/client.ts'
import { proxyEnv } from '../kit/proxy.ts'
import { ecKey, issuerOptions, TestIssuer, TestWorld, tokenOf } from './kit.ts'

const KEY = ecKey('k')
const exp = Math.floor(Date.now() / 1000) + 600

test('a proxy whose keys are on their way is not ready, and a request that comes first waits for them', async () => {
  const bedrock = await FakeBedrock.start()
  after(() => bedrock.close())
  const issuer = await TestIssuer.start(KEY)
  let release = (): void => undefined
  issuer.answer = (_, response) => { release = () => response.end(issuer.jwks) }
  const env = proxyEnv(bedrock)
  const read = readSetup({}, { env, cwd: () => '/nowhere' })
  assert.ok('setup' in read)
  const running = await start({ ...read.setup, issuers: trustedIssuers([issuerOptions({ issuer: issuer.url })]) }, env, new TestWorld().log)
  after(() => running.stop())
  const port = Number(new URL(running.url).port)
  while (issuer.fetches === 0) await setImmediate()
  const ready = await ask('HTTP/1.1', port, '/health/ready', { method: 'GET' })
  assert.deepEqual([ready.status, JSON.parse(ready.body.toString())], [503, { status: 'not ready', missing: ['keys'] }])
  const headers = { authorization: `Bearer ${tokenOf(KEY, { iss: issuer.url, exp })}` }
  const waiting = ask('HTTP/1.1', port, '/model/x/invoke', { headers, body: '{}' })
  await setImmediate()
  release()
  assert.equal((await waiting).status, 200)
  assert.equal((await ask('HTTP/1.1', port, '/health/ready', { method: 'GET' })).status, 200)
})

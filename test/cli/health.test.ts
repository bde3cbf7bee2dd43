import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Program } from '../kit/program.ts'
import { proxyEnv } from '../kit/proxy.ts'
import { freePort } from '../kit/port.ts'
import { bedrock, serve } from './kit.ts'

test('health ends with 0 while the proxy is ready, with 1 when nobody is there, with 78 where nobody can be asked', async () => {
  const port = String(await freePort())
  const ask = (admin: string) => new Program(['health'], { ...proxyEnv(bedrock), ADMIN__PORT: admin } as Record<string, string>).ended()
  assert.equal(await ask(port), 1)
  const program = serve({ ADMIN__PORT: port })
  await program.port()
  assert.equal(await ask(port), 0)
  program.child.kill('SIGTERM')
  await program.ended()
  assert.equal(await ask(port), 1)
  assert.equal(await ask('0'), 78)
})

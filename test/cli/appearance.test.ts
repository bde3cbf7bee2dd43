import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Program } from '../kit/program.ts'
import { FakeBedrock, type Seen } from '../kit/bedrock.ts'
import { ask, type Got, PROTOCOLS } from '../kit/client.ts'
import { proxyEnv, startProxy, type TestProxy, token } from '../kit/proxy.ts'

/** Request metadata and inference profiles of callers, through the door. */

const folder = mkdtempSync(join(tmpdir(), 'appearance-'))
const bedrock = await FakeBedrock.start()
after(async () => {
  rmSync(folder, { recursive: true })
  await bedrock.close()
})

let files = 0
function configured(aws: object, more: object = {}): Record<string, string> {
  const file = join(folder, `${files++}.json`)
  writeFileSync(file, JSON.stringify({ aws, ...more }), { mode: 0o600 })
  return { BEDROCK_SSO_PROXY_CONFIG: file }
}

async function proxyWith(aws: object, more: object = {}): Promise<TestProxy> {
  const proxy = await startProxy(bedrock, configured(aws, more))
  after(() => proxy.stop())
  return proxy
}

interface Asking {
  readonly path?: string
  readonly claims?: Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, string>>
}

const call = (port: number, { path = '/model/m/invoke', claims = {}, headers = {} }: Asking = {}, protocol = PROTOCOLS[0]!): Promise<Got> =>
  ask(protocol, port, path, { headers: { authorization: `Bearer ${token(claims)}`, ...headers }, body: '{}' })

/** What Bedrock saw, once its signature was found good. */
async function seen(port: number, asking?: Asking, protocol = PROTOCOLS[0]!): Promise<Seen> {
  assert.equal((await call(port, asking, protocol)).status, 200)
  const last = bedrock.seen.at(-1)!
  assert.ok(!(last.signature instanceof Error))
  return last
}

const HEADER = 'x-amzn-bedrock-request-metadata'
const CLAIMS = { email: 'Ann O\'Hara <ann@example.com>', team: 'search', cost: 42 }

test('aws.request_metadata: what the token says goes up with both ways to invoke, signed, and with nothing else', async () => {
  const { port } = await proxyWith({ request_metadata: { user: '{user}', mail: '{claim:/email}', 'cost center': 'CC-{claim:/cost}', none: '{claim:/none}', fixed: 'proxy' } })
  for (const protocol of PROTOCOLS) {
    for (const path of ['/model/m/invoke', '/model/m/invoke-with-response-stream']) {
      const { headers, signature } = await seen(port, { path, claims: CLAIMS, headers: { [HEADER]: '{"user":"root"}' } }, protocol)
      const { mail, ...rest } = JSON.parse(String(headers[HEADER])) as Record<string, string>
      assert.deepEqual(rest, { user: 'alice', 'cost center': 'CC-42', fixed: 'proxy' })
      assert.match(mail!, /^Ann O_Hara _ann@example\.com_=[0-9a-f]{16}$/)
      assert.ok('signedHeaders' in signature && signature.signedHeaders.includes(HEADER))
    }
    for (const path of ['/model/m/converse', '/model/m/count-tokens']) {
      assert.equal((await seen(port, { path, claims: CLAIMS, headers: { [HEADER]: '{"user":"root"}' } }, protocol)).headers[HEADER], undefined)
    }
  }
})

test('aws.request_metadata: where every value is empty there is no header', async () => {
  const { port } = await proxyWith({ request_metadata: { team: '{claim:/team}' } })
  assert.equal((await seen(port)).headers[HEADER], undefined)
  assert.equal((await seen(port, { claims: CLAIMS })).headers[HEADER], '{"team":"search"}')
})

test('aws.request_metadata: the longest that there can be is a header that AWS takes', async () => {
  const keys = Array.from({ length: 16 }, (_, i) => `${i}${'k'.repeat(254)}`)
  const { port } = await proxyWith({ request_metadata: Object.fromEntries(keys.map((key) => [key, '{claim:/long}'])) })
  const text = String((await seen(port, { claims: { long: 'é'.repeat(900) } })).headers[HEADER])
  assert.ok(text.length <= 8500 && /^[\x20-\x7e]+$/.test(text), String(text.length))
  assert.ok(Object.values(JSON.parse(text) as Record<string, string>).every((value) => value.length === 256))
})

test('aws.client_metadata: that of a client is dropped, or refused', async () => {
  const [drop, refuse] = [await proxyWith({}), await proxyWith({ client_metadata: 'refuse' })]
  assert.equal((await seen(drop.port, { headers: { [HEADER]: '{"a":"b"}' } })).headers[HEADER], undefined)
  const { status, headers } = await call(refuse.port, { headers: { [HEADER]: '{"a":"b"}' } })
  assert.deepEqual([status, headers['x-amzn-errortype']], [400, 'ValidationException'])
  assert.equal((await call(refuse.port)).status, 200)
})

const PROFILE = 'arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123'
const OTHER = 'arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/other9'
const HAIKU = 'anthropic.claude-3-haiku-20240307-v1:0'
const upstream = (arn: string, verb: string) => `/model/${encodeURIComponent(arn)}/${verb}`

test('aws.profiles: the first row for a caller and a model says what is called in its place, path and signature', async () => {
  const path = join(folder, 'audit.jsonl')
  const { port } = await proxyWith({ profiles: [{ users: ['boss'], models: ['*'], profile: OTHER }, { groups: ['engineering'], models: ['anthropic.claude-3-*'], profile: PROFILE }] }, { audit: { file: path } })
  for (const protocol of PROTOCOLS) {
    for (const verb of ['invoke', 'invoke-with-response-stream', 'converse', 'converse-stream']) {
      assert.equal((await seen(port, { path: `/model/${HAIKU}/${verb}` }, protocol)).target, upstream(PROFILE, verb))
      assert.equal((await seen(port, { path: `/model/eu.${HAIKU}/${verb}`, claims: { sub: 'boss' } }, protocol)).target, upstream(OTHER, verb))
      assert.equal((await seen(port, { path: `/model/${HAIKU}/${verb}`, claims: { groups: ['sales'] } }, protocol)).target, upstream(HAIKU, verb))
      assert.equal((await seen(port, { path: `/model/amazon.nova-pro-v1:0/${verb}` }, protocol)).target, upstream('amazon.nova-pro-v1:0', verb))
    }
  }
  // AWS does not count tokens for profiles.
  assert.equal((await seen(port, { path: `/model/${HAIKU}/count-tokens` })).target, upstream(HAIKU, 'count-tokens'))
  const written = () => readFileSync(path, 'utf8').split('\n').slice(0, -1)
  while (written().length < 4) await nextTurn()
  const lines = written().map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.deepEqual(lines.slice(0, 4).map(({ model, profile }) => [model, profile]), [[HAIKU, PROFILE], [`eu.${HAIKU}`, OTHER], [HAIKU, undefined], ['amazon.nova-pro-v1:0', undefined]])
})

test('aws.profiles: the policy decides on what the client asks for', async () => {
  const rules = [{ models: ['amazon.*'], effect: 'allow' }]
  const { port } = await proxyWith({ profiles: [{ models: ['*'], profile: PROFILE }] }, { policy: { rules } })
  assert.equal((await call(port, { path: `/model/${HAIKU}/invoke` })).status, 403)
  assert.equal((await seen(port, { path: '/model/amazon.nova-pro-v1:0/invoke' })).target, upstream(PROFILE, 'invoke'))
  // The profile itself is opaque to these rules, and nobody may call it past them.
  assert.equal((await call(port, { path: upstream(PROFILE, 'invoke') })).status, 403)
})

test('a reload takes other metadata and profiles', async () => {
  const env = proxyEnv(bedrock, configured({}))
  const program = new Program(['serve'], env)
  const port = await program.port()
  const claims = { team: 'search' }
  const before = await seen(port, { path: `/model/${HAIKU}/invoke`, claims })
  assert.deepEqual([before.target, before.headers[HEADER]], [upstream(HAIKU, 'invoke'), undefined])
  writeFileSync(env.BEDROCK_SSO_PROXY_CONFIG!, JSON.stringify({ aws: { request_metadata: { team: '{claim:/team}' }, profiles: [{ models: ['*'], profile: PROFILE }] } }), { mode: 0o600 })
  program.child.kill('SIGHUP')
  await program.line(/"msg":"reloaded"/)
  const after = await seen(port, { path: `/model/${HAIKU}/invoke`, claims })
  assert.deepEqual([after.target, after.headers[HEADER]], [upstream(PROFILE, 'invoke'), '{"team":"search"}'])
  program.child.kill('SIGTERM')
  await program.ended()
})

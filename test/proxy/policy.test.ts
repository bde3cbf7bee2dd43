import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { FakeBedrock } from '../kit/bedrock.ts'
import { ask, type Got, type Protocol, PROTOCOLS } from '../kit/client.ts'
import { ConfigFile } from '../kit/config.ts'
import { startProxy, type TestProxy, token } from '../kit/proxy.ts'

const bedrock = await FakeBedrock.start()
after(() => bedrock.close())

async function proxyWith(config: object): Promise<TestProxy> {
  const proxy = await startProxy(bedrock, new ConfigFile(config).env)
  after(() => proxy.stop())
  return proxy
}

const NO_ACCESS = "You don't have access to the model with the specified model ID."

function assertDenied({ status, headers, body }: Got): void {
  assert.equal(status, 403)
  assert.equal(headers['x-amzn-errortype'], 'AccessDeniedException')
  assert.equal(headers['x-should-retry'], 'false')
  const json = JSON.parse(body.toString()) as { message?: string; error: { message: string } }
  assert.ok((json.message ?? json.error.message).startsWith(NO_ACCESS))
}

const invoke = (protocol: Protocol, { port }: TestProxy, path: string, claims = {}, body = '{}') =>
  ask(protocol, port, path, { headers: { authorization: `Bearer ${token(claims)}` }, body })

const ID = 'anthropic.claude-opus-4-1-20250805-v1:0'
const ARN = 'arn:aws:bedrock:us-east-1'

/** Every way in which a request can say that it wants this model. */
const SPELLINGS: readonly (readonly [way: string, path: string, body?: string])[] = [
  ['by its id', `/model/${ID}/invoke`],
  ['with %3A', `/model/${ID.replace(':', '%3A')}/invoke`],
  ['with letters escaped', `/model/%61nthropic%2Eclaude-opus-4-1-20250805-v1%3a0/invoke`],
  ['with a stream', `/model/${ID}/invoke-with-response-stream`],
  ['by Converse', `/model/${ID}/converse`],
  ['by ConverseStream', `/model/${ID}/converse-stream`],
  ['by CountTokens', `/model/${ID}/count-tokens`],
  ['by its ARN, slashes and all', `/model/${ARN}::foundation-model/${ID}/invoke`],
  ['by its ARN, encoded', `/model/${encodeURIComponent(`${ARN}::foundation-model/${ID}`)}/invoke`],
  ...['us', 'us-gov', 'eu', 'apac', 'jp', 'au', 'global', 'ca'].flatMap((geography) => [
    [`in ${geography}`, `/model/${geography}.${ID}/converse`],
    [`by the ARN of the profile in ${geography}`, `/model/${encodeURIComponent(`${ARN}:111122223333:inference-profile/${geography}.${ID}`)}/converse`],
  ] as const),
  ['by an application profile', `/model/${encodeURIComponent(`${ARN}:111122223333:application-inference-profile/abc123`)}/converse`],
  ['by a provisioned model', `/model/${encodeURIComponent(`${ARN}:111122223333:provisioned-model/abc123`)}/invoke`],
  ['by a prompt', `/model/${encodeURIComponent(`${ARN}:111122223333:prompt/ABCDEF:1`)}/converse`],
  ['by a router', `/model/${encodeURIComponent(`${ARN}:111122223333:default-prompt-router/anthropic.claude:1`)}/converse`],
  ['in the body of StartAsyncInvoke', '/async-invoke', JSON.stringify({ modelId: ID })],
  ['in the body of StartAsyncInvoke, its name escaped', '/async-invoke', `{"m\\u006fdelId":"${ID}"}`],
  ['in the body of StartAsyncInvoke, itself escaped', '/async-invoke', `{"modelId":"\\u0061${ID.slice(1)}"}`],
  ['in the body of StartAsyncInvoke, not at all', '/async-invoke', '{"x":1}'],
  ['in a body of the OpenAI surface', '/openai/v1/chat/completions', JSON.stringify({ model: ID, messages: [] })],
  ['in a body of the OpenAI surface that is no JSON', '/openai/v1/chat/completions', `{"model":'${ID}'}`],
  ['in a body of the Anthropic surface', '/anthropic/v1/messages', JSON.stringify({ max_tokens: 1, model: `us.${ID}` })],
  ['in a body of Mantle', '/mantle/v1/responses', JSON.stringify({ model: ID.replace('-v1:0', '') })],
]

test('a model that is denied is denied in every spelling, and nothing of it goes up', async (t) => {
  const proxy = await proxyWith({ policy: { default: 'allow', rules: [{ models: ['anthropic.claude-opus-*'], effect: 'deny' }] } })
  // That AWS is asked what is behind a profile is ours.
  const calls = () => bedrock.seen.filter(({ method }) => method === 'POST').length
  const before = calls()
  for (const protocol of PROTOCOLS) {
    for (const [way, path, body] of SPELLINGS) await t.test(`${way}, over ${protocol}`, async () => assertDenied(await invoke(protocol, proxy, path, {}, body)))
  }
  assert.equal(calls(), before)
  const other = await invoke('HTTP/1.1', proxy, '/model/amazon.nova-pro-v1:0/converse')
  assert.equal(other.status, 200)
})

test('what is allowed is allowed in every spelling that says what it is', async (t) => {
  const proxy = await proxyWith({ policy: { rules: [{ models: ['anthropic.claude-opus-*'], effect: 'allow' }] } })
  for (const [way, path, body] of SPELLINGS) {
    const isOpaque = /profile\/|profile%2Fabc|provisioned|prompt|not at all|no JSON/.test(`${path}${way}`) && !path.includes('inference-profile%2Fus') && !/inference-profile%2F[a-z-]+\.anthropic/.test(path)
    await t.test(way, async () => assert.equal((await invoke('HTTP/1.1', proxy, path, {}, body)).status, isOpaque ? 403 : 200))
  }
  assertDenied(await invoke('HTTP/1.1', proxy, '/model/amazon.nova-pro-v1:0/converse'))
})

for (const body of ['{"modelId":"a.b","modelId":"a.c"}', '{"modelId":"a.b","x":{},"mod\\u0065lId":"a.b"}', '{"modelId":"a.b","MODELID":"a.c"}']) {
  test(`a body that names its model twice is 400 and does not go up: ${body}`, async () => {
    const proxy = await proxyWith({})
    const before = bedrock.seen.length
    const got = await invoke('HTTP/1.1', proxy, '/async-invoke', {}, body)
    assert.equal(got.status, 400)
    assert.equal(JSON.parse(got.body.toString()).message, 'The request body names a model twice.')
    assert.equal(bedrock.seen.length, before)
  })
}

test('users, groups, operations and geographies decide in the order of the rules, and the log names the rule', async () => {
  const proxy = await proxyWith({
    policy: {
      rules: [
        { users: ['mallory'], effect: 'deny' },
        { groups: ['engineering'], operations: ['Converse', 'ConverseStream'], models: ['amazon.nova-*'], geographies: ['eu', 'in-region'], effect: 'allow' },
        { operations: ['ListInferenceProfiles'], effect: 'allow' },
      ],
    },
  })
  const rows: readonly (readonly [method: 'GET' | 'POST', path: string, claims: Readonly<Record<string, unknown>>, status: number, rule: string])[] = [
    ['POST', '/model/eu.amazon.nova-pro-v1:0/converse', {}, 200, 'policy.rules[1]'],
    ['POST', '/model/amazon.nova-pro-v1:0/converse', {}, 200, 'policy.rules[1]'],
    ['POST', '/model/us.amazon.nova-pro-v1:0/converse', {}, 403, 'default'],
    ['POST', '/model/amazon.nova-pro-v1:0/invoke', {}, 403, 'default'],
    ['POST', '/model/amazon.nova-pro-v1:0/converse', { groups: ['sales'] }, 403, 'default'],
    ['POST', '/model/amazon.nova-pro-v1:0/converse', { sub: 'mallory' }, 403, 'policy.rules[0]'],
    ['GET', '/inference-profiles', {}, 200, 'policy.rules[2]'],
    ['GET', '/inference-profiles', { sub: 'mallory' }, 403, 'policy.rules[0]'],
    ['GET', '/foundation-models', {}, 403, 'default'],
    ['GET', '/openai/v1/models', {}, 403, 'default'],
    ['POST', '/guardrail/g/version/1/apply', {}, 403, 'default'],
  ]
  for (const [method, path, claims, status, rule] of rows) {
    const line = proxy.nextRequestLine()
    const got = await ask('HTTP/1.1', proxy.port, path, { method, headers: { authorization: `Bearer ${token(claims)}` }, ...(method === 'POST' && { body: '{}' }) })
    assert.deepEqual([got.status, (await line).rule], [status, rule], `${method} ${path} ${JSON.stringify(claims)}`)
  }
})

test('every operation is asked about: where all is denied, nothing goes up, and only what is ours is answered', async () => {
  const proxy = await proxyWith({ policy: { default: 'deny' } })
  const { paths } = JSON.parse((await ask('HTTP/1.1', proxy.port, '/openapi.json', { method: 'GET' })).body.toString()) as { paths: Record<string, Record<string, object>> }
  const before = bedrock.seen.length
  for (const [path, methods] of Object.entries(paths)) {
    for (const method of Object.keys(methods)) {
      if (path === '/health/aws') continue
      const got = await ask('HTTP/1.1', proxy.port, path.replace(/\{\w+\}/g, 'amazon.nova-sonic-v1:0'), { method: method.toUpperCase(), headers: { authorization: `Bearer ${token()}` } })
      assert.equal(got.status, 403, `${method} ${path}`)
    }
  }
  assert.equal(bedrock.seen.length, before)
})

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { FakeBedrock, plainAnswer, type Script } from '../kit/bedrock.ts'
import { ask, type Got } from '../kit/client.ts'
import { ConfigFile } from '../kit/config.ts'
import { proxyEnv, startProxy, type TestProxy, token } from '../kit/proxy.ts'
import { Program } from '../kit/program.ts'

const bedrock = await FakeBedrock.start()
after(() => bedrock.close())
beforeEach(() => { bedrock.script = plainAnswer })

/** Answers with so many tokens. */
const using = (inputTokens: number, outputTokens: number): Script => (_seen, response) => {
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ output: {}, usage: { inputTokens, outputTokens } }))
}

const MODEL = 'amazon.nova-pro-v1:0'
const call = (port: number, claims = {}, body = '{"inferenceConfig":{"maxTokens":50}}'): Promise<Got> =>
  ask('HTTP/1.1', port, `/model/${MODEL}/converse`, { headers: { authorization: `Bearer ${token(claims)}` }, body })

async function proxyWith(limits: object, more: object = {}): Promise<TestProxy> {
  const proxy = await startProxy(bedrock, new ConfigFile({ limits, ...more }).env)
  after(() => proxy.stop())
  return proxy
}

test('limits.default.requests_per_minute, burst: what comes faster is 429 with the time to wait, and costs AWS nothing', async () => {
  const { port } = await proxyWith({ default: { requests_per_minute: 60, burst: 2 } })
  const first = await call(port)
  assert.deepEqual([first.status, first.headers['x-ratelimit-remaining']], [200, undefined])
  const last = await call(port)
  assert.deepEqual([last.status, last.headers['x-ratelimit-remaining'], last.headers['x-ratelimit-remaining-requests']], [200, 'requests_per_minute=0;limit=60;reset=2', undefined])
  const before = bedrock.seen.length
  const refused = await call(port)
  assert.equal(refused.status, 429)
  assert.deepEqual([refused.headers['x-amzn-errortype'], refused.headers['retry-after'], refused.headers['x-should-retry']], ['ThrottlingException', '1', undefined])
  assert.deepEqual([refused.headers['x-ratelimit-remaining'], refused.headers['x-ratelimit-remaining-requests']], ['requests_per_minute=0;limit=60;reset=2', '0'])
  assert.match(JSON.parse(refused.body.toString()).message as string, /requests_per_minute/)
  assert.equal(bedrock.seen.length, before)
  assert.equal((await call(port, { sub: 'bob' })).status, 200, 'others are not held up')
})

test('OpenAI and Mantle: an answer says what is left of a minute in the headers that their clients look for, too', async () => {
  const { port } = await proxyWith({ default: { requests_per_minute: 1, tokens_per_minute: 66, concurrent: 9 } })
  for (const path of ['/openai/v1/chat/completions', '/mantle/v1/responses']) {
    const { headers } = await ask('HTTP/1.1', port, path, { headers: { authorization: `Bearer ${token({ sub: path })}` }, body: '{"model":"openai.gpt-oss-20b-1:0","max_completion_tokens":50}' })
    const known = ['limit-requests', 'remaining-requests', 'reset-requests', 'limit-tokens', 'remaining-tokens', 'reset-tokens'].map((name) => headers[`x-ratelimit-${name}`])
    assert.deepEqual(known, ['1', '0', '60', '66', '0', '60'], path)
  }
})

test('StartAsyncInvoke is held to the rate of its caller, though nobody learns what its job uses', async () => {
  const { port } = await proxyWith({ default: { requests_per_minute: 1 } })
  const starting = (): Promise<Got> => ask('HTTP/1.1', port, '/async-invoke', { headers: { authorization: `Bearer ${token()}` }, body: '{"modelId":"amazon.nova-reel-v1:0"}' })
  assert.deepEqual([(await starting()).status, (await starting()).status], [200, 429])
})

test('limits.default.concurrent: one more at once is 429, and its place is free when a stream ends in whatever way', async () => {
  const { port } = await proxyWith({ default: { concurrent: 1 } })
  for (const end of ['completes', 'breaks'] as const) {
    let release = (): void => undefined
    bedrock.script = (_seen, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' }).write('{')
      release = () => (end === 'completes' ? response.end('}') : response.destroy())
    }
    const arrived = bedrock.next()
    const open = call(port).catch(() => undefined)
    await arrived
    assert.equal((await call(port)).status, 429)
    release()
    await open
    bedrock.script = plainAnswer
    assert.equal((await call(port)).status, 200, end)
  }
})

const BUDGET = /^The request does not fit into the limit (\w+): .* reset at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\.$/

function assertSpent(got: Got, limit: string): void {
  assert.equal(got.status, 400)
  assert.deepEqual([got.headers['x-amzn-errortype'], got.headers['x-should-retry'], got.headers['retry-after']], ['ServiceQuotaExceededException', 'false', undefined])
  assert.equal(BUDGET.exec(JSON.parse(got.body.toString()).message as string)?.[1], limit)
}

for (const limit of ['tokens_per_day', 'tokens_per_month'] as const) {
  test(`limits.default.${limit}: what is used counts, and then it is 400 with name and reset of the budget`, async () => {
    const { port } = await proxyWith({ default: { [limit]: 1000 } })
    bedrock.script = using(600, 350)
    const first = await call(port)
    assert.equal(first.status, 200)
    assertSpent(await call(port), limit)
    assert.equal((await call(port, { sub: 'bob' })).status, 200)
  })
}

test('limits.default.tokens_per_minute: 429 until they have trickled back', async () => {
  const { port } = await proxyWith({ default: { tokens_per_minute: 1000 } })
  bedrock.script = using(600, 390)
  assert.equal((await call(port)).status, 200)
  const refused = await call(port)
  assert.deepEqual([refused.status, refused.headers['x-amzn-errortype']], [429, 'ThrottlingException'])
  assert.ok(Number(refused.headers['retry-after']) >= 1)
})

for (const limit of ['usd_per_day', 'usd_per_month'] as const) {
  test(`limits.default.${limit}, pricing: money is counted by the prices of the model`, async () => {
    const pricing = [{ models: ['amazon.nova-*'], input: 1, output: 4 }]
    const { port } = await proxyWith({ default: { [limit]: 0.01 } }, { pricing })
    bedrock.script = using(2000, 1900) // 0.0096 USD
    assert.equal((await call(port)).status, 200)
    bedrock.script = using(10, 100)
    assertSpent(await call(port, {}, '{"inferenceConfig":{"maxTokens":200}}'), limit)
    assert.equal((await call(port, {}, '{"inferenceConfig":{"maxTokens":20}}')).status, 200, 'a small one still fits')
  })
}

test('pricing: input, output, cache_read and cache_write have each their price, and the line of a call says what it cost', async () => {
  const counts = { inputTokens: 1_000_000, outputTokens: 100_000, cacheReadInputTokens: 10_000, cacheWriteInputTokens: 1000 }
  bedrock.script = (_seen, response) => response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ usage: counts }))
  const costOf = async (row: object) => {
    const proxy = await proxyWith({}, { pricing: [{ models: ['amazon.nova-pro-*'], ...row }, { models: ['amazon.*'], input: 99, output: 99 }] })
    const line = proxy.nextRequestLine()
    assert.equal((await call(proxy.port)).status, 200)
    return (await line).cost_usd
  }
  assert.equal(await costOf({ input: 3, output: 15, cache_read: 0.3, cache_write: 3.75 }), 3 + 1.5 + 0.003 + 0.00375)
  assert.equal(await costOf({ input: 3, output: 15 }), 3 + 1.5 + 0.03 + 0.003)
})

test('limits.reserve_tokens: what a request does not limit is held for it while it runs', async () => {
  const { port } = await proxyWith({ reserve_tokens: 900, default: { tokens_per_day: 1000 } })
  let finish = (): void => undefined
  bedrock.script = (seen, response) => { finish = () => using(1, 1)(seen, response) }
  const arrived = bedrock.next()
  const open = call(port, {}, '{}')
  await arrived
  assertSpent(await call(port, {}, '{}'), 'tokens_per_day')
  finish()
  assert.equal((await open).status, 200)
  bedrock.script = using(1, 1)
  assert.equal((await call(port, {}, '{}')).status, 200, 'and given back at its end')
})

test('limits.groups, limits.users: the own row counts before that of a group, that before the default', async () => {
  const { port } = await proxyWith({ default: { requests_per_minute: 1 }, groups: { engineering: { requests_per_minute: 2 } }, users: { carol: { requests_per_minute: 3 } } })
  const admitted = async (claims: Readonly<Record<string, unknown>>) => {
    const statuses = []
    for (let i = 0; i < 4; i++) statuses.push((await call(port, claims)).status)
    return statuses.filter((status) => status === 200).length
  }
  assert.deepEqual([await admitted({ sub: 'dave', groups: [] }), await admitted({ sub: 'erin' }), await admitted({ sub: 'carol' })], [1, 2, 3])
})

test('an aborted stream counts what was seen of it, and its line says that this is partial', async () => {
  const proxy = await proxyWith({ default: { tokens_per_day: 100_000 } })
  bedrock.script = (_seen, response) => response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('x'.repeat(2000))
  const line = proxy.nextRequestLine()
  const controller = new AbortController()
  const response = await fetch(`${proxy.url}/model/${MODEL}/converse`, { method: 'POST', headers: { authorization: `Bearer ${token()}` }, body: 'y'.repeat(4000), signal: controller.signal })
  await response.body!.getReader().read()
  controller.abort()
  const { error, input_tokens: input, output_tokens: output, partial } = await line
  assert.deepEqual([error, input, output, partial], ['CLIENT_GONE', 1000, 10, true])
})

const folder = mkdtempSync(join(tmpdir(), 'limits-'))
after(() => rmSync(folder, { recursive: true }))

test('limits.store, limits.path: a journal remembers a day after the process is gone, and is one process\'s own', async () => {
  const config = new ConfigFile({ limits: { store: 'journal', path: join(folder, 'journal'), default: { tokens_per_day: 1000 } } })
  bedrock.script = using(600, 350)
  const first = await startProxy(bedrock, config.env)
  assert.equal((await call(first.port)).status, 200)
  const second = new Program(['serve'], proxyEnv(bedrock, config.env))
  assert.equal(await second.ended(), 1)
  assert.match(second.stderr.join('\n'), /^limits\.path: /m)
  await first.stop()
  const third = await startProxy(bedrock, config.env)
  assertSpent(await call(third.port), 'tokens_per_day')
  await third.stop()
})

for (const [fail, status] of [['closed', 503], ['open', 200]] as const) {
  test(`limits.fail ${fail}: while nothing can be recorded, requests are ${status === 503 ? 'refused' : 'admitted'}`, async () => {
    const path = join(folder, `lost-${fail}`)
    const proxy = await startProxy(bedrock, new ConfigFile({ limits: { store: 'journal', path, fail, default: { tokens_per_day: 1000 } } }).env)
    after(() => proxy.stop())
    const lost = proxy.nextLine(({ msg }) => msg === 'limits are not recorded')
    writeFileSync(`${path}.lock`, 'somebody else')
    assert.equal((await call(proxy.port)).status, 200)
    await lost
    const got = await call(proxy.port)
    assert.equal(got.status, status)
    if (status === 503) assert.deepEqual([got.headers['x-amzn-errortype'], got.headers['retry-after']], ['ServiceUnavailableException', '5'])
  })
}

test('a reload takes limits, prices and rules; one that is bad changes nothing', async () => {
  bedrock.script = using(1_000_000, 0)
  const priced = (input: number) => [{ models: ['amazon.*'], input, output: 0 }]
  const config = new ConfigFile({ limits: { default: { requests_per_minute: 1 } }, pricing: priced(3) })
  const program = new Program(['serve'], proxyEnv(bedrock, config.env))
  after(() => program.child.kill('SIGKILL'))
  const port = await program.port()
  const statuses = async () => [(await call(port)).status, (await call(port)).status, (await call(port, { sub: 'bob' })).status]
  const reloaded = async (changed: object, said: RegExp) => {
    config.write(changed)
    program.child.kill('SIGHUP')
    await program.line(said)
  }
  assert.deepEqual(await statuses(), [200, 429, 200])
  await program.line(/"user":"bob".*"cost_usd":3\b/)
  await reloaded({ limits: { default: { requests_per_minute: 1000 } }, pricing: priced(4), policy: { default: 'allow', rules: [{ users: ['bob'], effect: 'deny' }] } }, /"msg":"reloaded"/)
  assert.deepEqual(await statuses(), [200, 200, 403])
  await program.line(/"user":"alice".*"cost_usd":4\b/)
  await reloaded({ limits: { default: { requests_per_minute: 0 } }, pricing: priced(5), policy: { rules: [] } }, /the configuration is not reloaded/)
  const before = program.stdout.length
  assert.deepEqual(await statuses(), [200, 200, 403])
  program.child.kill('SIGTERM')
  assert.equal(await program.ended(), 0)
  assert.deepEqual(program.stdout.slice(before).flatMap((line) => /"cost_usd":(\d+)/.exec(line)?.[1] ?? []), ['4', '4'])
})

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Models } from '../../src/model/index.ts'
import { Profiles } from '../../src/proxy/profiles.ts'
import { FakeBedrock, plainAnswer, type Script } from '../kit/bedrock.ts'
import { ask } from '../kit/client.ts'
import { ConfigFile } from '../kit/config.ts'
import { startProxy, token } from '../kit/proxy.ts'

const profile = (name: string): string => `arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/${name}`
const foundation = (id: string, region = 'us-east-1'): string => `arn:aws:bedrock:${region}::foundation-model/${id}`

const HAIKU = 'anthropic.claude-3-haiku-20240307-v1:0'
const BEHIND: Readonly<Record<string, unknown>> = {
  haiku: [{ modelArn: foundation(HAIKU) }],
  everywhere: [{ modelArn: foundation(HAIKU, 'us-east-1') }, { modelArn: foundation(HAIKU, 'us-west-2') }],
  mixed: [{ modelArn: foundation(HAIKU) }, { modelArn: foundation('amazon.nova-pro-v1:0') }],
  odd: [{ modelArn: 17 }],
  none: 'nothing of the kind',
}

const bedrock = await FakeBedrock.start()
after(() => bedrock.close())
const answer: Script = (seen, response) => {
  const name = /^\/inference-profiles\/.*%2F(\w+)$/.exec(seen.target)?.[1]
  if (name === undefined) return plainAnswer(seen, response)
  if (BEHIND[name] === undefined) return void response.writeHead(404, { 'x-amzn-ErrorType': 'ResourceNotFoundException' }).end('{}')
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ models: BEHIND[name] }))
}
bedrock.script = answer
const lookups = () => bedrock.seen.filter(({ target }) => target.startsWith('/inference-profiles/')).length

test('rules about models reach behind application profiles; what AWS does not say stays denied, and is asked once', async () => {
  const proxy = await startProxy(bedrock, new ConfigFile({
    policy: { rules: [{ models: ['anthropic.claude-3-haiku-*'], effect: 'allow' }] }, pricing: [{ models: ['anthropic.*'], input: 1, output: 1 }],
  }).env)
  after(() => proxy.stop())
  const call = async (name: string) => (await ask('HTTP/1.1', proxy.port, `/model/${encodeURIComponent(profile(name))}/converse`, { headers: { authorization: `Bearer ${token()}` }, body: '{}' })).status
  const statuses = async (...names: readonly string[]) => {
    const got = []
    for (const name of names) got.push(await call(name))
    return got
  }
  assert.deepEqual(await statuses('haiku', 'everywhere', 'mixed', 'odd', 'none', 'unheard'), [200, 200, 403, 403, 403, 403])
  const asked = lookups()
  assert.equal(asked, 6)
  assert.deepEqual(await statuses('haiku', 'odd', 'unheard'), [200, 403, 403])
  assert.equal(lookups(), asked)
  assert.equal(bedrock.seen.at(-1)!.target, `/model/${encodeURIComponent(profile('haiku'))}/converse`, 'what goes up is what was asked for')
})

test('where nothing looks at models, AWS is asked nothing', async () => {
  const proxy = await startProxy(bedrock)
  after(() => proxy.stop())
  const before = lookups()
  const got = await ask('HTTP/1.1', proxy.port, `/model/${encodeURIComponent(profile('haiku'))}/converse`, { headers: { authorization: `Bearer ${token()}` }, body: '{}' })
  assert.deepEqual([got.status, lookups() - before], [200, 0])
})

/** Profiles before an AWS that answers when it is told to. */
function asked() {
  const models = new Models()
  const answers = new Map<string, (behind: readonly string[] | undefined) => void>()
  const clock = { nowMs: 0 }
  const profiles = new Profiles(models, (id) => new Promise((resolve) => answers.set(id, resolve)), () => clock.nowMs)
  const resolve = (name: string, user = `user of ${name}`) => profiles.resolve(models.of(profile(name)), { issuer: 'i', user })
  return { resolve, clock, asked: () => [...answers.keys()].map((id) => id.split('/')[1]), answer: (name: string, behind?: readonly string[]) => answers.get(profile(name))!(behind) }
}

test('AWS is asked once for many who ask together, and again after a minute', async () => {
  const { resolve, clock, asked: questions, answer: say } = asked()
  const both = [resolve('a'), resolve('a', 'another'), resolve('b')]
  assert.deepEqual(questions(), ['a', 'b'])
  say('a', [foundation(HAIKU)])
  say('b')
  assert.deepEqual((await Promise.all(both)).map(({ names }) => names), [[HAIKU], [HAIKU], []])
  assert.ok(!(resolve('b') instanceof Promise), 'what AWS does not know is not asked at once again')
  clock.nowMs = 60_001
  assert.ok(resolve('b') instanceof Promise)
})

test('who makes up ids has one question under way, eight that wait for it, and no more; nobody else waits for them', async () => {
  const { resolve, asked: questions, answer: say } = asked()
  const names = Array.from({ length: 10 }, (_, i) => `made-up-${i}`)
  const theirs = names.map((name) => resolve(name, 'mallory'))
  assert.deepEqual(theirs.map((one) => one instanceof Promise), [...Array<boolean>(9).fill(true), false])
  assert.deepEqual(questions(), ['made-up-0'])
  const hers = resolve('good', 'alice')
  assert.deepEqual(questions(), ['made-up-0', 'good'])
  say('good', [foundation(HAIKU)])
  assert.deepEqual((await hers).names, [HAIKU])
  say('made-up-0')
  await theirs[0]
  assert.deepEqual(questions(), ['made-up-0', 'good', 'made-up-1'])
  assert.ok(resolve('made-up-9', 'mallory') instanceof Promise, 'one has come free')
})

test('sixteen callers ask at once; one too many is not waited for', () => {
  const { resolve } = asked()
  const all = Array.from({ length: 17 }, (_, i) => resolve(`p${i}`))
  assert.deepEqual(all.map((one) => one instanceof Promise), [...Array<boolean>(16).fill(true), false])
})

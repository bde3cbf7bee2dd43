import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeLabel } from '../../src/http/index.ts'
import { Models, parseModel } from '../../src/model/index.ts'
import { seeded } from '../kit/pieces.ts'
import { asker, policy } from './kit.ts'

const OPUS = 'anthropic.claude-opus-4-1-20250805-v1:0'
const ACCOUNT = 'arn:aws:bedrock:us-east-1:111122223333:'
const PROFILE = `${ACCOUNT}application-inference-profile/abc123def456`
const UNRESOLVED = new Models()
const RESOLVED = new Models()
RESOLVED.learn(PROFILE, [`arn:aws:bedrock:us-east-1::foundation-model/${OPUS}`, `arn:aws:bedrock:us-west-2::foundation-model/${OPUS}`])
const GEOGRAPHIES = ['us', 'us-gov', 'eu', 'apac', 'jp', 'au', 'global']

/** One model in every way that it can be asked for. */
const SPELLINGS = [
  OPUS, OPUS.replace(':', '%3A'), OPUS.replace(':', '%3a'), `${OPUS}:200k`, OPUS.slice(0, -2),
  ...GEOGRAPHIES.flatMap((geography) => [`${geography}.${OPUS}`, `${geography}.${OPUS.replace(':', '%3A')}`, `${ACCOUNT}inference-profile/${geography}.${OPUS}`]),
  `arn:aws:bedrock:us-east-1::foundation-model/${OPUS}`, `arn:aws:bedrock:us-east-1::foundation-model%2F${OPUS}`, encodeURIComponent(`arn:aws:bedrock:us-east-1::foundation-model/${OPUS}`),
  `arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/${OPUS}`, `arn:aws:bedrock:us-east-1::foundation-model/${OPUS}:200k`,
  PROFILE, encodeURIComponent(PROFILE),
]

/** Rules that a company could have written against this model, each in another of its spellings. */
const DENIED = [OPUS, 'anthropic.claude-opus-*', '*opus*', 'anthropic.*', `arn:aws:bedrock:*::foundation-model/${OPUS}`, `arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-opus-*`]

for (const pattern of DENIED) {
  test(`no spelling of a model slips past a rule that denies ${pattern}`, () => {
    const rules = [{ models: [pattern], effect: 'deny' }, { models: ['*'], effect: 'allow' }, { effect: 'allow' }] as const
    for (const spelling of SPELLINGS) {
      for (const models of [UNRESOLVED, RESOLVED]) {
        const decision = policy({ rules }).decide(asker(), 'InvokeModel', [models.of(decodeLabel(spelling))])
        assert.deepEqual(decision, { allow: false, rule: 'policy.rules[0]' }, spelling)
      }
    }
  })
}

test('every spelling of a model is allowed by a rule for its bare id, its profile once that is looked up', () => {
  for (const pattern of [OPUS, 'anthropic.claude-opus-*', `arn:aws:bedrock:*::foundation-model/${OPUS}`]) {
    for (const spelling of SPELLINGS) {
      const { allow } = policy({ rules: [{ models: [pattern], effect: 'allow' }] }).decide(asker(), 'InvokeModel', [RESOLVED.of(decodeLabel(spelling))])
      assert.equal(allow, true, `${pattern}: ${spelling}`)
    }
  }
})

test('no mutation of a denied model is ever allowed, while others are', () => {
  const random = seeded(5)
  const pick = <T>(items: readonly T[]): T => items[random(items.length)]!
  const anyCase = (text: string) => [...text].map((char) => (random(4) === 0 ? char.toUpperCase() : char)).join('')
  const escaped = (text: string) => [...text].map((char) => (random(6) === 0 ? `%${char.charCodeAt(0).toString(16)}` : char)).join('')
  const mutations: readonly ((id: string) => string)[] = [
    anyCase, (id) => `${pick([...GEOGRAPHIES, 'ca', 'sa', 'moon', 'x', 'US'])}.${id}`, (id) => `${id}:${pick(['0', '0:48k', '200k', 'x'])}`, escaped,
    (id) => `arn:aws:bedrock:us-east-1::foundation-model/${id}`, (id) => `${ACCOUNT}${pick(['inference-profile', 'application-inference-profile', 'provisioned-model', 'custom-model', 'prompt-router'])}/${id}`,
    (id) => id.replace(/:0$/, ''), (id) => id.replace(/-v1:0$/, ''), (id) => id.replace(/-\d{8}-v1:0$/, ''), (id) => pick([' ', '\n', '/', './', '\u200b', '\0']) + id, (id) => id + pick([' ', '\n', '/', '/.', '\u200b', '\0', '#', '?']),
  ]
  const denying = [DENIED[0]!, DENIED[1]!, DENIED[2]!].map((pattern) => policy({ rules: [{ models: [pattern], effect: 'deny' }], default: 'allow' }))
  for (let round = 0; round < 20_000; round++) {
    let id = pick([OPUS, OPUS, `us.${OPUS}`])
    for (let steps = 1 + random(3); steps > 0; steps--) id = pick(mutations)(id)
    let decoded = id
    try {
      decoded = decodeURIComponent(id)
    } catch {
      // Refused before anybody asks for a model.
    }
    for (const one of denying) for (const spelling of [id, decoded]) assert.equal(one.decide(asker(), 'InvokeModel', [parseModel(spelling)]).allow, false, JSON.stringify(spelling))
  }
  for (const id of ['anthropic.claude-haiku-4-5', 'us.amazon.nova-lite-v1:0', 'anthropic.claude-sonnet-4-1-20250805-v1:0']) {
    for (const one of denying) assert.equal(one.decide(asker(), 'InvokeModel', [parseModel(id)]).allow, true, id)
  }
})

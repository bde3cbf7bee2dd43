import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Models, parseModel, UNNAMED } from '../../src/model/index.ts'

const ACCOUNT = 'arn:aws:bedrock:us-east-1:111122223333:'
const CLAUDE = 'anthropic.claude-sonnet-4-20250514-v1:0'

const KNOWN: readonly (readonly [id: string, name: string, geography: string | undefined, type?: string])[] = [
  [CLAUDE, CLAUDE, 'in-region'],
  ['anthropic.claude-sonnet-4-6', 'anthropic.claude-sonnet-4-6', 'in-region'],
  ['amazon.titan-text-lite-v1:0:4k', 'amazon.titan-text-lite-v1:0:4k', 'in-region'],
  // A dot in the name of a model makes no geography of its vendor.
  ['openai.gpt-5.6-luna', 'openai.gpt-5.6-luna', 'in-region'],
  ['zai.glm-4.7-flash', 'zai.glm-4.7-flash', 'in-region'],
  ...['us', 'us-gov', 'eu', 'apac', 'jp', 'au', 'ca', 'global'].map((geography) => [`${geography}.${CLAUDE}`, CLAUDE, geography, 'inference-profile'] as const),
  [`arn:aws:bedrock:us-east-1::foundation-model/${CLAUDE}`, CLAUDE, 'in-region'],
  [`arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/${CLAUDE}`, CLAUDE, 'in-region'],
  [`${ACCOUNT}inference-profile/eu.${CLAUDE}`, CLAUDE, 'eu', 'inference-profile'],
  [`${ACCOUNT}inference-profile/${CLAUDE}`, CLAUDE, undefined, 'inference-profile'],
  [`us.eu.${CLAUDE}`, `eu.${CLAUDE}`, undefined, 'inference-profile'],
]

for (const [id, name, geography, type = 'foundation-model'] of KNOWN) {
  test(`parseModel() knows the model, and where it runs, of ${id}`, () => {
    const model = parseModel(id)
    assert.deepEqual([model.id, model.type, model.names, model.geography], [id, type, [name], geography])
  })
}

test('parseModel() takes an ARN apart', () => {
  const { partition, region, account, type } = parseModel(`${ACCOUNT}application-inference-profile/abc123def456`)
  assert.deepEqual([partition, region, account, type], ['aws', 'us-east-1', '111122223333', 'application-inference-profile'])
})

const OPAQUE = [
  ...['application-inference-profile/abc123def456', 'provisioned-model/abc123def456', 'custom-model/anthropic.claude-3-haiku-20240307-v1:0:200k/abc123def456',
    'custom-model-deployment/abc123def456', 'imported-model/abc123def456', 'prompt/ABCDEFGHIJ:1', 'prompt-router/abc123def456', 'default-prompt-router/anthropic.claude:1',
    'something-new/anthropic.claude-v2'].map((resource) => ACCOUNT + resource),
  'arn:aws:sagemaker:us-east-1:111122223333:endpoint/anthropic.claude',
  // Nothing that AWS writes so.
  'abc123def456', '', ' ', CLAUDE.toUpperCase(), `Us.${CLAUDE}`, ` ${CLAUDE}`, `${CLAUDE} `, `${CLAUDE}\n`, CLAUDE.replace(':', '%3A'), `${CLAUDE}/x`, `${CLAUDE}:1:2`, `${CLAUDE.slice(0, -1)}x`,
  'anthropic/claude-sonnet-4', `arn:${CLAUDE}`, `ARN:aws:bedrock:us-east-1::foundation-model/${CLAUDE}`, `arn:aws:bedrock:us-east-1::foundation-model/${CLAUDE}/x`,
  `arn:aws:s3:us-east-1::foundation-model/${CLAUDE}`, `arn:aws:bedrock:us-east-1::foundation-model/../${CLAUDE}`, 'anthropic.clаude-v2', '..', 'a..b', '.a.b',
]

test('parseModel() takes for opaque what says nothing of its model, and what it cannot understand', () => {
  for (const id of OPAQUE) assert.deepEqual([parseModel(id).names, parseModel(id).geography, parseModel(id).id], [[], undefined, id], id)
  assert.deepEqual(UNNAMED.names, [])
})

test('parseModel() knows what is behind a profile that was looked up, and where it runs', () => {
  const id = `${ACCOUNT}application-inference-profile/abc123def456`
  const behind = (...arns: readonly string[]) => {
    const { names, geography, type } = parseModel(id, arns)
    return [type, names, geography]
  }
  const arn = (region: string, name = CLAUDE) => `arn:aws:bedrock:${region}::foundation-model/${name}`
  const type = 'application-inference-profile'
  for (const [regions, geography] of [
    [['eu-west-1'], 'in-region'], [['us-east-1', 'us-west-2'], 'us'], [['us-gov-west-1', 'us-gov-east-1'], 'us-gov'], [['eu-west-1', 'eu-north-1'], 'eu'],
    [['ap-south-1', 'ap-northeast-1'], 'apac'], [['ap-northeast-1', 'ap-northeast-3'], 'jp'], [['ap-southeast-2', 'ap-southeast-4'], 'au'],
    [['us-east-1', 'eu-west-1'], 'global'], [['us-east-1', ''], 'global'], [[''], 'global'],
  ] as const) assert.deepEqual(behind(...regions.map((region) => arn(region))), [type, [CLAUDE], geography])
  assert.deepEqual(behind(arn('us-east-1'), arn('us-east-1', 'amazon.nova-lite-v1:0')), [type, [CLAUDE, 'amazon.nova-lite-v1:0'], 'us'])
  assert.deepEqual(behind(arn('us-east-1'), `${ACCOUNT}imported-model/abc123def456`), [type, [], undefined])
  assert.deepEqual(behind(), [type, [], undefined])
  assert.deepEqual(parseModel('abc123def456', [arn('eu-west-1')]).names, [CLAUDE])
})

test('Models remember what they have taken apart, and forget it where there is news', () => {
  const models = new Models()
  const id = `${ACCOUNT}application-inference-profile/abc123def456`
  assert.equal(models.of(id), models.of(id))
  assert.deepEqual(models.of(id).names, [])
  models.learn(id, [`arn:aws:bedrock:us-east-1::foundation-model/${CLAUDE}`])
  assert.deepEqual(models.of(id).names, [CLAUDE])
})

test('Models keep no more than a thousand ids, but all that they have learnt', () => {
  const models = new Models()
  models.learn('abc123def456', [`arn:aws:bedrock:us-east-1::foundation-model/${CLAUDE}`])
  const first = models.of('x.0')
  for (let i = 1; i <= 1000; i++) models.of(`x.${i}`)
  assert.notStrictEqual(models.of('x.0'), first)
  assert.deepEqual(models.of('abc123def456').names, [CLAUDE])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Model, parseModel, UNNAMED } from '../../src/model/index.ts'
import type { Asker } from '../../src/asker/index.ts'
import type { RuleOptions } from '../../src/policy/index.ts'
import { asker, policy } from './kit.ts'

const HAIKU = parseModel('us.anthropic.claude-haiku-4-5-20251001-v1:0')
const OPUS = parseModel('us.anthropic.claude-opus-4-1-20250805-v1:0')
const OPAQUE = parseModel('arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123def456')

test('Policy allows everything while there is no rule, and nothing else once there is one, unless set', () => {
  const no: readonly RuleOptions[] = [{ users: ['nobody'], effect: 'allow' }]
  for (const [rules, byDefault, allow] of [[[], undefined, true], [[], 'deny', false], [no, undefined, false], [no, 'allow', true], [no, 'deny', false]] as const) {
    for (const models of [[HAIKU], [OPAQUE], []]) {
      assert.deepEqual(policy({ rules, default: byDefault }).decide(asker(), 'Converse', models), { allow, rule: 'default' })
    }
  }
})

test('Policy lets the first rule decide that applies', () => {
  const rules: readonly RuleOptions[] = [
    { groups: ['interns'], models: ['*opus*'], effect: 'deny' }, { operations: ['Converse'], models: ['anthropic.*'], effect: 'allow' },
    { users: ['ann'], effect: 'allow' }, { effect: 'deny' },
  ]
  const decided = (changes: Partial<Asker>, operation: string, models = [OPUS]) => policy({ rules, default: 'allow' }).decide(asker(changes), operation, models)
  assert.deepEqual(decided({ groups: ['staff', 'interns'] }, 'Converse'), { allow: false, rule: 'policy.rules[0]' })
  assert.deepEqual(decided({}, 'Converse'), { allow: true, rule: 'policy.rules[1]' })
  assert.deepEqual(decided({}, 'InvokeModel'), { allow: true, rule: 'policy.rules[2]' })
  assert.deepEqual(decided({ user: 'bob' }, 'InvokeModel'), { allow: false, rule: 'policy.rules[3]' })
})

test('Policy applies a rule only where each of its conditions holds, one value of each being enough', () => {
  const rule: RuleOptions = { users: ['ann', 'bob'], groups: ['a', 'b'], operations: ['Converse', 'InvokeModel'], models: ['x.y', 'anthropic.*'], geographies: ['eu', 'us'], effect: 'allow' }
  const allowed = (changes: Partial<Asker>, operation: string, model: string) => policy({ rules: [rule] }).decide(asker(changes), operation, [parseModel(model)]).allow
  assert.equal(allowed({ user: 'bob', groups: ['c', 'b'] }, 'InvokeModel', 'eu.anthropic.claude-v2'), true)
  assert.equal(allowed({ user: 'eve', groups: ['b'] }, 'InvokeModel', 'eu.anthropic.claude-v2'), false)
  assert.equal(allowed({ user: 'bob', groups: ['c'] }, 'InvokeModel', 'eu.anthropic.claude-v2'), false)
  assert.equal(allowed({ user: 'bob', groups: ['b'] }, 'StartAsyncInvoke', 'eu.anthropic.claude-v2'), false)
  assert.equal(allowed({ user: 'bob', groups: ['b'] }, 'InvokeModel', 'eu.amazon.nova-lite-v1:0'), false)
  assert.equal(allowed({ user: 'bob', groups: ['b'] }, 'InvokeModel', 'global.anthropic.claude-v2'), false)
  assert.equal(allowed({ user: 'bob', groups: ['b'] }, 'InvokeModel', 'anthropic.claude-v2'), false)
})

test('Policy keeps a geography out, or lets only one in', () => {
  const model = (id: string) => [parseModel(id)]
  const out = policy({ rules: [{ geographies: ['global', 'us'], effect: 'deny' }], default: 'allow' })
  const inside = policy({ rules: [{ geographies: ['eu', 'in-region'], effect: 'allow' }] })
  for (const [id, allow] of [['eu.x.y', true], ['x.y', true], ['us.x.y', false], ['global.x.y', false], ['arn:aws:bedrock:eu-west-1:1:inference-profile/us.x.y', false], ['us.eu.x.y', false], ['abc', false]] as const) {
    assert.equal(out.decide(asker(), 'Converse', model(id)).allow, allow, id)
    assert.equal(inside.decide(asker(), 'Converse', model(id)).allow, allow, id)
  }
})

test('Policy keeps opaque models from rules on models and geographies, unless they are named or looked up', () => {
  const { id } = OPAQUE
  const decided = (rule: RuleOptions, model = OPAQUE, byDefault: 'allow' | 'deny' = rule.effect === 'allow' ? 'deny' : 'allow') =>
    policy({ rules: [rule], default: byDefault }).decide(asker(), 'Converse', [model]).allow
  const knownAs = (name: string) => parseModel(id, [`arn:aws:bedrock:eu-west-1::foundation-model/${name}`])
  for (const condition of [{ models: ['*'] }, { models: ['anthropic.*'] }, { models: ['*opus*'] }, { geographies: ['eu', 'in-region'] }]) {
    for (const effect of ['allow', 'deny'] as const) assert.equal(decided({ ...condition, effect }), false, JSON.stringify(condition))
    for (const effect of ['allow', 'deny'] as const) assert.equal(decided({ ...condition, effect }, UNNAMED), false, JSON.stringify(condition))
  }
  for (const named of [id, 'arn:aws:bedrock:*:111122223333:application-inference-profile/*']) {
    assert.equal(decided({ models: [named], effect: 'allow' }), true)
    assert.equal(decided({ models: [named], effect: 'deny' }), false)
  }
  assert.equal(decided({ models: [id.replace('abc', 'abd')], effect: 'deny' }), true)
  assert.equal(decided({ models: [id], geographies: ['eu'], effect: 'allow' }), false)
  assert.equal(decided({ models: ['*opus*'], effect: 'deny' }, knownAs('anthropic.claude-opus-4-1')), false)
  assert.equal(decided({ models: ['*opus*'], effect: 'deny' }, knownAs('anthropic.claude-haiku-4-5')), true)
  assert.equal(decided({ models: ['*haiku*'], geographies: ['in-region'], effect: 'allow' }, knownAs('anthropic.claude-haiku-4-5')), true)
  assert.equal(decided({ users: ['ann'], effect: 'allow' }), true)
})

test('Policy decides an operation without a model by the rules without models', () => {
  const rules: readonly RuleOptions[] = [{ models: ['*'], effect: 'deny' }, { geographies: ['us'], effect: 'deny' }, { operations: ['ListFoundationModels'], effect: 'allow' }]
  assert.deepEqual(policy({ rules }).decide(asker(), 'ListFoundationModels', []), { allow: true, rule: 'policy.rules[2]' })
})

test('Policy allows several models only where it allows each of them', () => {
  const decide = (models: readonly Model[]) => policy({ rules: [{ models: ['*haiku*'], effect: 'allow' }] }).decide(asker(), 'Converse', models)
  assert.deepEqual(decide([HAIKU, HAIKU]), { allow: true, rule: 'policy.rules[0]' })
  assert.deepEqual(decide([HAIKU, OPUS]), { allow: false, rule: 'default' })
})

test('Policy tells users and groups of different issuers apart', () => {
  const issuers = ['https://a', 'https://b']
  const rules: readonly RuleOptions[] = [{ users: ['https://a|auth0|ann'], effect: 'allow' }, { groups: ['https://b|admins', 'everywhere'], effect: 'allow' }]
  const allowed = (changes: Partial<Asker>) => policy({ rules }, issuers).decide(asker({ groups: [], ...changes }), 'Converse', [HAIKU]).allow
  assert.equal(allowed({ issuer: 'https://a', user: 'auth0|ann' }), true)
  assert.equal(allowed({ issuer: 'https://b', user: 'auth0|ann' }), false)
  assert.equal(allowed({ issuer: 'https://b', user: 'https://a|auth0|ann' }), false)
  assert.equal(allowed({ issuer: 'https://b', groups: ['admins'] }), true)
  assert.equal(allowed({ issuer: 'https://a', groups: ['admins'] }), false)
  assert.equal(allowed({ issuer: 'https://a', groups: ['https://b|admins'] }), false)
  assert.equal(allowed({ issuer: 'https://a', groups: ['everywhere'] }), true)
})

test('Policy takes a bare user for the one of the only issuer, whatever stands in the name', () => {
  for (const issuers of [[undefined], ['https://a']]) {
    const { allow } = policy({ rules: [{ users: ['auth0|ann'], effect: 'allow' }] }, issuers).decide(asker({ issuer: 'https://a', user: 'auth0|ann' }), 'Converse', [HAIKU])
    assert.equal(allow, true)
  }
})

test('Policy refuses a bare user where there are several issuers, and operations that do not exist', () => {
  const good: RuleOptions = { users: ['https://a|ann'], operations: ['Converse'], effect: 'deny' }
  assert.throws(() => policy({ rules: [good, { ...good, users: ['https://a|ann', 'ann'] }] }, ['https://a', 'https://b']),
    { name: 'PolicyError', code: 'POLICY_AMBIGUOUS_USER', message: 'policy.rules[1]: with several issuers a user is written issuer|user' })
  assert.throws(() => policy({ rules: [{ ...good, operations: ['converse'] }] }),
    { name: 'PolicyError', code: 'POLICY_UNKNOWN_OPERATION', message: 'policy.rules[0]: there is no such operation' })
})

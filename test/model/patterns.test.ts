import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ModelPatterns, parseModel } from '../../src/model/index.ts'

const CLAUDE = 'anthropic.claude-sonnet-4-20250514-v1:0'
const PROFILE = 'arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123def456'
const PROMPT = 'arn:aws:bedrock:us-east-1:111122223333:prompt/ABCDEFGHIJ'

const names = (pattern: string, id: string) => new ModelPatterns([pattern]).name(parseModel(id))
const mayName = (pattern: string, id: string) => new ModelPatterns([pattern]).mayName(parseModel(id))

const ROWS: readonly (readonly [pattern: string, yes: readonly string[], no: readonly string[]])[] = [
  [CLAUDE, [CLAUDE, `us.${CLAUDE}`, `arn:aws:bedrock:eu-west-1::foundation-model/${CLAUDE}`, `${CLAUDE}:200k`, CLAUDE.slice(0, -2)], ['anthropic.claude-sonnet-4-6', CLAUDE.replace(':0', ':1'), PROFILE, '']],
  ['anthropic.claude-*', [CLAUDE, `global.${CLAUDE}`, `arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.${CLAUDE}`], ['amazon.nova-lite-v1:0', `xanthropic.${CLAUDE}`, PROFILE]],
  [`eu.${CLAUDE}`, [`eu.${CLAUDE}`, `arn:aws:bedrock:eu-west-1:1:inference-profile/eu.${CLAUDE}`], [CLAUDE, `us.${CLAUDE}`]],
  [`arn:aws:bedrock:*::foundation-model/${CLAUDE}`, [CLAUDE, `us.${CLAUDE}`, `arn:aws:bedrock:eu-west-1::foundation-model/${CLAUDE}`], [PROFILE]],
  [`arn:aws:bedrock:us-east-1:1:inference-profile/us.${CLAUDE}`, [`us.${CLAUDE}`], [CLAUDE, `eu.${CLAUDE}`]],
  ['amazon.titan-text-lite-v1', ['amazon.titan-text-lite-v1', 'amazon.titan-text-lite-v1:0', 'amazon.titan-text-lite-v1:0:4k'], ['amazon.titan-text-lite-v10']],
  ['amazon.titan-text-lite-v1:0:4k', ['amazon.titan-text-lite-v1:0:4k'], ['amazon.titan-text-lite-v1:0', 'amazon.titan-text-lite-v1:0:8k']],
  ['*', [CLAUDE, `us.${CLAUDE}`], [PROFILE, PROMPT, 'abc123def456', CLAUDE.toUpperCase(), '']],
  ['*opus*', ['anthropic.claude-3-opus-20240229-v1:0', 'us.anthropic.claude-opus-4-1'], [CLAUDE, 'arn:aws:bedrock:us-east-1:1:imported-model/opus']],
  ['a*b*c*', ['a.b-c', 'a.xbxcx'], ['a.c-b']],
  ['a.*aa', ['a.aa', 'a.aaa'], ['a.a', 'a.aab']],
  [PROFILE, [PROFILE], [PROFILE.replace('abc', 'abd'), CLAUDE, 'abc123def456']],
  ['arn:aws:bedrock:*:111122223333:application-inference-profile/*', [PROFILE], [PROMPT, CLAUDE]],
  [PROMPT, [PROMPT, `${PROMPT}:3`], [PROMPT.toLowerCase(), `${PROMPT}K`]],
  ['abc123def456', ['abc123def456'], [PROFILE]],
]

for (const [pattern, yes, no] of ROWS) {
  test(`ModelPatterns: what ${pattern} names`, () => {
    assert.deepEqual(yes.filter((id) => !names(pattern, id)), [])
    assert.deepEqual(yes.filter((id) => !mayName(pattern, id)), [])
    assert.deepEqual(no.filter((id) => names(pattern, id)), [])
  })
}

const MAY: readonly (readonly [pattern: string, yes: readonly string[], no: readonly string[]])[] = [
  // Bedrock Mantle leaves out versions, and dates.
  ['openai.gpt-oss-120b-1:0', ['openai.gpt-oss-120b', 'openai.gpt-oss-120b-1', 'us.openai.gpt-oss-120b'], ['openai.gpt-oss-20b']],
  ['openai.gpt-oss-120b', ['openai.gpt-oss-120b-1:0'], ['openai.gpt-oss-20b-1:0']],
  [CLAUDE, ['anthropic.claude-sonnet-4', 'anthropic.claude-sonnet-4-20250514'], ['anthropic.claude-sonnet-4-6', 'anthropic.claude-sonnet-4-20260101-v1:0', 'anthropic.claude-opus-4-20250514-v1:0']],
  ['anthropic.claude-sonnet-4-6', ['anthropic.claude-sonnet-4-6'], ['anthropic.claude-sonnet-4', CLAUDE]],
  ['anthropic.claude-*-v1:0', [CLAUDE], ['anthropic.claude-3-5-sonnet-20241022-v2:0', 'anthropic.claude-sonnet-4-6']],
  // Geographies that are not there yet, or that AWS does not have.
  [CLAUDE, [`sa.${CLAUDE}`, `moon.${CLAUDE}`, `us.us.${CLAUDE}`, `us.eu.${CLAUDE}`], []],
  ['anthropic.*', [PROFILE, PROMPT, 'abc123def456', CLAUDE.toUpperCase(), ''], ['amazon.nova-lite-v1:0']],
  // What an ARN names can be asked for by its id.
  [PROFILE, ['abc123def456', 'abd', PROFILE.toUpperCase()], [PROFILE.replace('abc', 'abd'), CLAUDE]],
]

for (const [pattern, yes, no] of MAY) {
  test(`ModelPatterns: what ${pattern} may name`, () => {
    assert.deepEqual(yes.filter((id) => !mayName(pattern, id)), [])
    assert.deepEqual(no.filter((id) => mayName(pattern, id)), [])
  })
}

test('ModelPatterns name a profile that was looked up by its ARN, or when all that is behind it is named', () => {
  const [a, b] = ['anthropic.claude-sonnet-4-6', 'amazon.nova-lite-v1:0']
  const model = parseModel(PROFILE, [a, b].map((name) => `arn:aws:bedrock:us-east-1::foundation-model/${name}`))
  for (const [patterns, all, any] of [[[a], false, true], [[a, b], true, true], [['*'], true, true], [[PROFILE], true, true], [['meta.*'], false, false]] as const) {
    assert.deepEqual([new ModelPatterns(patterns).name(model), new ModelPatterns(patterns).mayName(model)], [all, any], String(patterns))
  }
})

test('ModelPatterns look at each character once, whatever the pattern', () => {
  const id = `a.${'a'.repeat(2000)}`
  assert.equal(names(`${'*a'.repeat(500)}*b`, id), false)
  assert.equal(names(`${'*a'.repeat(500)}*`, id), true)
})

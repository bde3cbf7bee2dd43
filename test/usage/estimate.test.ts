import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memberNames, MemberScanner } from '../../src/json/index.ts'
import { estimateTokens, LENGTH_MEMBERS } from '../../src/usage/index.ts'

function estimate(body: string) {
  const scanner = new MemberScanner(memberNames(LENGTH_MEMBERS))
  scanner.push(Buffer.from(body))
  return estimateTokens(Buffer.byteLength(body), scanner.end(), 1000)
}

const LONG: readonly (readonly [body: string, output: number])[] = [
  ['{"max_tokens":77}', 77], ['{"max_completion_tokens":77}', 77], ['{"max_output_tokens":77}', 77], ['{"max_tokens_to_sample":77}', 77], ['{"max_gen_len":77}', 77],
  ['{"maxTokens":77}', 77], ['{"inferenceConfig":{"temperature":1,"maxTokens":77}}', 77], ['{"textGenerationConfig":{"maxTokenCount":77}}', 77],
  ['{"max_tokens":5,"max_completion_tokens":77}', 77], ['{"max_tokens":77,"max_tokens":5}', 77], ['{"max_tokens":0}', 0],
  ...['{}', '', '[', '{"messages":[{"max_tokens":5}]}', '{"max_tokens":-1}', '{"max_tokens":1.5}', '{"max_tokens":1e12}', '{"max_tokens":"5"}', '{"inferenceConfig":null}', '{"inferenceConfig":{}}']
    .map((body) => [body, 1000] as const),
]

for (const [body, output] of LONG) {
  test(`estimateTokens() takes four bytes of a body for a token, and its limit for the answer: ${body}`, () => {
    assert.deepEqual(estimate(body), { input: Math.ceil(body.length / 4), output })
  })
}

test('estimateTokens() reserves what it was told to where nobody looked into the body', () => {
  assert.deepEqual(estimateTokens(10, undefined, 500), { input: 3, output: 500 })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memberNames, MemberScanner } from '../../src/json/index.ts'
import { Models, UNNAMED } from '../../src/model/index.ts'
import { modelIn } from '../../src/policy/index.ts'
import { cuttings } from '../kit/pieces.ts'

const NAME = 'anthropic.claude-sonnet-4-6'

function model(text: string, name: 'model' | 'modelId' = 'model') {
  const found = [...cuttings(Buffer.from(text))].map(([, chunks]) => {
    const scanner = new MemberScanner(memberNames(['model', 'modelId']))
    for (const chunk of chunks) scanner.push(chunk)
    return modelIn(scanner.end(), name, new Models())
  })
  for (const one of found) assert.deepEqual(one, found[0])
  return found[0]!
}

test('modelIn() finds the model of a body, wherever it stands', () => {
  assert.deepEqual(model(`{"messages":[{"model":"x.y"}],"model":"us.${NAME}"}`).names, [NAME])
  assert.deepEqual(model(`{"mod\\u0065l":"us.anthropic.claude\\u002dsonnet-4-6"}`).names, [NAME])
  assert.deepEqual(model(`{"modelId":"${NAME}","modelInput":{"model":"x.y"}}`, 'modelId').names, [NAME])
})

test('modelIn() takes a model that it cannot read for one that may be any', () => {
  for (const text of ['', '{}', '[]', '{"model":null}', '{"model":["x.y"]}', '{"model":"x.y"', `{"model":"${'x'.repeat(70_000)}"}`]) assert.deepEqual(model(text), UNNAMED, text.slice(0, 20))
})

test('modelIn() refuses a model that stands there twice, however it is spelt', () => {
  for (const text of ['{"model":"a.b","model":"c.d"}', '{"model":"a.b","x":{},"\\u006dodel":"a.b"}', '{"model":"a.b","Model":null}']) {
    assert.throws(() => model(text), { name: 'PolicyError', code: 'POLICY_DUPLICATE_MODEL' })
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseModel } from '../../src/model/index.ts'
import { Prices } from '../../src/usage/index.ts'
import { seeded } from '../kit/pieces.ts'

const prices = new Prices([
  { models: ['eu.anthropic.claude-sonnet-*'], input: 3.3, output: 16.5, cache_read: 0.33, cache_write: 4.125 },
  { models: ['anthropic.claude-*'], input: 3, output: 15, cache_read: 0.3, cache_write: 3.75 },
  { models: ['amazon.nova-micro-v1:0'], input: 0.035, output: 0.14, cache_read: 0.00875 },
  { models: ['arn:aws:bedrock:*:*:imported-model/*'], input: 0, output: 0 },
])
const cost = (id: string, input: number, output: number, cacheRead = 0, cacheWrite = 0) => prices.microUsd(parseModel(id), { input, output, cacheRead, cacheWrite })

test('Prices: the first row that names the model counts, in whole millionths of a dollar', () => {
  const million = 1_000_000
  assert.equal(cost('us.anthropic.claude-sonnet-4-6', million, million, million, million), 22_050_000)
  assert.equal(cost('eu.anthropic.claude-sonnet-4-6', million, million, million, million), 24_255_000)
  assert.equal(cost('arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-v2', 10, 1), 45)
  assert.equal(cost('amazon.nova-micro-v1:0', 1000, 1000, 8000), 35 + 140 + 70)
  assert.equal(cost('arn:aws:bedrock:us-east-1:1:imported-model/abc', 5, 5), 0)
})

test('Prices: without prices for the cache those of input count', () => {
  assert.equal(cost('amazon.nova-micro-v1:0', 0, 0, 0, 1_000_000), 35_000)
})

test('Prices: what a call costs is rounded up once', () => {
  assert.equal(cost('amazon.nova-micro-v1:0', 1, 0), 1)
  assert.equal(cost('amazon.nova-micro-v1:0', 28, 0, 1), 1)
  assert.equal(cost('amazon.nova-micro-v1:0', 28, 0, 3), 2)
  assert.equal(cost('amazon.nova-micro-v1:0', 0, 0), 0)
})

test('Prices: a model in no row has no known cost, and an opaque one only where it is named', () => {
  for (const id of ['meta.llama3-8b-instruct-v1:0', 'arn:aws:bedrock:us-east-1:1:application-inference-profile/abc', '']) assert.equal(cost(id, 1, 1), undefined, id)
})

test('Prices: no sum of costs drifts, whatever the price', () => {
  const random = seeded(3)
  for (let round = 0; round < 500; round++) {
    const [digits, input] = [random(1e9), random(1e7)]
    const exact = new Prices([{ models: ['x.y'], input: digits / 1e6, output: 0 }]).microUsd(parseModel('x.y'), { input, output: 0, cacheRead: 0, cacheWrite: 0 })
    const wanted = (BigInt(digits) * BigInt(input) + 999_999n) / 1_000_000n
    assert.equal(exact, Number(wanted), `${digits} × ${input}`)
  }
})

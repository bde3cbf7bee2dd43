import assert from 'node:assert/strict'
import { format, inspect } from 'node:util'
import { test } from 'node:test'
import { Secret } from '../../src/secret/index.ts'

const secret = new Secret('canary-7')

test('Secret gives itself away only by reveal()', () => {
  assert.equal(secret.reveal(), 'canary-7')
})

for (const [how, text] of [
  ['String()', String(secret)],
  ['a template', `${secret}`],
  ['concatenation', 'x' + secret],
  ['join()', [secret, secret].join()],
  ['JSON.stringify()', JSON.stringify({ secret, list: [secret] })],
  ['inspect()', inspect({ secret })],
  ['inspect() of all there is', inspect(secret, { showHidden: true, depth: 9, getters: true })],
  ['%s', format('%s', secret)],
  ['%o', format('%o', secret)],
  ['%O', format('%O', secret)],
  ['%j', format('%j', secret)],
  ['an error', inspect(new Error(`bad ${secret}`, { cause: secret }))],
] as const) {
  test(`Secret prints as [secret] in ${how}`, () => {
    assert.match(text, /\[secret\]/)
    assert.doesNotMatch(text, /canary/)
  })
}

test('Secret shows nothing to an inspection that passes its own words by', () => {
  assert.equal(inspect(secret, { customInspect: false, showHidden: true }), 'Secret {}')
})

test('Secret has no state to enumerate, spread, clone or change', () => {
  assert.deepEqual(Reflect.ownKeys(secret), [])
  assert.deepEqual({ ...secret }, {})
  assert.deepEqual(structuredClone(secret), {})
  assert.throws(() => Object.assign(secret, { toString: () => 'x' }), TypeError)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatProblem } from '../../src/config/index.ts'
import { describe, suggest } from '../../src/config/problem.ts'

test('formatProblem() names place, line, key, what is expected and what was found, as far as they are known', () => {
  assert.equal(formatProblem({ where: 'f', line: 3, key: 'a.b', expected: 'x', found: 'y' }), 'f:3: a.b: expected x, found y')
  assert.equal(formatProblem({ where: 'V', expected: 'x' }), 'V: expected x')
})

test('formatProblem() lets no key or value forge a line, hide one or command a terminal', () => {
  const key = 'a\nb\u001b[2J\u009b\u202e\u2028\ud800é'
  assert.equal(formatProblem({ where: 'f', key, expected: 'x' }), 'f: a\\u{a}b\\u{1b}[2J\\u{9b}\\u{202e}\\u{2028}\\u{d800}é: expected x')
})

test('describe() shows plain values, shortened, and of all others the type', () => {
  const rows = [
    ['x', '"x"'], [1, '1'], [true, 'true'], [null, 'nothing'], ['', 'nothing'], [['a'], '["a"]'], [10n ** 18n, '1000000000000000000'],
    [{ a: 'b' }, 'a mapping'], [[{ a: 'b' }], 'a list'], [new Date(0), 'a value of another type'],
  ] as const
  for (const [value, words] of rows) assert.equal(describe(value), words)
  assert.equal(describe('x'.repeat(99)), `"${'x'.repeat(59)}…`)
})

test('describe() of what may be a secret shows the type only', () => {
  const rows = [['x', 'other text'], [1, 'a number'], [true, 'a boolean'], [null, 'nothing'], ['', 'nothing'], [{ a: 'b' }, 'a mapping'], [['a'], 'a list']] as const
  for (const [value, words] of rows) assert.equal(describe(value, true), words)
})

test('suggest() names the nearest word, or nothing where none is near', () => {
  const known = ['port', 'host', 'base_path', 'secret', 'secret_file', 'tls']
  for (const [word, near] of [
    ['prot', 'port'], ['prt', 'port'], ['ports', 'port'], ['PORT', 'port'], ['posrt', 'port'], ['basepath', 'base_path'], ['secret_flie', 'secret_file'],
    ['tsl', 'tls'], ['xyz', undefined], ['', undefined], ['t', undefined], ['p'.repeat(9999), undefined],
  ] as const) {
    assert.equal(suggest(word, known), near === undefined ? '' : `; did you mean ${near}?`, word)
  }
})

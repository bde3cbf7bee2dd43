import assert from 'node:assert/strict'
import { test } from 'node:test'
import { belowBase, decodeLabel, HttpError, type HttpErrorCode, parseQuery, parseTarget } from '../../src/http/index.ts'

const refusal = (code: HttpErrorCode) => (error: unknown) => error instanceof HttpError && error.code === code

test('parseTarget() takes path and query apart as they are spelt', () => {
  assert.deepEqual(parseTarget('/model/a%3A0/invoke?x=%20&y'), { path: '/model/a%3A0/invoke', query: 'x=%20&y' })
  assert.deepEqual(parseTarget('/'), { path: '/', query: undefined })
  assert.deepEqual(parseTarget('/a?b?c'), { path: '/a', query: 'b?c' })
})

test('parseTarget() refuses whatever is not an origin-form path of visible ASCII', () => {
  const targets = ['', '*', 'http://evil.example/x', 'https://169.254.169.254/', '//evil.example/x', 'model/x', '/a#b', '/a\\b', '/a b', '/a\tb', '/a\x00', '/a\xe9', `/${'a'.repeat(9000)}`]
  for (const target of targets) assert.throws(() => parseTarget(target), refusal('HTTP_BAD_TARGET'), JSON.stringify(target))
})

test('belowBase() gives what stands below the prefix, and nothing for its neighbours', () => {
  const paths = ['/ai/model/x', '/ai/', '/ai', '/aid/model/x', '/model/x', '/AI/x']
  assert.deepEqual(paths.map((path) => belowBase(path, '/ai')), ['/model/x', '/', undefined, undefined, undefined, undefined])
  assert.deepEqual(['/model/x', '*'].map((path) => belowBase(path, '')), ['/model/x', undefined])
})

test('decodeLabel() decodes once, whatever the spelling', () => {
  for (const raw of ['a.b-v1:0', 'a.b-v1%3A0', 'a.b-v1%3a0', '%61.b-v1:0']) assert.equal(decodeLabel(raw), 'a.b-v1:0')
  assert.equal(decodeLabel('arn:aws:bedrock:us-east-1:1:application-inference-profile%2Fabc'), 'arn:aws:bedrock:us-east-1:1:application-inference-profile/abc')
  assert.equal(decodeLabel('m%C3%A9'), 'mé')
})

test('decodeLabel() refuses what a second parser could read in another way', () => {
  const labels = [
    'a%253A0', '%', '%z1', 'a%', '%ff', '%c0%ae%c0%ae', 'a%00', 'a%0d%0ab', 'a%7f', 'a%5cb', 'a\\b', 'a%3fb', 'a%23b', '..', '.', '%2e%2e', '.%2e',
    'a%2f..%2fb', 'a/../b', 'a//b', '/a', 'a/', 'a%2f', 'a%2f%2fb', 'a/./b', '%c2%85',
  ]
  for (const label of labels) assert.throws(() => decodeLabel(label), refusal('HTTP_BAD_LABEL'), label)
})

test('decodeLabel() takes labels of up to 2,048 characters', () => {
  assert.equal(decodeLabel('%61'.repeat(2048)), 'a'.repeat(2048))
  assert.throws(() => decodeLabel('a'.repeat(2049)), refusal('HTTP_BAD_LABEL'))
})

test('parseQuery() decodes pairs in their order, and keeps a plus as a plus', () => {
  assert.deepEqual(parseQuery('b=1&a=%20%2B+&c&=d&&e=f=g'), [['b', '1'], ['a', ' ++'], ['c', ''], ['', 'd'], ['e', 'f=g']])
  assert.deepEqual(parseQuery(undefined), [])
  assert.deepEqual(parseQuery(''), [])
})

test('parseQuery() refuses broken percent-encoding', () => {
  for (const query of ['a=%', '%zz=1', 'a=%ff']) assert.throws(() => parseQuery(query), refusal('HTTP_BAD_QUERY'), query)
})

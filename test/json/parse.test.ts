import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JsonError, parseJson, parseJsonWithLines } from '../../src/json/index.ts'
import type { JsonErrorCode } from '../../src/json/index.ts'

const refuses = (source: string | Uint8Array, code: JsonErrorCode, line: number, column: number) =>
  assert.throws(() => parseJson(source), (error) => {
    assert.ok(error instanceof JsonError)
    assert.deepEqual([error.code, error.line, error.column], [code, line, column])
    return true
  })

test('parseJson() reads what JSON.parse reads', () => {
  const texts = ['null', ' [ ] ', '{}', '-0', '1e2', '0.5E-3', '"\\u00e9\\ud83d\\ude00\\/"', '{"a":{"b":[1,true,null,"x"]},"":false}', '"\u2028\u007f"']
  for (const text of texts) {
    assert.deepStrictEqual(parseJson(text), JSON.parse(text), text)
    assert.deepStrictEqual(parseJson(Buffer.from(text)), JSON.parse(text), text)
  }
})

test('parseJson() names each fault and its place', () => {
  refuses('', 'JSON_SYNTAX', 1, 1)
  refuses('{"a":1,\n "b" 2}', 'JSON_SYNTAX', 2, 6)
  refuses('{"a":1,}', 'JSON_SYNTAX', 1, 8)
  refuses('[1,\n\n  2\n  3]', 'JSON_SYNTAX', 4, 3)
  refuses('{}\n{}', 'JSON_SYNTAX', 2, 1)
  refuses('["a\nb"]', 'JSON_SYNTAX', 1, 4)
  refuses('["ab', 'JSON_SYNTAX', 1, 2)
  refuses('["\\x"]', 'JSON_SYNTAX', 1, 2)
  refuses('{"sub":"a",\r\n"\\u0073ub":"b"}', 'JSON_DUPLICATE_NAME', 2, 1)
  refuses('{"a":{"b":1,"b":2}}', 'JSON_DUPLICATE_NAME', 1, 13)
  refuses('{"__proto__":1,"__proto__":2}', 'JSON_DUPLICATE_NAME', 1, 16)
  refuses('\ufeff{}', 'JSON_BOM', 1, 1)
  refuses(Buffer.from('\ufeff{}'), 'JSON_BOM', 1, 1)
  refuses('["\ud800"]', 'JSON_LONE_SURROGATE', 1, 3)
  refuses('["\\ud800"]', 'JSON_LONE_SURROGATE', 1, 2)
  refuses('["\\ud800\udc00"]', 'JSON_LONE_SURROGATE', 1, 9)
  refuses('{"\\udc00":1}', 'JSON_LONE_SURROGATE', 1, 2)
  refuses(Buffer.from([0x5b, 0x0a, 0x22, 0xff, 0x22, 0x5d]), 'JSON_NOT_UTF8', 2, 2)
  refuses(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), 'JSON_NOT_UTF8', 1, 2)
  refuses('[1, 1e400]', 'JSON_NUMBER_TOO_LARGE', 1, 5)
})

test('parseJson() takes "__proto__" for a name like any other', () => {
  const value = parseJson('{"__proto__":{"admin":true},"constructor":1}') as Record<string, unknown>
  assert.deepEqual(Object.keys(value), ['__proto__', 'constructor'])
  assert.equal(Object.getPrototypeOf(value), Object.prototype)
  assert.equal(value.admin, undefined)
})

test('parseJson() nests as deep as it is told and no deeper', () => {
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
  assert.doesNotThrow(() => parseJson(nested(64)))
  refuses(nested(65), 'JSON_TOO_DEEP', 1, 65)
  assert.doesNotThrow(() => parseJson('{"a":[1]}', { maxDepth: 2 }))
  assert.throws(() => parseJson('{"a":[[]]}', { maxDepth: 2 }), { code: 'JSON_TOO_DEEP' })
  assert.throws(() => parseJson('['.repeat(1_000_000)), { code: 'JSON_TOO_DEEP' })
})

test('parseJson() throws a TypeError for what is no text', () => {
  for (const source of [undefined, null, 1, {}, [], new ArrayBuffer(2)]) {
    assert.throws(() => parseJson(source as never), TypeError)
    assert.throws(() => parseJsonWithLines(source as never), TypeError)
  }
})

test('parseJson() says nothing of the text in its messages', () => {
  for (const source of ['{"hunter2":1,"hunter2":1}', '["hunter2\u0000"]', '[hunter2]', '"hunter2"hunter2', '["hunter2\\q"]']) {
    assert.throws(() => parseJson(source), (error: Error) => !error.message.includes('hunter2'))
  }
})

test('parseJson() refuses every cut of a text, and never with another error', () => {
  const text = '{"a":[1.5e3,true,null,"\\u00e9\\n"],"b":{"c":{}}}'
  for (let cut = 0; cut < text.length; cut++) assert.throws(() => parseJson(text.slice(0, cut)), JsonError, text.slice(0, cut))
})

test('parseJson() agrees with JSON.parse on mutated texts, or refuses', () => {
  const seeds = ['{"a":[1,2,{"b":"\\u0041\\"c"}],"d":-1.5e+2}', '[true,false,null,"",{}]', '{"x":{"y":{"z":[[[]]]}}}']
  const alphabet = '{}[]",:\\u0019eE+-. \n\tntf"'
  let state = 1
  const random = (below: number) => (state = (state * 48271) % 0x7fffffff) % below
  for (let round = 0; round < 30_000; round++) {
    const chars = [...(seeds[random(seeds.length)] as string)]
    for (let n = random(3) + 1; n > 0; n--) chars.splice(random(chars.length), random(2), alphabet[random(alphabet.length)] as string)
    const text = chars.join('')
    let ours: unknown
    try {
      ours = parseJson(text)
    } catch (error) {
      assert.ok(error instanceof JsonError, text)
      if (error.code === 'JSON_SYNTAX') assert.throws(() => JSON.parse(text), SyntaxError, text)
      continue
    }
    assert.deepStrictEqual(ours, JSON.parse(text), text)
  }
})

test('parseJsonWithLines() knows the line of each member', () => {
  const text = '\n{\n  "server": {\n    "port":\n      3000\n  },\n  "rules": [\n    {"users": ["a",\n      "b"]},\n    2\n  ],\n  "a/b": 1\n}'
  const { value, lineOf } = parseJsonWithLines(text)
  assert.deepStrictEqual(value, JSON.parse(text))
  const lines: [string[], number | undefined][] = [
    [[], 2], [['server'], 3], [['server', 'port'], 4], [['rules'], 7], [['rules', '0'], 8], [['rules', '0', 'users', '1'], 9],
    [['rules', '1'], 10], [['a/b'], 12], [['rules', '2'], undefined], [['nothing'], undefined], [['a', 'b'], undefined],
  ]
  for (const [path, line] of lines) assert.equal(lineOf(path), line, path.join('.'))
})

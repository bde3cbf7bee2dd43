import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { memberNames, MemberScanner } from '../../src/json/index.ts'
import { type Chunks, cuttings, pieces, seeded } from '../kit/pieces.ts'
import { conformance } from '../kit/vectors.ts'

const NAMES = memberNames(['model', 'modelId', 'max_tokens', 'inferenceConfig'])

function scan(chunks: Chunks): Record<string, readonly unknown[]> | undefined {
  const scanner = new MemberScanner(NAMES)
  for (const chunk of chunks) scanner.push(chunk)
  const found = scanner.end()
  return found && Object.fromEntries(found)
}

const FOUND: readonly [name: string, text: string, found: Record<string, readonly unknown[]>][] = [
  ['nothing', '{}', {}],
  ['nothing that was looked for', ' {"a":1,"b":[{"model":"x"}],"c":"\\"model\\":\\"y\\"","d":{"model":"z"}} \n', {}],
  ['a string', '{"model":"anthropic.claude"}', { model: ['anthropic.claude'] }],
  ['with space everywhere', '\t{ "model"\n:\r " a " , "max_tokens" : 12 } ', { model: [' a '], max_tokens: [12] }],
  ['behind escapes of every kind', '{"s":"\\\\\\"\\\\","t":"\\u0022","model":"m"}', { model: ['m'] }],
  ['behind a long string that ends in backslashes', `{"s":"${'x'.repeat(100)}${'\\'.repeat(64)}","model":"m"}`, { model: ['m'] }],
  ['behind a long string with escaped quotes', `{"s":"${'\\"'.repeat(200)}","model":"m"}`, { model: ['m'] }],
  ['behind long strings with escaped quotes, below', `{"s":[{"t":"${'x'.repeat(70)}\\""},"${'y'.repeat(64)}\\"]}\\""],"model":"m"}`, { model: ['m'] }],
  ['with an escaped name', '{"\\u006dodel":"m"}', { model: ['m'] }],
  ['twice', '{"model":"a","x":{},"model":"b"}', { model: ['a', 'b'] }],
  ['twice, once escaped', '{"model":"a","mod\\u0065l":"b"}', { model: ['a', 'b'] }],
  ['twice, in another case', '{"model":"a","MODEL":"b"}', { model: ['a', 'b'] }],
  ['behind names of its length and letter', '{"medal":1,"Mixed":2,"":3,"mode":4,"model":"m"}', { model: ['m'] }],
  ['with a letter that is another in lower case', '{"max_to\u212aens":1,"MAX_TOKENS":2}', { max_tokens: [1, 2] }],
  ['no string', '{"model":null,"modelId":{"a":["}"]},"max_tokens":-1.5e3}', { model: [null], modelId: [{ a: ['}'] }], max_tokens: [-1500] }],
  ['an object', '{"inferenceConfig":{"maxTokens":7,"stop":["]","{"]}}', { inferenceConfig: [{ maxTokens: 7, stop: [']', '{'] }] }],
  ['beyond ASCII', '{"ü":"é","model":"mødel 🌍"}', { model: ['mødel 🌍'] }],
  ['too long to be kept', `{"model":"${'x'.repeat(70_000)}","max_tokens":1}`, { model: [undefined], max_tokens: [1] }],
  ['behind a name too long to be kept', `{"${'model'.repeat(100)}":1,"model":"m"}`, { model: ['m'] }],
]

for (const [name, text, found] of FOUND) {
  test(`MemberScanner finds members: ${name}`, () => {
    for (const [cut, chunks] of cuttings(Buffer.from(text))) assert.deepStrictEqual(scan(chunks), found, cut)
  })
}

const REFUSED: readonly (readonly [name: string, text: string | Buffer])[] = [
  ['nothing at all', ''], ['no object', '["model"]'], ['a string', '"model"'], ['no end', '{"model":"a"'], ['no end of a string', '{"model":"a}'],
  ['two objects', '{"model":"a"}{"model":"b"}'], ['something behind it', '{"model":"a"} x'], ['a comma too many', '{"model":"a",}'], ['no value', '{"model":}'],
  ['no colon', '{"model" "a"}'], ['two values', '{"model":"a" "b"}'], ['a value of no kind', '{"model":nul}'], ['an escape of no kind', '{"m\\xodel":"a"}'],
  // A reader that is lenient with these would see other members than we do.
  ['a comment', '{/*"*/"model":"a"}'], ['a comment below', '{"x":[/*"*/],"model":"a"}'], ['a line comment', '{"x":[//"\n1],"model":"a"}'],
  ['single quotes', "{'x':'\"','model':'a'}"], ['single quotes below', `{"x":['"'],"model":"a"}`], ['a name without quotes', '{model:"a"}'],
  ['a byte order mark', '\ufeff{"model":"a"}'], ['UTF-16', Buffer.from('{"model":"a"}', 'utf16le')], ['a bracket that closes another', '{"model":"a"]'],
  ['more members than anybody sends', `{${'"a":1,'.repeat(1001)}"model":"a"}`], ['more members with escaped names', `{${'"\\u0061":1,'.repeat(1001)}"model":"a"}`],
]

for (const [name, text] of REFUSED) {
  test(`MemberScanner finds nothing in what is no JSON object: ${name}`, () => {
    for (const [cut, chunks] of cuttings(Buffer.from(text as string))) assert.equal(scan(chunks), undefined, cut)
  })
}

test('MemberScanner reads an escaped name as it is written, whatever was parsed before', () => {
  // After this, JSON.parse of Node 24 and 26 reads the name below as what is here instead of it.
  JSON.parse('{"k":1,"mode\\\\":2}')
  for (const [cut, chunks] of cuttings(Buffer.from('{"k":1,"mode\\u006c":"m"}'))) assert.deepStrictEqual(scan(chunks), { model: ['m'] }, cut)
})

test('MemberScanner finds in any object what JSON.parse finds there, whatever its pieces', () => {
  const random = seeded(7)
  const value = (depth: number): unknown => {
    const kind = random(depth > 3 ? 4 : 6)
    if (kind === 4) return Array.from({ length: random(4) }, () => value(depth + 1))
    if (kind === 5) return Object.fromEntries(Array.from({ length: random(4) }, () => [word(), value(depth + 1)]))
    return [null, random(2) === 0, random(1e9) / 7, word().repeat(random(90))][kind]
  }
  const word = () => ['model', 'a\\', '"', '\n', '{', 'é🌍', 'modelid', '"model":', ','][random(9)]!
  for (let round = 0; round < 500; round++) {
    const object = Object.fromEntries([...Array.from({ length: random(6) }, () => [word(), value(0)]), ['max_tokens', value(0)]]) as Record<string, unknown>
    const bytes = Buffer.from(JSON.stringify(object, null, random(3)))
    for (const chunks of [pieces(bytes, 1 + random(40)), [bytes]]) {
      const found = scan(chunks)
      assert.deepStrictEqual(found?.max_tokens, [object.max_tokens])
      assert.deepStrictEqual(found.model, Object.hasOwn(object, 'model') ? [object.model] : undefined)
    }
  }
})

conformance('json-test-suite', (folder) => {
  const cases = join(folder, 'open', 'test_parsing')
  for (const file of readdirSync(cases)) {
    test(`json-test-suite: MemberScanner below a member: ${file}`, () => {
      const bytes = readFileSync(join(cases, file))
      const wrapped = Buffer.concat([Buffer.from('{"x":'), bytes, Buffer.from(',"model":"m"}')])
      // Of what is below only strings and brackets are read: much that is no JSON passes, but nothing ever hides the member behind it.
      for (const [cut, chunks] of cuttings(wrapped)) {
        const found = scan(chunks)
        if (file.startsWith('y_')) assert.deepStrictEqual(found, { model: ['m'] }, cut)
        else assert.ok(found === undefined || found.model?.includes('m') === true, cut)
      }
    })
  }
})

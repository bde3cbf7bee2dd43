import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { JsonError, parseJson } from '../../src/json/index.ts'
import type { JsonErrorCode } from '../../src/json/index.ts'
import { conformance } from '../kit/vectors.ts'

/** Valid by the grammar, refused by us: RFC 8259 section 4 says that the names SHOULD be unique. */
const REFUSED: readonly [RegExp, JsonErrorCode][] = [[/^y_object_duplicated_key/, 'JSON_DUPLICATE_NAME']]

/** What the grammar leaves open, decided; where two rows fit, the first is meant. */
const DECIDED: readonly [RegExp, JsonErrorCode | 'accept'][] = [
  [/^i_number_(real_underflow|double_huge_neg_exp|too_big_(neg|pos)_int|very_big_negative_int)/, 'accept'], // nearest double, as JSON.parse
  [/^i_number_/, 'JSON_NUMBER_TOO_LARGE'],
  [/^i_structure_UTF-8_BOM/, 'JSON_BOM'],
  [/^i_structure_500_nested/, 'JSON_TOO_DEEP'],
  [/^i_string_(UTF8_surrogate|invalid_utf-8|iso_latin_1|not_in_unicode|overlong|lone_utf8|truncated|UTF-8_invalid|UTF-16|utf16)/, 'JSON_NOT_UTF8'],
  [/^i_(string|object_key)_/, 'JSON_LONE_SURROGATE'],
]

conformance('json-test-suite', (folder) => {
  const cases = join(folder, 'open', 'test_parsing')
  for (const file of readdirSync(cases)) {
    const bytes = readFileSync(join(cases, file))
    const expected = [...REFUSED, ...DECIDED].find(([pattern]) => pattern.test(file))?.[1]
    test(`json-test-suite: ${file}`, () => {
      if (file.startsWith('n_')) {
        assert.throws(() => parseJson(bytes), JsonError)
        if (bytes.equals(Buffer.from(bytes.toString()))) assert.throws(() => parseJson(bytes.toString()), JsonError)
      } else if (expected === undefined || expected === 'accept') {
        assert.deepStrictEqual(parseJson(bytes), JSON.parse(bytes.toString()))
        assert.deepStrictEqual(parseJson(bytes.toString()), JSON.parse(bytes.toString()))
      } else {
        assert.throws(() => parseJson(bytes), { name: 'JsonError', code: expected })
      }
    })
  }
})

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseYaml, YamlError, type YamlErrorCode } from '../../src/yaml/index.ts'
import { conformance, readJson } from '../kit/vectors.ts'

interface Case {
  readonly name: string
  readonly title: string
  readonly in: string
  readonly fail?: boolean
  readonly core: boolean
  /** The JSON values of the documents, one after the other; absent where a document has no counterpart in JSON. */
  readonly json_stream?: string
}

type Table = Partial<Record<YamlErrorCode, string>>

/** Valid YAML that this subset refuses, by the reason; every other valid case must give the right value. */
const REFUSED: Table = {
  YAML_ANCHOR: '26DV 3R3P 6BFJ 6KGN 7BUB 8XYN CN3R JS2J U3XV V55R W5VH ZH7C',
  YAML_COMPLEX_KEY: '4FJ6 6M2F 6PBE 7W2P CT4Q DFF7 FRK4 JTV5 KK5P L94M LX3P M2N8/00 M2N8/01 M5DY Q9WF RZP5 S9E8 SBG9 V9D5 XW4D ZWK4',
  YAML_DIRECTIVE: '27NA 2LFX 5TYM 6CK3 6LVF CC74 DK95/07 P76L RTP8 W4TN Z9M4',
  YAML_DOCUMENTS: '35KP 6XDY 6ZKB 9DXL 9KAX 9WXW JHB9 L383 M7A3 PUW8 RZT7 U9NS UT92',
  YAML_KEY: '2JQS 4ABK 8KB6 9BXH', // an empty key; a key in braces that has no colon
  YAML_TAG: '2AUY 33X3 52DL 565N 735Y 74H7 7FWL CUP7 FH7J HMQ5 J7PZ M5C3 S4JQ UGM3 Z67P',
}

/** What is no YAML, by the reason we give. */
const ERRORS: Table = {
  YAML_ANCHOR: '4JVG CXX2 G9HC H7J7 SR86 SY6V',
  YAML_COMPLEX_KEY: 'C2SP Y79Y/006 Y79Y/007 Y79Y/008 Y79Y/009',
  YAML_DIRECTIVE: 'B63P H7TQ QLJ7 SF5V',
  YAML_DOCUMENTS: '5TRB 9MQT/01 EB22 N782 RHX7',
  YAML_HEADER: 'S4GJ X4QW',
  YAML_INDENTATION: '6S55 9C9N DMG6 JKF3 QB6E S98Z VJP3/00 W9L4 ZVH3',
  YAML_KEY: '236B 7LBH 7MNF 9CWY D49Q G7JE GDY7 HU3P',
  YAML_TAB: '4EJS DK95/01 DK95/06 Y79Y/000 Y79Y/003 Y79Y/004 Y79Y/005',
  YAML_TAG: 'LHL4 U99R',
  YAML_UNEXPECTED:
    '4H7K 5U3A 62EZ 9KBC BD7L BS4K CML9 CTN5 CVW2 DK4H EW3V GT5M KS4U P2EQ Q4CL T833 TD5N ZCZ6 ZL4Z ZXT5',
}

const codes = (table: Table): Map<string, string> =>
  new Map(Object.entries(table).flatMap(([code, names]) => names.split(' ').map((name) => [name, code] as const)))

/** The same text with each kind of line break that YAML knows. */
const spellings = (text: string): string[] => ['\n', '\r\n', '\r'].map((lineBreak) => text.replaceAll('\n', lineBreak))

/** The code a text is refused with, undefined where it is parsed; fails on any other error and on a place outside the text. */
function refusal(text: string): string | undefined {
  try {
    parseYaml(text)
    return undefined
  } catch (error) {
    assert.ok(error instanceof YamlError, `${JSON.stringify(text)}: ${String(error)}`)
    const line = text.split(/\r\n?|\n/)[error.line - 1]
    assert.ok(line !== undefined && error.column >= 1 && error.column <= line.length + 1, `${JSON.stringify(text)}: no such place`)
    return error.code
  }
}

conformance('yaml-test-suite', (folder) => {
  const cases = readJson<Case[]>(folder, 'open', 'cases.json')
  const refused = codes(REFUSED)
  const errors = codes(ERRORS)

  for (const { name, title, in: text, fail, core, json_stream: json } of cases) {
    const code = fail ? errors.get(name) : refused.get(name)
    test(`${name} ${title}: ${code ?? 'right'}`, () => {
      assert.ok(!(core && code), 'a core case may not be refused')
      for (const spelling of spellings(text)) {
        assert.equal(refusal(spelling), code)
        if (code === undefined) assert.deepStrictEqual(parseYaml(spelling).value, json ? JSON.parse(json) : undefined)
      }
    })
  }

  test('the tables name all that is refused: 132 right, 76 refused, 68 errors', () => {
    assert.deepEqual([cases.length - refused.size - errors.size, refused.size, errors.size], [132, 76, 68])
  })

  test('every case cut off at every character is parsed or refused, never anything else', () => {
    for (const { in: text } of cases) {
      for (const spelling of spellings(text)) {
        for (let end = 0; end < spelling.length; end++) refusal(spelling.slice(0, end))
      }
    }
  })

  test('cases with random characters put in, taken out and swapped are parsed or refused, by constant sentences', () => {
    const indicators = ['\n', ' ', '  ', '\t', '- ', ': ', ':', '#', '[', ']', '{', '}', ',', '"', "'", '|', '>', '\\', '---', '\r', '\0', '<<', '0x']
    const messages = new Set<string>()
    let seed = 1
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
      return Math.floor((seed / 2 ** 32) * below)
    }
    for (let round = 0; round < 10_000; round++) {
      let text = cases[random(cases.length)]?.in ?? ''
      for (let edits = random(4); edits >= 0; edits--) {
        const at = random(text.length + 1)
        text = text.slice(0, at) + (random(3) > 0 ? indicators[random(indicators.length)] : '') + text.slice(at + random(3))
      }
      if (refusal(text) !== undefined) assert.throws(() => parseYaml(text), (error: Error) => messages.add(error.message) && true)
    }
    assert.ok(messages.size < 40, [...messages].join('\n'))
  })
})

conformance('yaml-core-schema', (folder) => {
  const items = readJson<{ input: string; expect: [type: string, value: string] }[]>(folder, 'open', 'core-schema.json')
  const NATIVE: Readonly<Record<string, unknown>> = {
    'null()': null, 'true()': true, 'false()': false, 'inf()': Infinity, 'inf-neg()': -Infinity, 'nan()': NaN,
  }
  for (const { input, expect: [type, value] } of items) {
    if (input.startsWith('!!')) {
      test(`${input} is refused, for its tag`, () => assert.equal(refusal(`- ${input}`), 'YAML_TAG'))
    } else {
      const expected = type === 'str' ? value : type === 'int' || type === 'float' ? Number(value) : NATIVE[value]
      test(`${input} is ${type}`, () => {
        assert.deepStrictEqual(parseYaml(`- ${input}`).value, [expected])
        assert.deepStrictEqual(parseYaml(`a: ${input}\nb: [ ${input}\n  ]`).value, { a: expected, b: input.startsWith('#') ? [] : [expected] })
      })
    }
  }
})

conformance('json-test-suite', (folder) => {
  const parsing = join(folder, 'open', 'test_parsing')
  /** JSON that this subset refuses, or reads in its own way: YAML has one integer zero, JavaScript has two. */
  const DEVIATIONS: Readonly<Record<string, string>> = {
    'y_object_duplicated_key.json': 'YAML_DUPLICATE_KEY',
    'y_object_duplicated_key_and_value.json': 'YAML_DUPLICATE_KEY',
    'y_string_nonCharacterInUTF-8_U+FFFF.json': 'YAML_CHARACTER',
    'y_string_unescaped_char_delete.json': 'YAML_CHARACTER',
    'y_number_minus_zero.json': '[0]',
    'y_number_negative_zero.json': '[0]',
  }
  for (const name of readdirSync(parsing)) {
    const text = readFileSync(join(parsing, name), 'utf8')
    if (!name.startsWith('y_')) {
      test(`${name} is parsed or refused`, () => void refusal(text))
    } else {
      test(`${name}: ${DEVIATIONS[name] ?? 'as JSON.parse() reads it'}`, () => {
        const code = refusal(text)
        assert.equal(code, DEVIATIONS[name]?.startsWith('YAML') ? DEVIATIONS[name] : undefined)
        if (code === undefined) assert.deepStrictEqual(parseYaml(text).value, JSON.parse(DEVIATIONS[name] ?? text))
      })
    }
  }
})

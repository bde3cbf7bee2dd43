import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseToml, TomlDateTime, TomlError } from '../../src/toml/index.ts'
import type { TomlErrorCode, TomlTable, TomlValue } from '../../src/toml/index.ts'
import { conformance, readJson } from '../kit/vectors.ts'

/** The suite's way to write a value: `{"type": "integer", "value": "42"}`, or lists and objects of such. */
type Tagged = { readonly type: string; readonly value: string } | readonly Tagged[] | { readonly [key: string]: Tagged }

/** Invalid cases that are no text at all: refused by whoever decodes the file, as the first line of each test shows. */
const NOT_UTF8 = /^invalid\/encoding\/(bad-|utf16-bom$)/

/** What may be wrong with the cases of a folder. */
const CODES: readonly (readonly [RegExp, readonly TomlErrorCode[]])[] = [
  [/\/control\/|\/utf16-key/, ['TOML_CHARACTER']],
  [/\/bom-not-at-start/, ['TOML_SYNTAX']],
  [/\/bool\//, ['TOML_VALUE']],
  [/\/(integer|float)\/arabic-zero/, ['TOML_SYNTAX', 'TOML_VALUE']],
  [/\/(integer|float)\//, ['TOML_VALUE']],
  [/\/(datetime|local-\w+)\/(.*-over|mday-.*|month-.*|day-zero|feb-.*|offset-overflow.*)$/, ['TOML_RANGE']],
  [/\/(datetime|local-\w+)\//, ['TOML_VALUE']],
  [/\/string\/(.*-esc(ape)?-.*|basic-(multiline-)?out-of-range.*|basic-unknown-escape)$/, ['TOML_ESCAPE', 'TOML_STRING']],
  [/\/string\/(multiline-(lit-)?no-close|no-close|wrong-close|bad-multiline)/, ['TOML_STRING']],
  [/\/string\//, ['TOML_SYNTAX', 'TOML_VALUE']],
  [/\/(duplicate-key|redefine-|overwrite-|append-with-dotted|extend-defined|dotted-redefine|super-twice|array-implicit|tables-)/, ['TOML_DUPLICATE']],
  [/\/spec-1.0.0\/(inline-table|table)/, ['TOML_DUPLICATE']],
  [/\/(inline-table|spec-1.0.0)\//, ['TOML_SYNTAX']],
  [/\/array\//, ['TOML_SYNTAX', 'TOML_VALUE']],
  [/\/key\//, ['TOML_SYNTAX', 'TOML_VALUE', 'TOML_STRING', 'TOML_ESCAPE']],
  [/\/table\//, ['TOML_SYNTAX', 'TOML_STRING']],
]

const decode = (bytes: Uint8Array) => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)

conformance('toml-test', (suite) => {
  const folder = join(suite, 'open')
  const { valid, invalid } = readJson<{ valid: string[]; invalid: string[] }>(folder, 'index.json')
  const bytesOf = (name: string) => readFileSync(join(folder, `${name}.toml`))

  for (const name of valid) {
    test(`toml-test: ${name}`, () => {
      const text = decode(bytesOf(name))
      const { value, lineOf } = parseToml(text)
      assertIs(value, readJson<Tagged>(folder, `${name}.json`), name)
      assertHasLines(value, lineOf, text.split('\n').length)
    })
  }

  for (const name of invalid) {
    test(`toml-test: ${name}`, () => {
      if (NOT_UTF8.test(name)) return assert.throws(() => decode(bytesOf(name)), TypeError)
      const text = decode(bytesOf(name))
      const error = refusal(text)
      assert.ok(error, 'accepted')
      assert.ok(CODES.find(([pattern]) => pattern.test(name))?.[1].includes(error.code), error.code)
      const line = text.split('\n')[error.line - 1]
      assert.ok(line !== undefined && error.column >= 1 && error.column <= line.length + 1, `${error.line}:${error.column}`)
    })
  }

  test('parseToml() gives a value or a TomlError for every case cut at every character', () => {
    for (const name of [...valid, ...invalid].filter((name) => !NOT_UTF8.test(name))) {
      const text = decode(bytesOf(name))
      for (let end = 0; end < text.length; end++) refusal(text.slice(0, end))
    }
  })

  test('parseToml() gives a value or a TomlError for cases with pieces of other cases in them', () => {
    const texts = [...valid, ...invalid].filter((name) => !NOT_UTF8.test(name)).map((name) => decode(bytesOf(name)))
    const below = randomBelow(1)
    const cut = (text: string) => below(text.length + 1)
    for (let round = 0; round < 20_000; round++) {
      const [a = '', b = ''] = [texts[below(texts.length)], texts[below(texts.length)]]
      refusal(a.slice(0, cut(a)) + b.slice(cut(b)).slice(0, 20) + a.slice(cut(a)))
    }
  })
})

/** The error a text is refused with, if it is; any other error fails the test that asks. */
function refusal(text: string): TomlError | undefined {
  try {
    parseToml(text)
    return undefined
  } catch (error) {
    assert.ok(error instanceof TomlError, `${String(error)} for ${JSON.stringify(text)}`)
    return error
  }
}

function assertIs(actual: TomlValue | undefined, expected: Tagged, where: string): void {
  if (Array.isArray(expected)) {
    assert.ok(Array.isArray(actual) && actual.length === expected.length, where)
    expected.forEach((member, index) => assertIs(actual[index], member, `${where}.${index}`))
  } else if (isLeaf(expected)) {
    assert.deepStrictEqual(comparable(actual), READ[expected.type]?.(expected.value), where)
  } else {
    assert.deepEqual(Object.keys(actual as TomlTable).sort(), Object.keys(expected).sort(), where)
    for (const [key, member] of Object.entries(expected)) assertIs((actual as TomlTable)[key], member, `${where}.${key}`)
  }
}

const isLeaf = (tagged: Tagged): tagged is { type: string; value: string } => 'type' in tagged && typeof tagged.type === 'string'

const float = (text: string) => Number(text.replace('inf', 'Infinity'))
const integer = (text: string) => Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text)

const READ: Readonly<Record<string, (text: string) => unknown>> = {
  string: (text) => text,
  bool: (text) => text === 'true',
  integer: (text) => integer(text) || 0,
  float,
  datetime: (text) => ['offset-date-time', canonical(text)],
  'datetime-local': (text) => ['local-date-time', canonical(text)],
  'date-local': (text) => ['local-date', canonical(text)],
  'time-local': (text) => ['local-time', canonical(text)],
}

const comparable = (value: TomlValue | undefined) => value instanceof TomlDateTime ? [value.kind, canonical(value.text)] : value

/** RFC 3339 lets one moment be written with a blank or `T`, small or large letters, and noughts after the fraction. */
const canonical = (text: string) => text.toUpperCase().replace(' ', 'T').replace(/(\.\d*?)0+(?!\d)/, '$1')

/** Every member, however deep, stands on a line of the text. */
function assertHasLines(value: TomlValue, lineOf: (path: readonly string[]) => number | undefined, lines: number, path: readonly string[] = []): void {
  const line = lineOf(path)
  assert.ok(line !== undefined && line >= 1 && line <= lines, path.join('.'))
  if (typeof value !== 'object' || value instanceof TomlDateTime) return
  for (const [key, member] of Object.entries(value)) assertHasLines(member, lineOf, lines, [...path, key])
}

/** Always the same numbers, so that what fails once fails again (a linear congruential generator). */
function randomBelow(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseToml, TomlDateTime, TomlError } from '../../src/toml/index.ts'
import type { TomlErrorCode } from '../../src/toml/index.ts'

const read = (text: string) => parseToml(text).value

const refuses = (text: string, code: TomlErrorCode, line: number, column: number) =>
  assert.throws(() => parseToml(text), (error) => {
    assert.ok(error instanceof TomlError)
    assert.deepEqual([error.code, error.line, error.column], [code, line, column], text)
    return true
  })

test('parseToml() reads a configuration', () => {
  assert.deepStrictEqual(read('# all\nlevel = "info"\n[server]\nport = 3_000\ntls.cert_file = \'C:\\x\'\n[[rules]]\nusers = ["a", # first\n "b",]\n[[rules]]\n'), {
    level: 'info',
    server: { port: 3000, tls: { cert_file: 'C:\\x' } },
    rules: [{ users: ['a', 'b'] }, {}],
  })
})

test('parseToml() says on which line each member is defined', () => {
  const { lineOf } = parseToml('[a.b]\nc.d = """\n\n"""\n\n[a]\nlist = [\n  1,\n  { x = 1 },\n]\n[[rules]]\r\nx = 1\r\n[[rules]]\r\ny = 1')
  const lines: readonly (readonly [string, number | undefined])[] = [
    ['a', 6], ['a.b', 1], ['a.b.c', 2], ['a.b.c.d', 2], ['a.list', 7], ['a.list.0', 8], ['a.list.1.x', 9],
    ['rules', 11], ['rules.0', 11], ['rules.1', 13], ['rules.1.y', 14],
    ['z', undefined], ['a.z', undefined], ['a.list.2', undefined], ['a.list.0.x', undefined], ['rules.0.y', undefined], ['a.b.c.d.0', undefined], ['constructor', undefined],
  ]
  for (const [path, line] of lines) assert.equal(lineOf(path.split('.')), line, path)
  assert.equal(lineOf([]), 1)
  assert.equal(lineOf(['rules', 'length']), undefined)
})

test('parseToml() names each fault and its place', () => {
  refuses('a = 1\nb\n', 'TOML_SYNTAX', 2, 2)
  refuses('a = 1 b = 2', 'TOML_SYNTAX', 1, 7)
  refuses('a =\n', 'TOML_SYNTAX', 1, 4)
  refuses('a = [1 2]', 'TOML_SYNTAX', 1, 8)
  refuses('a = [\n1,\n', 'TOML_SYNTAX', 3, 1)
  refuses('a = { b = 1, }', 'TOML_SYNTAX', 1, 14)
  refuses('a = { b = 1\n}', 'TOML_SYNTAX', 1, 12)
  refuses('[a', 'TOML_SYNTAX', 1, 3)
  refuses('[[a]', 'TOML_SYNTAX', 1, 4)
  refuses('[ [a]]', 'TOML_SYNTAX', 1, 3)
  refuses('= 1', 'TOML_SYNTAX', 1, 1)
  refuses('"""a""" = 1', 'TOML_SYNTAX', 1, 3)
  refuses('\ufeff\ufeffa = 1', 'TOML_SYNTAX', 1, 1)
  refuses('a = 1\n\nb = yes', 'TOML_VALUE', 3, 5)
  refuses('a = "x\n"', 'TOML_STRING', 1, 6)
  refuses("a = 'x", 'TOML_STRING', 1, 6)
  refuses('a = 1\nb = """\n\nx""', 'TOML_STRING', 2, 8)
  refuses('a = "\\x"', 'TOML_ESCAPE', 1, 6)
  refuses('a = """\n \\ud800"""', 'TOML_ESCAPE', 2, 2)
  refuses('a = "\\udfff"', 'TOML_ESCAPE', 1, 6)
  refuses('a = "\\U00110000"', 'TOML_ESCAPE', 1, 6)
  refuses('a = "\\/"', 'TOML_ESCAPE', 1, 6)
  refuses('a = 1\n# \0', 'TOML_CHARACTER', 2, 3)
  refuses('a = "\r"', 'TOML_CHARACTER', 1, 6)
  refuses('a = "\ud800"', 'TOML_CHARACTER', 1, 6)
  refuses('a = "\udc00\ud800"', 'TOML_CHARACTER', 1, 6)
})

test('parseToml() names what is out of range, and keeps what 64 bits hold', () => {
  assert.deepStrictEqual(read('a = -0\nb = 9007199254740991\nc = 9007199254740992\nd = 0x7fff_ffff_ffff_ffff\ne = -9223372036854775808\nf = -0.0'), {
    a: 0, b: 9007199254740991, c: 9007199254740992n, d: 2n ** 63n - 1n, e: -(2n ** 63n), f: -0,
  })
  refuses('a = 9223372036854775808', 'TOML_RANGE', 1, 5)
  refuses('a = -9223372036854775809', 'TOML_RANGE', 1, 5)
  refuses('a = 0x8000000000000000', 'TOML_RANGE', 1, 5)
  refuses('a = 1e309', 'TOML_RANGE', 1, 5)
  refuses('a = 2023-02-29', 'TOML_RANGE', 1, 5)
  refuses('a = 1900-02-29T00:00:00Z', 'TOML_RANGE', 1, 5)
  refuses('a = 24:00:00', 'TOML_RANGE', 1, 5)
  refuses('a = 2000-01-01 00:00:00+24:00', 'TOML_RANGE', 1, 5)
  refuses('a = 0b_1', 'TOML_VALUE', 1, 5)
  refuses('a = 1_e5', 'TOML_VALUE', 1, 5)
})

test('parseToml() keeps a date or time as its kind and its text', () => {
  const kinds = { '2024-02-29 23:59:60.5z': 'offset-date-time', '0000-02-29t00:00:00': 'local-date-time', '2000-02-29': 'local-date', '07:32:00.999999': 'local-time' } as const
  for (const [text, kind] of Object.entries(kinds)) assert.deepStrictEqual(read(`a = ${text} # x`), { a: new TomlDateTime(kind, text) })
})

test('parseToml() lets no key, table or list be defined twice, or added to where it is closed', () => {
  const lastLineStartsWithTheKey = [
    'a = 1\na = 2', 'a = 1\n"a" = 2', 'a = 1\na.b = 2', 'a.b = 1\na = 2', 'a = {}\na.b = 1', 'a = []\na.b = 1', 'a.b.c = 1\na.b = 2', '__proto__ = 1\n__proto__ = 2',
    '[a.b]\n[a]\nb.c = 1', '[[a.b]]\n[a]\nb.c = 1', '[a.b.c]\n[a]\nb.c.d = 1',
  ]
  for (const text of lastLineStartsWithTheKey) refuses(text, 'TOML_DUPLICATE', text.split('\n').length, 1)
  const lastLineIsAHeader = [
    '[a]\n[a]', 'a = 1\n[a]', 'a.b = 1\n[a]', 'a = {b = 1}\n[a]', 'a = {b = {}}\n[a.b.c]', 'a = [{}]\n[a.b]', 'a = []\n[a.b]', '[a]\nb = 1\n[a.b]', '[a]\nb.c = 1\n[a.b]',
    '[a.b.c]\n[a]\nb.d = 1\n[a.b]', '[[a]]\n[a]', '[[a]]\n[a.b]\n[a.b]', '[__proto__]\n[__proto__]',
  ]
  for (const text of lastLineIsAHeader) refuses(text, 'TOML_DUPLICATE', text.split('\n').length, 2)
  const lastLineIsAListHeader = ['[a]\n[[a]]', 'a = 1\n[[a]]', 'a = []\n[[a]]', 'a = [{}]\n[[a]]', '[a.b]\n[[a]]', '[a]\nb = []\n[[a.b]]', '[[a]]\n[a.b]\n[[a.b]]']
  for (const text of lastLineIsAListHeader) refuses(text, 'TOML_DUPLICATE', text.split('\n').length, 3)
  refuses('a = { b.c = 1, b = 2 }', 'TOML_DUPLICATE', 1, 16)
})

test('parseToml() lets a table that is only implied be defined later, and sub-tables be added by their headers', () => {
  assert.deepStrictEqual(read('[a.b.c]\n[a]\nb.d = 1\n[a.b.e]'), { a: { b: { c: {}, d: 1, e: {} } } })
  assert.deepStrictEqual(read('[[a.b]]\n[a.b.c]\n[[a.b]]\n[a.b.c]\n[a]\nd = 1'), { a: { b: [{ c: {} }, { c: {} }], d: 1 } })
})

test('parseToml() makes every key an own property of a plain object', () => {
  const value = read('[__proto__]\npolluted = true\n[a]\n__proto__.b = 1\nc = { __proto__ = { d = 1 }, constructor = 2 }\n')
  assert.equal(({} as { polluted?: boolean }).polluted, undefined)
  assert.deepEqual(Object.keys(value), ['__proto__', 'a'])
  assert.equal(JSON.stringify(value), '{"__proto__":{"polluted":true},"a":{"__proto__":{"b":1},"c":{"__proto__":{"d":1},"constructor":2}}}')
  assert.equal(Object.getPrototypeOf(value), Object.prototype)
})

test('parseToml() takes nesting of 64 and refuses one more, whatever nests', () => {
  const nests: readonly ((depth: number) => string)[] = [
    (depth) => `a${'.a'.repeat(depth - 1)} = 1`,
    (depth) => `[a${'.a'.repeat(depth - 1)}]`,
    (depth) => `[[a${'.a'.repeat(depth - 1)}]]`,
    (depth) => `a = ${'['.repeat(depth - 1)}1${']'.repeat(depth - 1)}`,
    (depth) => `a${depth % 2 ? '' : '.a'} = ${'{a.a = '.repeat(Math.ceil(depth / 2) - 1)}1${'}'.repeat(Math.ceil(depth / 2) - 1)}`,
    (depth) => `a = ${'{a = '.repeat(depth - 1)}1${'}'.repeat(depth - 1)}`,
  ]
  for (const nest of nests) {
    parseToml(nest(64))
    for (const depth of [65, 100_000]) assert.throws(() => parseToml(nest(depth)), { name: 'TomlError', code: 'TOML_DEPTH' })
  }
})

test('parseToml() finishes a megabyte of anything', { timeout: 120_000 }, () => {
  const fill = (piece: string) => piece.repeat(Math.ceil(1_000_000 / piece.length))
  const accepted = [
    fill('\n'), fill(' '), fill('# x\r\n'), `#${fill('x')}`, `a = "${fill('x')}"`, `a = "${fill('\\n')}"`, `a = '${fill('x')}'`, `a = """${fill('""x')}"""`,
    `a = """${fill('\\ \n ')}"""`, `a = '''${fill("'\n")}'''`, `a = 0x${fill('0')}1`, `a = 0.${fill('1_1')}`, `a = 1${fill(' ')}`, `a = [${fill('1,')}]`, `a = [${fill('\n#\n')}]`,
    `a = [${fill('[],')}]`, fill('[[a]]\n'), `[[a]]\n${fill('[[a.b]]\n')}`, Array.from({ length: 100_000 }, (_, i) => `k${i} = 1\n`).join(''), Array.from({ length: 100_000 }, (_, i) => `[t.k${i}]`).join('\n'),
    `${fill('k')} = 1`, `a = {${Array.from({ length: 100_000 }, (_, i) => `k.k${i} = 1`).join(', ')}}`,
  ]
  for (const text of accepted) parseToml(text)
  const refused: readonly (readonly [string, TomlErrorCode])[] = [
    [`a = ${fill('9')}`, 'TOML_RANGE'], [`a = ${fill('_')}`, 'TOML_VALUE'], [`a = ${fill('1_')}`, 'TOML_VALUE'], [`a = ${fill('1.')}`, 'TOML_VALUE'], [`a = 1e${fill('9')}`, 'TOML_RANGE'],
    [`a = 0b${fill('1')}`, 'TOML_RANGE'], [`a = "${fill('x')}`, 'TOML_STRING'], [`a = """${fill('""x')}`, 'TOML_STRING'], [`a = """${fill('"')}`, 'TOML_SYNTAX'], [`a = """\\${fill(' ')}x"""`, 'TOML_ESCAPE'],
    [`a${fill(' ')}`, 'TOML_SYNTAX'], [`${fill('x\n')}`, 'TOML_SYNTAX'], [`${fill('\n')}x`, 'TOML_SYNTAX'], [`${fill('\n')}\0`, 'TOML_CHARACTER'], [`a = 00:00:00.${fill('0')}x`, 'TOML_VALUE'],
  ]
  for (const [text, code] of refused) assert.throws(() => parseToml(text), { name: 'TomlError', code }, `${text.slice(0, 20)}…`)
})

test('a TomlError never quotes the document', () => {
  for (const text of ['a = hunter2', 'a = "hunter2', 'hunter2', 'hunter2 = 1\nhunter2 = 1', 'a = "hunter2\\x"', 'a = ["hunter2" 1]']) {
    assert.throws(() => parseToml(text), (error) => error instanceof TomlError && !`${error.stack}${JSON.stringify(error)}`.includes('hunter2'))
  }
})

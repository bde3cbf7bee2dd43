import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseYaml, YamlError, type YamlErrorCode } from '../../src/yaml/index.ts'

const valueOf = (text: string): unknown => parseYaml(text).value

/** "CODE line:column" of what a text is refused with. */
function refusal(text: string): string {
  try {
    return `parsed as ${JSON.stringify(valueOf(text))}`
  } catch (error) {
    assert.ok(error instanceof YamlError, String(error))
    return `${error.code} ${error.line}:${error.column}`
  }
}

/** Every code, with texts and the line and column each is refused at. */
const REFUSALS: Readonly<Record<YamlErrorCode, Readonly<Record<string, string>>>> = {
  YAML_ALIAS: { 'models: [ *claude* ]': '1:11', 'a: *b': '1:4' },
  YAML_AMBIGUOUS: { 'a: |\n  text': '2:7', 'a: |+\n  text\n ': '3:2', '|1\n text\n': '1:1', '"a\\\n\n  b"': '1:1' },
  YAML_ANCHOR: { 'a: &b c': '1:4', '&a b: c': '1:1' },
  YAML_CHARACTER: { 'a: b\0': '1:5', 'a: \uFEFFb': '1:4', 'a:\n  b: \uD800': '2:6', 'a: @b': '1:4', 'a: `b`': '1:4', 'a: %b': '1:4' },
  YAML_COMPLEX_KEY: { '? a\n: b': '1:1', 'a: {[b]: c}': '1:5', '{a: b}: c': '1:1', '[[a]: b]': '1:2' },
  YAML_DEPTH: { [`${'['.repeat(65)}`]: '1:65', [`${'- '.repeat(64)}a: b`]: '1:131', [`${'{"a":'.repeat(100_000)}`]: '1:321' },
  YAML_DIRECTIVE: { '%YAML 1.2\n---\na: b': '1:1', '\n# comment\n%TAG ! b\n---\n': '3:1' },
  YAML_DOCUMENTS: { 'a: b\n---\nc: d': '2:1', '---\n---\n': '2:1', 'a: b\n...\nc: d': '3:1', 'a: b\n... c': '2:1', '...\n%YAML 1.2': '2:1' },
  YAML_DUPLICATE_KEY: { 'a: 1\nb: 2\na: 3': '3:1', '{a: 1, "a": 2}': '1:8', '1: a\n"1": b': '2:1', '__proto__: 1\n__proto__: 2': '2:1' },
  YAML_ESCAPE: { 'a: "b\\c"': '1:6', '"\\x4"': '1:2', '"\\U00110000"': '1:2', '"\\uD83D"': '1:1', '"\\uDE00\\uD83D"': '1:1' },
  YAML_HEADER: { 'a: |0\n  b': '1:4', 'a: |++\n  b': '1:4', 'a: > b\n': '1:4', 'a: |#b\n': '1:4' },
  YAML_INDENTATION: { 'a:\n  b: 1\n c: 2': '3:2', 'a: [\nb]': '2:1', 'a: "b\nc"': '2:1', ' ---\na': '1:1' },
  YAML_KEY: {
    'a: 1\nport:80': '2:1', '{port:80}': '1:2', '{a, b: c}': '1:2', ': a': '1:1', '"a\n b": c': '1:1', '{a #\n :b}': '1:2',
    '012: a': '1:1', '1.0: a': '1:1', '~: a': '1:1', '0x1: a': '1:1', '1e3: a': '1:1', [`${'a'.repeat(1025)}: b`]: '1:1',
  },
  YAML_MERGE_KEY: { '<<: a': '1:1', '{"<<": a}': '1:2' },
  YAML_NUMBER: { 'a: 9007199254740992': '1:4', '[-0, 0xFFFFFFFFFFFFFF]': '1:6', 'a: 1e400': '1:4' },
  YAML_TAB: { 'a:\n\tb: c': '2:1', 'a:\n  b: 1\n\tc: 2': '3:1', '-\t- a': '1:3', '- \ta: b': '1:4', '\ta: b': '1:2', 'a: |\n\tb\n': '2:1' },
  YAML_TAG: { 'a: !!str b': '1:4', 'a: ! b': '1:4' },
  YAML_UNCLOSED: { 'a: [b': '1:4', 'a:\n  {b: c,\n': '2:3', 'a: "b': '1:4', "a: 'b''": '1:4' },
  YAML_UNEXPECTED: { 'a: b: c': '1:4', 'a: 1\n  b: 2': '1:4', 'a: - b': '1:4', 'a: "b" c': '1:8', '[a, , b]': '1:5', '[a] ]': '1:5', '--- a: b': '1:5', '[a}': '1:3' },
}

for (const [code, texts] of Object.entries(REFUSALS)) {
  test(`${code} is what each of its examples is refused with`, () => {
    for (const [text, at] of Object.entries(texts)) {
      assert.equal(refusal(text), `${code} ${at}`, JSON.stringify(text.slice(0, 80)))
    }
  })
}

const CONFIGURATION = `# a proxy
server:
  host: 127.0.0.1   # loopback
  port: 3000
  trusted_proxies: [10.0.0.0/8, "::1"]
jwt:
  secret: 'it''s # no comment'
  public_key: |
    -----BEGIN PUBLIC KEY-----
    MIIB
    -----END PUBLIC KEY-----
  issuers:
  - issuer: https://sso.example:8443/realm#a
    leeway: 60s
  - {issuer: b, audience: [c, d], required_claims: {e: no}}
policy:
  rules:
    - models:
        - "*claude*"
      effect: allow
pricing: []
note: >-
  one
  line
`

test('parseYaml() reads a configuration file', () => {
  assert.deepStrictEqual(valueOf(CONFIGURATION), {
    server: { host: '127.0.0.1', port: 3000, trusted_proxies: ['10.0.0.0/8', '::1'] },
    jwt: {
      secret: "it's # no comment",
      public_key: '-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n',
      issuers: [
        { issuer: 'https://sso.example:8443/realm#a', leeway: '60s' },
        { issuer: 'b', audience: ['c', 'd'], required_claims: { e: 'no' } },
      ],
    },
    policy: { rules: [{ models: ['*claude*'], effect: 'allow' }] },
    pricing: [],
    note: 'one line',
  })
})

test('lineOf() tells the line of each key and list member, and of nothing else', () => {
  const { lineOf } = parseYaml(CONFIGURATION)
  const lines: Readonly<Record<string, number | undefined>> = {
    'server': 2, 'server/port': 4, 'server/trusted_proxies/1': 5, 'jwt/public_key': 8, 'jwt/issuers': 12,
    'jwt/issuers/0': 13, 'jwt/issuers/0/leeway': 14, 'jwt/issuers/1/required_claims/e': 15, 'policy/rules/0/models/0': 19,
    'policy/rules/0/effect': 20, 'pricing/0': undefined, 'server/nothing': undefined, 'server/port/0': undefined, 'toString': undefined,
  }
  for (const [path, line] of Object.entries(lines)) assert.equal(lineOf(path.split('/')), line, path)
  assert.equal(lineOf([]), 2)
  assert.equal(parseYaml('- [a,\n   b: c]\n-\n  d').lineOf(['0', '1', 'b']), 2)
  assert.equal(parseYaml('a:\n\n  b\n').lineOf(['a']), 1)
})

test('parseYaml() tells no document from an empty one', () => {
  for (const text of ['', '\n', '# comment', ' \t\n#', '...\n', '\uFEFF']) assert.deepEqual([valueOf(text), parseYaml(text).lineOf([])], [undefined, undefined])
  for (const text of ['---', '---\n...\n', '--- # comment\n', '~', 'null\n']) assert.equal(valueOf(text), null)
})

test('parseYaml() makes own keys of names that objects inherit', () => {
  for (const text of ['__proto__: {a: 1}\nconstructor: b', '{"__proto__": {"a": 1}, constructor: b}']) {
    const value = valueOf(text) as object
    assert.deepEqual(Object.entries(value), [['__proto__', { a: 1 }], ['constructor', 'b']])
    assert.equal(Object.getPrototypeOf(value), Object.prototype)
    assert.equal(parseYaml(text).lineOf(['__proto__', 'a']), 1)
  }
})

/** What people write, and what they may fear it means. */
const VALUES: Readonly<Record<string, unknown>> = {
  'no': 'no', 'on': 'on', '12:30': '12:30', '1_000': '1_000', '2024-01-01': '2024-01-01', '1.2.3': '1.2.3', '0b1': '0b1', '-0': 0, '0o17': 15,
  'a: null': { a: null }, 'a:': { a: null }, '-': [null], '- -': [[null]], 'true: a\n12: b\nnull: c': { true: 'a', 12: 'b', null: 'c' },
  '"a\\u00e9\\uD83D\\uDE00\\/\\\tb"': 'aé😀/\tb', "'a\n\n  b'": 'a\nb', '"a \\\n  b"': 'a b', 'a\u00a0: \u2028b\u00a0': { 'a\u00a0': '\u2028b\u00a0' },
  '\uFEFFa: b': { a: 'b' }, 'a: b\r\nc: |\r\n  d\r\n  e\r\n': { a: 'b', c: 'd\ne\n' }, '{"a":1,"b":[true,null,"c"]}': { a: 1, b: [true, null, 'c'] },
  'a: b#c # d': { a: 'b#c' }, 'a: -b': { a: '-b' }, '[a: b, c: , "d":e]': [{ a: 'b' }, { c: null }, { d: 'e' }], '- - a\n  - b\n-\n  c: d': [['a', 'b'], { c: 'd' }],
  'a: |\n\n   b\n    c\n\n': { a: '\nb\n c\n' }, 'a: >\n  b\n  c\n\n  d\n   e\n  f\n': { a: 'b c\nd\n e\nf\n' }, 'a: |-\n  b': { a: 'b' }, 'a: |2\n   b\n': { a: ' b\n' },
  'a:\n- b\nc: d': { a: ['b'], c: 'd' }, [`${'['.repeat(64)}${']'.repeat(64)}`]: JSON.parse(`${'['.repeat(64)}${']'.repeat(64)}`),
}

test('parseYaml() takes plain text for what YAML 1.2 says it is', () => {
  for (const [text, value] of Object.entries(VALUES)) assert.deepStrictEqual(valueOf(text), value, JSON.stringify(text))
})

/** Shapes that make a parser which looks twice at what it has seen take hours. */
const LARGE: Readonly<Record<string, (size: number) => string>> = {
  'white before many values': (size) => `a:\n${' '.repeat(size)}[${'b, '.repeat(size)}]`,
  'white within a value': (size) => `a: b${' '.repeat(size)}c${'\t'.repeat(size)}`,
  'white in quotes': (size) => `a: "${' \n'.repeat(size)} b${' '.repeat(size)}"`,
  'empty lines after each value': (size) => `${`- a\n${'\n'.repeat(300)}`.repeat(size / 300)}`,
  'a value over many lines': (size) => `a: b\n${'  c\n\n'.repeat(size)}`,
  'empty lines in a block scalar': (size) => `a: |\n${'\n'.repeat(size)}  b\n${'    \n'.repeat(size)}`,
  'digits that are no number': (size) => `a: ${'1'.repeat(size)}x`,
  'quotes in quotes': (size) => `a: '${"''".repeat(size)}'`,
  'escapes': (size) => `a: "${'\\u0041'.repeat(size)}"`,
  'keys on one line': (size) => `{${Array.from({ length: size }, (_, index) => `k${index}: v`).join(', ')}}`,
  'keys on many lines': (size) => Array.from({ length: size }, (_, index) => `k${index}:\n  - v # c\n`).join(''),
  'comments': (size) => `a: # c\n${'# c\n'.repeat(size)}  b`,
  'colons': (size) => `a: ${':b'.repeat(size)}`,
}

for (const [name, shape] of Object.entries(LARGE)) {
  test(`parseYaml() gets through a large text: ${name}`, () => assert.equal(typeof valueOf(shape(60_000)), 'object'))
}

test('parseYaml() throws a TypeError for what is no text, a mistake of its caller', () => {
  for (const text of [undefined, null, 1, Buffer.from('a: b')]) assert.throws(() => parseYaml(text as unknown as string), TypeError)
})

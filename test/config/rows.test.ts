import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { test } from 'node:test'
import { formatProblem, loadConfig, optionsTable } from '../../src/config/index.ts'
import type { Loaded } from '../../src/config/index.ts'
import { boolean, integer, list, secret, text } from '../../src/config/kinds.ts'
import { effectiveOption } from '../../src/config/print.ts'
import { namedRows, namedValues, rows, section } from '../../src/config/rows.ts'
import type { Columns } from '../../src/config/rows.ts'
import { documented, spellingsOf } from '../../src/config/schema.ts'
import type { Option, Tree } from '../../src/config/schema.ts'
import { take } from '../../src/config/take.ts'
import type { Taken } from '../../src/config/take.ts'
import { parseJsonWithLines } from '../../src/json/index.ts'
import type { Secret } from '../../src/secret/index.ts'
import { parseToml } from '../../src/toml/index.ts'
import { parseYaml } from '../../src/yaml/index.ts'
import { disk, lines } from './kit.ts'

const from = (name: string, document: string, env = {}, texts = {}, modes = {}): Loaded =>
  loadConfig({ args: { config: `/srv/${name}` }, env: { AWS__REGION: 'us-east-1', ...env }, cwd: '/run', files: disk({ [`/srv/${name}`]: document, ...texts }, modes) })

for (const [name, document, places] of [
  ['c.yaml', 'jwt:\n  issuers:\n    - issuer: https://a\n      audience: [x, y]\n    - issuer: b\n      secret: hush\n      leeway: 5s\n', [2, 3, 4, 5, 7]],
  ['c.toml', '[[jwt.issuers]]\nissuer = "https://a"\naudience = ["x", "y"]\n\n[[jwt.issuers]]\nissuer = "b"\nsecret = "hush"\nleeway = "5s"', [1, 1, 3, 5, 8]],
  ['c.json', '{"jwt": {"issuers":\n[{"issuer": "https://a",\n"audience": ["x", "y"]},\n{"issuer": "b", "secret": "hush",\n"leeway": "5s"}]}}', [1, 2, 3, 4, 5]],
] as const) {
  test(`${name} gives a list of tables, with the line of each row and cell`, () => {
    const loaded = from(name, document)
    assert.deepEqual(lines(loaded), [])
    const [a, b] = loaded.config!.jwt.issuers
    assert.deepEqual([a?.issuer, a?.audience, a?.secret, a?.leeway, a?.user_claims], ['https://a', ['x', 'y'], undefined, 60_000, ['/sub', '/user_id']])
    assert.deepEqual([b?.issuer, b?.audience, b?.secret?.reveal(), b?.leeway], ['b', undefined, 'hush', 5000])
    const cells = ['jwt.issuers', 'jwt.issuers[0]', 'jwt.issuers[0].audience', 'jwt.issuers[1]', 'jwt.issuers[1].leeway']
    assert.deepEqual(cells.map((key) => loaded.sources[key]?.line), places)
    assert.deepEqual(loaded.sources['jwt.issuers[1].audience'], { layer: 'default', where: 'default' })
    assert.ok(Object.isFrozen(a) && Object.isFrozen(loaded.config!.jwt.issuers))
  })
}

test('No table is an empty list, and so is a list of nothing', () => {
  for (const document of ['{}', '{"jwt": {"issuers": []}}', '{"jwt": {"issuers": null}}']) {
    assert.deepEqual(from('c.json', document, { JWT__SECRET: 's' }).config?.jwt.issuers, [])
  }
})

test('All problems of all rows are told at once, each with its line and key', () => {
  assert.deepEqual(lines(from('c.toml', `
[[jwt.issuers]]
issuer = "https://a"
audiance = "x"
leeway = 5
[[jwt.issuers]]
secret = 7
secrets_file = "k"
public_key = "-----BEGIN PUBLIC KEY-----\\n"
public_key_file = "k"
[[jwt.issuers]]
issuer = "c"
secret_file = "gone"
`)), [
    '/srv/c.toml:4: jwt.issuers[0].audiance: expected a known key; did you mean audience?',
    '/srv/c.toml:5: jwt.issuers[0].leeway: expected a duration from 0s to 10m with its unit (ms, s, m or h), found 5',
    '/srv/c.toml:8: jwt.issuers[1].secrets_file: expected a known key; did you mean secret_file?',
    '/srv/c.toml:10: jwt.issuers[1].public_key_file: expected either this or jwt.issuers[1].public_key, not both',
    '/srv/c.toml:6: jwt.issuers[1].issuer: expected text that is not empty; it may not be left out',
    '/srv/c.toml:7: jwt.issuers[1].secret: expected text that is not empty, found a number',
    '/srv/c.toml:13: jwt.issuers[2].secret_file: expected a file of UTF-8 text that we may read, found ENOENT',
  ])
})

for (const [document, expected] of [
  ['{"issuer": "a"}', ': expected a list of tables, found a mapping'],
  ['"a"', ': expected a list of tables, found other text'],
  ['["a"]', '[0]: expected a mapping of keys, found other text'],
  ['[null]', '[0]: expected a mapping of keys, found nothing'],
  ['[[]]', '[0]: expected a mapping of keys, found a list'],
  ['[{"issuer": "https://a", "": 1}]', '[0].: expected a known key'],
  ['[{"issuer": "https://a", "__proto__": {"secret": "s"}}]', '[0].__proto__: expected a known key'],
  ['[{"issuer": "https://a", "unknown": null}]', '[0].unknown: expected a known key'],
  ['[{"issuer": null}]', '[0].issuer: expected text that is not empty; it may not be left out'],
] as const) {
  test(`jwt.issuers may not be ${document}`, () => {
    assert.deepEqual(lines(from('c.json', `{"jwt": {"issuers": ${document}}}`)), [`/srv/c.json:1: jwt.issuers${expected}`])
  })
}

test('A variable for a table, or for a part of one, is a problem that says where tables stand', () => {
  for (const variable of ['JWT__ISSUERS', 'JWT__ISSUERS__0__AUDIENCE', 'jwt__issuers__0']) {
    assert.deepEqual(lines(from('c.json', '{"jwt": {"secret": "s"}}', { [variable]: 'x' })), [`${variable}: expected jwt.issuers in the configuration file: a table has no variable`])
  }
  assert.deepEqual(lines(from('c.json', '{"jwt": {"secret": "s"}}', { JWT__ISSUERS_FILE: 'x' })), ['JWT__ISSUERS_FILE: expected the variable of an option'])
})

test('The secret of a row may stand in a file, does not print, and gets the hint of one that others can read', () => {
  const document = '{"jwt": {"issuers": [{"issuer": "a",\n"secret_file": "k"}, {"issuer": "b",\n"secret": "canary"}]}}'
  const loaded = from('c.json', document, {}, { '/srv/k': 'canary\n' }, { '/srv/k': 0o644, '/srv/c.json': 0o604 })
  assert.deepEqual(loaded.config?.jwt.issuers.map((row) => row.secret?.reveal()), ['canary', 'canary'])
  assert.deepEqual(loaded.hints.map(formatProblem), [
    '/srv/c.json:2: jwt.issuers[0].secret_file: expected its file to be closed to others (chmod o-r), found mode 644',
    '/srv/c.json:3: jwt.issuers[1].secret: expected its file to be closed to others (chmod o-r), found mode 604',
  ])
  assert.doesNotMatch(inspect(loaded, { depth: 9, showHidden: true }) + JSON.stringify(loaded), /canary/)
  assert.ok(loaded.config)
  const shown = (wanted: string) => loaded.options.find(({ name }) => name === wanted)
  assert.deepEqual(shown('jwt.issuers'), { name: 'jwt.issuers', value: '2 given', source: '/srv/c.json:1', reload: 'live' })
  assert.deepEqual(shown('jwt.issuers[1].secret'), { name: 'jwt.issuers[1].secret', value: '[secret]', source: '/srv/c.json:3', reload: 'live' })
  assert.deepEqual(shown('jwt.issuers[1].leeway'), { name: 'jwt.issuers[1].leeway', value: '60000ms', source: 'default', reload: 'live' })
  assert.equal(shown('jwt.issuers[0]'), undefined)
})

const KEY = 'expected a key to check its tokens with: secret, public_key, jwks_file, jwks_url, or an issuer that is a URL, which is asked'

for (const [claim, rows, env, expected] of [
  ['an issuer that is no URL has no key', '[{"issuer": "https://a"},\n{"issuer": "b"}]', {}, `/srv/c.json:2: jwt.issuers[1]: ${KEY}`],
  ['an issuer has two keys', '[{"issuer": "a", "secret": "s",\n"jwks_file": "j"}]', {},
    '/srv/c.json:1: jwt.issuers[0]: expected one of secret, public_key, jwks_file, jwks_url, not several'],
  ['two issuers have one name', '[{"issuer": "https://a"},\n{"issuer": "https://a"}]', {}, '/srv/c.json:2: jwt.issuers[1]: expected an issuer of another name than those above it'],
  ['the options of the one issuer stand beside the list', '[{"issuer": "https://a"}]', { JWT__LEEWAY: '5s' },
    'JWT__LEEWAY: jwt.leeway: expected either this or jwt.issuers, where each issuer has its own'],
] as const) {
  test(`It is a problem when ${claim}`, () => assert.deepEqual(lines(from('c.json', `{"jwt": {"issuers": ${rows}}}`, env)), [expected]))
}

test('The folder for fetched keys is no matter of one issuer, and stands beside the list', () => {
  assert.deepEqual(lines(from('c.json', '{"jwt": {"cache_folder": "keys", "issuers": [{"issuer": "https://a"}]}}')), [])
})

// Tables of kinds that no option needs to have.

const plain = { reload: 'live', text: 'This.', wrong: 'That.' } as const
const limit = {
  rate: { kind: integer(1, 1000), default: '10', ...plain },
  models: { kind: list(text()), ...plain },
  key: { kind: secret, ...plain },
  tags: { kind: namedValues(text()), default: '', ...plain },
} as const satisfies Columns
const options = {
  ...section('limits.default', limit),
  'limits.users': { kind: namedRows(limit), default: '', ...plain },
  'tags': { kind: namedValues(text()), default: '', ...plain },
  'upstreams': { kind: rows({ name: { kind: text(), required: true, ...plain }, fips: { kind: boolean, default: 'false', ...plain } }), default: '', ...plain },
} as const satisfies Readonly<Record<string, Option>>

type Limit = Tree<typeof limit>

function takeFrom(name: keyof typeof options, parse: typeof parseYaml, document: string): Taken {
  const { value, lineOf } = parse(document)
  const option: Option = options[name]
  const given = { spelling: spellingsOf(name, option)[0]!, place: { layer: 'file' as const, where: 'f', line: lineOf([]) }, raw: value, folder: '/', lineOf }
  return take(name, option, [given], disk({ '/k': 'hush' }))
}

const problems = (taken: Taken) => taken.problems.map(formatProblem)

test('Tables have the types of their columns', () => {
  type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
  const same: readonly true[] = [
    true satisfies Same<Limit, { readonly rate: number; readonly models: readonly string[] | undefined; readonly key: Secret | undefined; readonly tags: ReadonlyMap<string, string> }>,
    true satisfies Same<Tree<typeof options>['limits']['users'], ReadonlyMap<string, Limit>>,
    true satisfies Same<Tree<typeof options>['limits']['default'], Limit>,
    true satisfies Same<Tree<typeof options>['upstreams'], readonly { readonly name: string; readonly fips: boolean }[]>,
    true satisfies Same<Tree<typeof options>['tags'], ReadonlyMap<string, string>>,
  ]
  assert.equal(same.length, 5)
})

for (const [language, parse, document] of [
  ['YAML', parseYaml, '"ann@example.com":\n  rate: 5\n  tags: {a/b: c}\n"CN=x,OU=/y.z":\n  key_file: k\n__proto__:\n  models: [m]\n'],
  ['TOML', parseToml, '["ann@example.com"]\nrate = 5\ntags = {"a/b" = "c"}\n["CN=x,OU=/y.z"]\nkey_file = "k"\n[__proto__]\nmodels = ["m"]\n'],
  ['JSON', parseJsonWithLines, '{"ann@example.com":\n{"rate": 5,\n"tags": {"a/b": "c"}}, "CN=x,OU=/y.z": {\n"key_file": "k"},\n"__proto__": {\n"models": ["m"]}}'],
] as const) {
  test(`${language} gives tables by names that are strangers' words`, () => {
    const taken = takeFrom('limits.users', parse, document)
    assert.deepEqual(problems(taken), [])
    const users = taken.value as ReadonlyMap<string, Limit>
    assert.deepEqual([...users.keys()], ['ann@example.com', 'CN=x,OU=/y.z', '__proto__'])
    assert.deepEqual({ ...users.get('ann@example.com') }, { rate: 5, models: undefined, key: undefined, tags: new Map([['a/b', 'c']]) })
    assert.equal(users.get('CN=x,OU=/y.z')?.key?.reveal(), 'hush')
    assert.deepEqual(users.get('__proto__')?.models, ['m'])
  })
}

test('Problems below a name quote it where it is no plain word', () => {
  assert.deepEqual(problems(takeFrom('limits.users', parseYaml, '"a.b/c@d":\n  rate: 0\n  rat: 1\nplain:\n  tags:\n    x: 7\n    "y z": ""\n"":\n  rate: 1\nnone:\n')), [
    'f:3: limits.users."a.b/c@d".rat: expected a known key; did you mean rate?',
    'f:2: limits.users."a.b/c@d".rate: expected an integer from 1 to 1000, found 0',
    'f:6: limits.users.plain.tags.x: expected text that is not empty, found 7',
    'f:7: limits.users.plain.tags."y z": expected text that is not empty, found nothing',
    'f:8: limits.users."": expected a name of text that is not empty, found a mapping',
    'f:10: limits.users.none: expected a mapping of keys, found nothing',
  ])
})

test('A free map takes any name and one kind of value', () => {
  const taken = takeFrom('tags', parseToml, 'team = "search"\n"cost centre" = "7"')
  assert.deepEqual(taken.value, new Map([['team', 'search'], ['cost centre', '7']]))
  assert.deepEqual(problems(takeFrom('tags', parseJsonWithLines, '["a"]')), ['f:1: tags: expected a mapping of names to values, each text that is not empty, found a list'])
  const [team] = taken.parts
  assert.deepEqual(effectiveOption(team!.name, team!.option!, team!.value, team!.place), { name: 'tags.team', value: 'search', source: 'f:1', reload: 'live' })
})

test('optionsTable() shows the columns of tables below them', () => {
  const shown = optionsTable(documented(Object.entries(options))).split('\n').slice(2).map((row) => row.split(' | ').slice(0, 4).join(' | '))
  assert.deepEqual(shown.slice(4, 14), [
    '| `limits.users` | none | tables by name | none',
    '| `limits.users.<name>.rate` | none | integer 1–1000 | `10`',
    '| `limits.users.<name>.models` | none | list of text | none',
    '| `limits.users.<name>.key`, `limits.users.<name>.key_file` | none | secret | none',
    '| `limits.users.<name>.tags` | none | text by name | none',
    '| `tags` | none | text by name | none',
    '| `upstreams` | none | list of tables | none',
    '| `upstreams[].name` | none | text | required',
    '| `upstreams[].fips` | none | boolean | `false`',
    '',
  ])
  assert.equal(shown[0], '| `limits.default.rate` | `LIMITS__DEFAULT__RATE` | integer 1–1000 | `10`')
})

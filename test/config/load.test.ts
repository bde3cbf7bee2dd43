import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { test } from 'node:test'
import { formatProblem, loadConfig } from '../../src/config/index.ts'
import type { Config, Loaded } from '../../src/config/index.ts'
import { OPTIONS, SPELLINGS } from '../../src/config/schema.ts'
import { Secret } from '../../src/secret/index.ts'
import { EVERY } from './every.ts'
import { disk, lines, load, NEEDED } from './kit.ts'

function good(loaded: Loaded): Config {
  assert.deepEqual(lines(loaded), [])
  assert.ok(loaded.config)
  return loaded.config
}

test('loadConfig() takes the defaults where nobody says anything', () => {
  const { server, jwt, aws, logging } = good(load(NEEDED))
  assert.deepEqual(server, {
    host: '127.0.0.1', port: 3000, base_path: '', example_model: undefined, tls: { cert_file: undefined, key_file: undefined, client_ca_file: undefined }, trusted_proxies: [], max_body: 25_000_000, max_inflight: 268_435_456,
    max_header: 65_536, max_connections: 10_000, timeouts: { header: 10_000, idle: 60_000, keep_alive: 75_000 }, drain_timeout: 30_000,
  })
  assert.deepEqual([jwt.leeway, jwt.algorithms, jwt.audience, jwt.max_lifetime, jwt.required_claims], [60_000, undefined, undefined, undefined, []])
  assert.deepEqual([jwt.user_claims, jwt.groups_claims], [['/sub', '/user_id'], ['/groups', '/roles', '/permissions', '/scope']])
  assert.deepEqual([aws.fips, aws.dual_stack, aws.timeouts], [false, false, { connect: 5000, first_byte: 120_000, idle: 300_000 }])
  assert.deepEqual(logging, { level: 'info', format: 'json' })
})

test('loadConfig() lets the environment win over the file, and the file over the defaults', () => {
  const loaded = load({ ...NEEDED, server: { port: 4000, host: '::' } }, { SERVER__PORT: '5000', JWT__AUDIENCE: 'a, b', AWS__TIMEOUTS__FIRST_BYTE: '7s' })
  const { server, jwt, aws } = good(loaded)
  assert.deepEqual([server.port, server.host, server.base_path], [5000, '::', ''])
  assert.deepEqual([jwt.audience, aws.timeouts.first_byte], [['a', 'b'], 7000])
})

test('loadConfig() remembers where each value comes from', () => {
  const { sources } = load('{"jwt":\n{"secret": "hush"},\n"aws": {\n"region": "eu-central-1"}}', { SERVER__PORT: '0', AWS_REGION: 'us-east-1' })
  assert.deepEqual(sources['server.host'], { layer: 'default', where: 'default' })
  assert.deepEqual(sources['jwt.secret'], { layer: 'file', where: '/srv/config.json', line: 2 })
  assert.deepEqual(sources['server.port'], { layer: 'environment', where: 'SERVER__PORT' })
  assert.deepEqual(sources['aws.region'], { layer: 'environment', where: 'AWS_REGION' })
  assert.deepEqual(Object.keys(sources), [...OPTIONS.keys()])
})

test('loadConfig() asks the profile for a region that neither environment nor file give', () => {
  const asked: unknown[] = []
  const loadWith = (document: object, env: Readonly<Record<string, string>>, region?: string) => loadConfig({ args: {}, env, cwd: '/srv', files: disk({ '/srv/config.json': JSON.stringify(document) }),
    sdk: (option, said) => {
      if (option !== 'aws.region') return undefined
      const profile = said('aws.profile')
      asked.push(profile)
      return region === undefined ? undefined : { value: region, where: `profile ${String(profile ?? 'default')}` }
    } })
  const { jwt } = NEEDED
  const taken = (loaded: Loaded) => [good(loaded).aws.region, loaded.sources['aws.region'].where]
  assert.deepEqual(taken(loadWith({ jwt }, {}, 'eu-west-3')), ['eu-west-3', 'profile default'])
  assert.deepEqual(taken(loadWith({ jwt, aws: { profile: 'a' } }, {}, 'eu-west-3')), ['eu-west-3', 'profile a'])
  assert.deepEqual(taken(loadWith({ jwt, aws: { profile: 'a' } }, { AWS_PROFILE: 'b' }, 'eu-west-3')), ['eu-west-3', 'profile b'])
  assert.deepEqual(taken(loadWith({ jwt }, { AWS_PROFILE: 'b', AWS__PROFILE: 'c' }, 'eu-west-3')), ['eu-west-3', 'profile c'])
  assert.deepEqual(asked, [undefined, 'a', 'b', 'c'])
  for (const env of [{ AWS__REGION: 'x-1' }, { AWS_REGION: 'x-1' }, { AWS_DEFAULT_REGION: 'x-1' }]) assert.equal(good(loadWith({ jwt }, env, 'eu-west-3')).aws.region, 'x-1')
  assert.equal(good(loadWith(NEEDED, {}, 'eu-west-3')).aws.region, 'eu-central-1')
  assert.equal(asked.length, 4)
  assert.deepEqual(lines(loadWith({ jwt }, {}, 'evil.example/')), ['profile default: aws.region: expected a region such as us-east-1, found "evil.example/"'])
})

test('loadConfig() reads the configuration of the design it grew from', () => {
  const seed = { server: { port: 3000, host: '0.0.0.0' }, jwt: { secret: 'your-jwt-secret' }, aws: { region: 'us-east-1' }, logging: { level: 'info' } }
  const env = { SERVER__PORT: '8080', JWT__SECRET: 'other', AWS__REGION: 'us-west-2', AWS_ACCESS_KEY_ID: 'AKIA', AWS_SECRET_ACCESS_KEY: 's', LOGGING__LEVEL: 'debug' }
  const { server, jwt, aws, logging } = good(load(seed, env))
  assert.deepEqual([server.host, server.port, jwt.secret?.reveal(), aws.region, logging.level], ['0.0.0.0', 8080, 'other', 'us-west-2', 'debug'])
  assert.equal(aws.access_key_id, undefined)
})

function valueOf(config: Config, name: string): unknown {
  const value = name.split('.').reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], config)
  return value instanceof Secret ? value.reveal() : value
}

test('loadConfig() reads every option from the file, and from its variable, to the same value', () => {
  assert.deepEqual([...OPTIONS.keys()].filter((name) => !(name in EVERY)), ['jwt.public_key', 'jwt.jwks_file', 'jwt.jwks_url', 'jwt.issuers', 'aws.bearer_token', 'aws.upstreams', 'aws.assume_role.tags', 'aws.assume_role.rules', 'aws.request_metadata', 'aws.profiles', 'policy.rules', 'limits.url', 'limits.password', 'limits.ca_file', 'limits.groups', 'limits.users', 'pricing', 'sso.login_parameters'])
  const document: Record<string, unknown> = {}
  const env: Record<string, string> = {}
  for (const [name, [value, text]] of Object.entries(EVERY)) {
    const path = name.split('.')
    const section = path.slice(0, -1).reduce((at, part) => (at[part] ??= {}) as Record<string, unknown>, document)
    section[path.at(-1)!] = value
    env[path.join('__').toUpperCase()] = text
  }
  const [fromFile, fromVariables] = [good(load(document)), good(load({}, env))]
  for (const [name, [, , value]] of Object.entries(EVERY)) assert.deepEqual([valueOf(fromFile, name), valueOf(fromVariables, name)], [value, value], name)
})

test('loadConfig() reports every problem at once, with file, line, key, what is expected and what was found', () => {
  const loaded = load(
    `{
  "server": { "prot": 3000,
    "port": "3000",
    "timeouts": { "header": 10 } },
  "jwt": { "secret": 12345678,
    "algorithms": ["HS256", "none"] },
  "aws": [],
  "loging": {}
}`,
    { SERVER__MAX_BODY: '25 MB', SERVER__PROT: '1', LOGGING__LEVEL: 'loud' },
  )
  assert.equal(loaded.config, undefined)
  assert.deepEqual(lines(loaded), [
    '/srv/config.json:2: server.prot: expected a known key; did you mean port?',
    '/srv/config.json:7: aws: expected a mapping of keys, found a list',
    '/srv/config.json:8: loging: expected a known key; did you mean logging?',
    'SERVER__PROT: expected the variable of an option; did you mean SERVER__PORT?',
    '/srv/config.json:3: server.port: expected an integer from 0 to 65535, found "3000"',
    'SERVER__MAX_BODY: server.max_body: expected a size from 1KiB to 1GiB, in bytes or with a unit (KB, MB, GB, KiB, MiB or GiB), found "25 MB"',
    '/srv/config.json:4: server.timeouts.header: expected a duration from 1ms to 10m with its unit (ms, s, m or h), found 10',
    '/srv/config.json:5: jwt.secret: expected text that is not empty, found a number',
    '/srv/config.json:6: jwt.algorithms: expected a list (in a variable: with commas), each item one of HS256, HS384, HS512, RS256, RS384, RS512,'
      + ' PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519, found ["HS256","none"]',
    'LOGGING__LEVEL: logging.level: expected one of debug, info, warn, error, found "loud"',
    '/srv/config.json: aws.region: expected a region: AWS__REGION, AWS_REGION, AWS_DEFAULT_REGION, aws.region or the region of the profile',
  ])
  assert.deepEqual(loaded.problems[4], { where: '/srv/config.json', line: 3, key: 'server.port', expected: 'an integer from 0 to 65535', found: '"3000"' })
})

test('loadConfig() reports a wrong value in the file even where a variable overrides it', () => {
  assert.deepEqual(lines(load({ ...NEEDED, server: { port: 'x' } }, { SERVER__PORT: '1' })),
    ['/srv/config.json:9: server.port: expected an integer from 0 to 65535, found "x"'])
})

test('loadConfig() keeps no state: a load that fails leaves the config of the one before', () => {
  const before = good(load(NEEDED))
  const copy = structuredClone(before.server)
  assert.equal(load({ ...NEEDED, server: { port: -1 } }).config, undefined)
  assert.deepEqual(before.server, copy)
  assert.equal(before.jwt.secret?.reveal(), 'hush')
})

test('loadConfig() returns nothing that can be changed', () => {
  const check = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    assert.ok(Object.isFrozen(value), inspect(value))
    Object.values(value).forEach(check)
  }
  check(load(NEEDED, { JWT__AUDIENCE: 'a' }))
  check(load({ server: { prot: 1 } }))
})

const CANARY = 'canary-5up3r-s3cr3t'

test('loadConfig() repeats no value where a secret belongs, or could have been meant to go', () => {
  const loads = SPELLINGS.filter(({ option }) => ['secret', 'PEM', 'path', 'URL', 'proxy URL'].includes(OPTIONS.get(option)!.kind.name)).flatMap(({ key, variable }) => [
    load(key.split('.').reduceRight<unknown>((below, name) => ({ [name]: below }), { [CANARY]: CANARY })),
    load(key.split('.').reduceRight<unknown>((below, name) => ({ [name]: below }), [CANARY])),
    load(key.split('.').reduceRight<unknown>((below, name) => ({ [name]: below }), CANARY)),
    load(key.split('.').reduceRight<unknown>((below, name) => ({ [`${name}x`]: below }), CANARY)),
    load({}, { [variable]: CANARY }),
    load({}, { [`${variable}X`]: CANARY }),
  ])
  loads.push(load({ jwt: CANARY }), load(CANARY), load({ jwt: { secret_file: 'k' } }, {}, { '/srv/k': CANARY }))
  for (const loaded of loads) {
    const said = [inspect(loaded, { depth: 9 }), JSON.stringify(loaded), ...[...loaded.problems, ...loaded.hints].map(formatProblem)].join('\n')
    // An endpoint or a path that is right is no secret; it may be seen in the config, not in a problem.
    if (loaded.config === undefined) assert.doesNotMatch(said, /canary/)
  }
  assert.ok(loads.filter(({ config }) => config === undefined).length > 60)
})

test('loadConfig() shows no secret of a config that is right', () => {
  const loaded = load(NEEDED, { AWS__ACCESS_KEY_ID: CANARY, AWS__SECRET_ACCESS_KEY: CANARY, AWS__SESSION_TOKEN_FILE: 't', JWT__SECRET: CANARY }, { '/srv/t': CANARY })
  assert.equal(good(loaded).aws.session_token?.reveal(), CANARY)
  for (const said of [inspect(loaded, { depth: 9, showHidden: true }), JSON.stringify(loaded), `${loaded.config}`]) assert.doesNotMatch(said, /canary/)
})

test('loadConfig() answers any JSON and any environment with problems, never with an error', () => {
  const leaves: readonly unknown[] = [null, true, -1, 1e308, '', 'x', '\u0000\u202e', [], [[]], {}, { x: 1 }, { constructor: {} }]
  const keys = [...SPELLINGS.flatMap(({ key }) => key.split('.')), '', '.', 'server.port', '__proto__', 'constructor', 'toString', '\u202e', 'x'.repeat(999)]
  let seed = 20_260_101
  const pick = <T>(from: readonly T[]): T => from[(seed = (seed * 48_271) % 2_147_483_647) % from.length]!
  const tree = (depth: number): string => depth === 0 || pick([1, 2, 3, 4]) === 1
    ? JSON.stringify(pick(leaves))
    : `{${[...new Set([pick(keys), pick(keys), pick(keys)])].map((key) => `${JSON.stringify(key)}:${tree(depth - 1)}`).join()}}`
  const variables = [...SPELLINGS.map(({ variable }) => variable), 'AWS__', '__proto__', 'SERVER____', 'JWT__CONSTRUCTOR']
  for (let i = 0; i < 3000; i++) {
    const loaded = load(tree(4), { [pick(variables)]: pick(['', 'x', '1', '-----BEGIN ', '\u202e', 'https://']) })
    for (const line of lines(loaded)) assert.match(line, /^[^\p{C}\p{Zl}\p{Zp}]+$/u)
    assert.equal(loaded.config === undefined, loaded.problems.length > 0)
  }
})

test('loadConfig() takes names that objects are born with as unknown keys, and touches no prototype', () => {
  const loaded = load('{"__proto__": {"jwt": {"secret": "x"}}, "constructor": {"prototype": {"polluted": 1}}, "server": {"__proto__": {"port": 1}, "toString": 1}}')
  assert.deepEqual(lines(loaded).slice(0, 4), [
    '/srv/config.json:1: __proto__: expected a known key',
    '/srv/config.json:1: constructor: expected a known key',
    '/srv/config.json:1: server.__proto__: expected a known key',
    '/srv/config.json:1: server.toString: expected a known key',
  ])
  assert.equal((({}) as Record<string, unknown>)['polluted'], undefined)
  assert.ok(lines(loaded).some((line) => line.includes('jwt.secret: expected a key')))
})

test('loadConfig() reads a real disk unless it is given another', () => {
  const loaded = loadConfig({ args: { config: 'no-such-file.json' }, env: {}, cwd: import.meta.dirname })
  assert.match(lines(loaded)[0]!, /no-such-file\.json: expected a file of UTF-8 text that we may read, found ENOENT$/)
  assert.equal(loadConfig({ args: {}, env: {}, cwd: '/nowhere', files: disk({}) }).problems.length, 2)
})

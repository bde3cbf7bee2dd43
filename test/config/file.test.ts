import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadConfig } from '../../src/config/index.ts'
import type { Loaded } from '../../src/config/index.ts'
import { disk, lines, load, NEEDED } from './kit.ts'

const text = (port: number) => JSON.stringify({ ...NEEDED, server: { port } })
const from = (texts: Readonly<Record<string, string>>, config?: string, env = {}): Loaded => loadConfig({ args: { config }, env, cwd: '/srv', files: disk(texts) })

test('The file is --config, else $BEDROCK_SSO_PROXY_CONFIG, else ./config.*, else /etc/bedrock-sso-proxy/config.*', () => {
  const all = { '/a/1.json': text(1), '/srv/b/2.json': text(2), '/srv/config.json': text(3), '/etc/bedrock-sso-proxy/config.json': text(4) }
  const { '/srv/config.json': _, ...system } = all
  const env = { BEDROCK_SSO_PROXY_CONFIG: 'b/2.json' }
  assert.equal(from(all, '/a/1.json', env).config?.server.port, 1)
  assert.equal(from(all, undefined, env).config?.server.port, 2)
  assert.equal(from(all, undefined, { BEDROCK_SSO_PROXY_CONFIG: '' }).config?.server.port, 3)
  assert.equal(from(system).config?.server.port, 4)
  assert.equal(from({}, undefined, { JWT__SECRET: 's', AWS__REGION: 'us-east-1' }).config?.server.port, 3000)
})

for (const [claim, loaded, expected] of [
  ['a named file that is not there', from({}, 'x.json'), '/srv/x.json: expected a file of UTF-8 text that we may read, found ENOENT'],
  ['a name of another language', from({ '/srv/x.ini': '' }, 'x.ini'), '/srv/x.ini: expected a name that ends in .yaml, .yml, .toml, .json'],
  ['an empty name', from({}, ''), '/srv: expected a name that ends in .yaml, .yml, .toml, .json'],
  ['two candidates in one folder', from({ '/srv/config.json': '{}', '/srv/config.toml': '' }),
    '/srv/config.toml: expected one configuration file in its folder, found /srv/config.json as well'],
  ['what is no YAML, with the line', from({ '/srv/config.yaml': 'server:\n  port: &a 1\n' }),
    '/srv/config.yaml:2: expected a well-formed file (anchors are not supported: quote text that begins with "&")'],
  ['what is no TOML, with the line', from({ '/srv/config.toml': '[server]\nport = 1\nport = 2\n' }),
    '/srv/config.toml:3: expected a well-formed file (a key or table is already defined, or closed to additions)'],
  ['what is no JSON, with the line', load('{\n "server": {\n}'), '/srv/config.json:3: expected a well-formed file (a "," or the closing bracket is expected)'],
  ['a key that stands twice', load('{"server": {},\n"server": {}}'), '/srv/config.json:2: expected a well-formed file (a name stands twice in one object)'],
  ['an empty file', load(''), '/srv/config.json:1: expected a well-formed file (a value is expected)'],
] as const) {
  // Only this: with the file unread nobody knows whether it holds a key and a region.
  test(`The only problem is ${claim}`, () => {
    assert.deepEqual(lines(loaded), [expected])
    assert.equal(loaded.config, undefined)
  })
}

for (const [name, document, line] of [
  ['config.yaml', 'jwt: {secret: s}\naws:\n  region: us-east-1\nserver:\n  port: 8080 # here\n  timeouts: {header: 5s}\n', 5],
  ['config.toml', 'jwt.secret = "s"\naws.region = "us-east-1"\n[server]\nport = 8080\ntimeouts.header = "5s"\n', 4],
  ['config.json', '{"jwt": {"secret": "s"},\n"aws": {"region": "us-east-1"}, "server":\n{"port": 8080, "timeouts": {"header": "5s"}}}', 3],
] as const) {
  test(`${name} gives options, and the line of each`, () => {
    const { config, sources } = from({ [`/srv/${name}`]: document })
    assert.deepEqual([config?.server.port, config?.server.timeouts.header], [8080, 5000])
    assert.deepEqual(sources['server.port'], { layer: 'file', where: `/srv/${name}`, line })
  })
}

test('A value that a language has and no option takes is refused, not made fit', () => {
  assert.deepEqual(lines(from({ '/srv/config.toml': 'jwt.secret = 2026-01-01\naws.region = "us-east-1"\nserver.port = 9223372036854775807' })), [
    '/srv/config.toml:3: server.port: expected an integer from 0 to 65535, found 9223372036854775807',
    '/srv/config.toml:1: jwt.secret: expected text that is not empty, found a value of another type',
  ])
  assert.deepEqual(lines(from({ '/srv/config.yaml': 'jwt: {secret: 0123456789}\naws: {region: us-east-1}' })), [
    '/srv/config.yaml:1: jwt.secret: expected text that is not empty, found a number',
  ])
})

test('Problems of the environment are told even when the file cannot be read', () => {
  assert.deepEqual(lines(load('{', { SERVER__PORT: 'x' })).slice(1), ['SERVER__PORT: server.port: expected an integer from 0 to 65535, found "x"'])
})

test('An empty section or option counts as not there, and so does a file of nothing', () => {
  const { config } = load({ ...NEEDED, server: null, logging: { level: null } })
  assert.deepEqual([config?.server.port, config?.logging.level], [3000, 'info'])
  assert.deepEqual(load('null', { JWT__SECRET: 's', AWS__REGION: 'us-east-1' }).problems, [])
})

for (const [document, expected] of [
  ['{"server.port": 1}', '/srv/config.json:1: server.port: expected a known key'],
  ['{"server": {"tls.cert_file": "x"}}', '/srv/config.json:1: server.tls.cert_file: expected a known key'],
  ['{"": null}', '/srv/config.json:1: : expected a known key'],
  ['{"": {"server": {}}}', '/srv/config.json:1: : expected a known key'],
  ['{"server": {"unknown": null}}', '/srv/config.json:1: server.unknown: expected a known key'],
  ['{"server": {"basePath": "/x"}}', '/srv/config.json:1: server.basePath: expected a known key; did you mean base_path?'],
  ['{"server": {"tls": {"certfile": "/x"}}}', '/srv/config.json:1: server.tls.certfile: expected a known key; did you mean cert_file?'],
  ['{"jwt": {"secret_fil": "/x"}}', '/srv/config.json:1: jwt.secret_fil: expected a known key; did you mean secret_file?'],
  ['{"jwt": {"issuer_file": "/x"}}', '/srv/config.json:1: jwt.issuer_file: expected a known key'],
  ['{"aws": {"timeout": {}}}', '/srv/config.json:1: aws.timeout: expected a known key; did you mean timeouts?'],
  ['{"server": {"tls": true}}', '/srv/config.json:1: server.tls: expected a mapping of keys, found a boolean'],
  ['[]', '/srv/config.json:1: expected a mapping of keys, found a list'],
  ['"x"', '/srv/config.json:1: expected a mapping of keys, found other text'],
] as const) {
  test(`The file may not hold ${document}`, () => {
    assert.equal(lines(load(document, { JWT__SECRET: 's', AWS__REGION: 'us-east-1' }))[0], expected)
  })
}

test('Paths in the file are relative to its folder, those in variables to the working directory', () => {
  const document = JSON.stringify({ jwt: { jwks_file: 'keys/set.json' }, aws: { ...NEEDED.aws, ca_file: '/abs/ca.pem' } })
  const env = { SERVER__TLS__CERT_FILE: 'c.pem', SERVER__TLS__KEY_FILE: '../k.pem' }
  const { config } = loadConfig({ args: { config: '/conf/c.json' }, env, cwd: '/srv/x', files: disk({ '/conf/c.json': document }) })
  assert.deepEqual([config?.jwt.jwks_file, config?.aws.ca_file], ['/conf/keys/set.json', '/abs/ca.pem'])
  assert.deepEqual(config?.server.tls, { cert_file: '/srv/x/c.pem', key_file: '/srv/k.pem', client_ca_file: undefined })
})

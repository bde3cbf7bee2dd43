import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authority, basePath, boolean, choice, duration, endpoint, integer, list, network, path, pem, proxyUrl, redisUrl, secret, size, text, url, usd } from '../../src/config/kinds.ts'
import type { Kind } from '../../src/config/kinds.ts'

const PEM = '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n'

interface Row {
  readonly kind: Kind<unknown>
  /** Text → value, the same from a variable and from a string of the file unless `textOnly`. */
  readonly good: Readonly<Record<string, unknown>>
  readonly bad: readonly string[]
  /** Values of a file that are no strings. */
  readonly values?: readonly (readonly [unknown, unknown])[]
  readonly textOnly?: boolean
}

const ROWS: Readonly<Record<string, Row>> = {
  text: { kind: text(), good: { a: 'a', ' ': ' ', 'é': 'é' }, bad: ['', 'a\n', 'a\0', '\x7f'] },
  pem: { kind: pem, good: { [PEM]: PEM }, bad: ['', 'AAAA', '-----BEGIN'] },
  path: { kind: path, good: { 'a/b': '/base/a/b', '../c': '/c', '/d': '/d' }, bad: ['', 'a\0b'] },
  boolean: { kind: boolean, good: { true: true, false: false }, bad: ['', 'TRUE', 'yes', '1', '0', 'constructor'],
    values: [[true, true], [false, false], [1, undefined]], textOnly: true },
  choice: { kind: choice('a', 'b'), good: { a: 'a', b: 'b' }, bad: ['', 'A', 'c', 'a,b', '__proto__'] },
  integer: { kind: integer(1, 65_535), good: { 1: 1, 3000: 3000, 65535: 65_535 },
    bad: ['', '0', '65536', '-1', '+1', '01', '1.0', '1e3', '0x10', ' 1', '1 ', '１', '1k', '99999999999999999999', 'NaN'],
    values: [[80, 80], [0, undefined], [65_536, undefined], [1.5, undefined], [NaN, undefined], [Infinity, undefined], [2 ** 53, undefined]], textOnly: true },
  usd: { kind: usd(100), good: { 0: 0, 100: 100, 2.5: 2.5, '0.000001': 0.000001, '1.10': 1.1 },
    bad: ['', '-1', '100.000001', '0.0000001', '1e2', '.5', '5.', '1,5', '$5', ' 5', 'NaN'],
    values: [[2.5, 2.5], [0.1 + 0.2, undefined], [-1, undefined], [101, undefined], [NaN, undefined]], textOnly: true },
  duration: { kind: duration('10ms', '8h'), good: { '250ms': 250, '30s': 30_000, '5m': 300_000, '8h': 28_800_000, '10ms': 10 },
    bad: ['', '30', '9ms', '0s', '9h', '1d', '1.5s', '-1s', '30 s', '1h30m', '30S', 's', '30sec', '1e2s', '1M', '1__proto__'],
    values: [[30, undefined], [30_000, undefined]] },
  size: { kind: size('1KiB', '1GiB'), good: { '64KiB': 65_536, '25MB': 25_000_000, '25MiB': 26_214_400, '1GiB': 2 ** 30, '1GB': 1e9, 25000000: 25_000_000, '2KB': 2000 },
    bad: ['', '1023', '1025MiB', '64 KiB', '64kib', '64K', '1.5MB', '-64KiB', '064KiB', '64TiB', '999999999999999GiB'],
    values: [[2048, 2048], [1000, undefined], [2048.5, undefined]] },
  basePath: { kind: basePath, good: { '': '', '/': '', '/bedrock': '/bedrock', '/a/b.c_d-e~/': '/a/b.c_d-e~', '/..a': '/..a' },
    bad: ['bedrock', '//', '/a//', '/a//b', '/a/../b', '/..', '/a/.', '/%2e', '/a?b', '/a#b', '/a b', '/a\\b', '/é', '/a\n'] },
  endpoint: { kind: endpoint,
    good: { 'https://GATEWAY.example:8443/': 'https://gateway.example:8443', 'http://127.0.0.1:4566': 'http://127.0.0.1:4566' },
    bad: ['', 'https://example.com/a', 'http://example.com', 'https://user@example.com'] },
  url: { kind: url,
    good: {
      'https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com': 'https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com',
      'https://GATEWAY.example:8443/keys/?p=a_b': 'https://GATEWAY.example:8443/keys/?p=a_b',
      'https://[2001:db8::1]:444/': 'https://[2001:db8::1]:444/',
      'http://127.0.0.1:4566': 'http://127.0.0.1:4566', 'http://[::1]:1/a': 'http://[::1]:1/a', 'http://localhost': 'http://localhost',
    },
    bad: ['', 'example.com', 'http://example.com', 'http://127.0.0.1.example.com', 'http://localhost.example.com', 'ftp://localhost', 'https://',
      'https://user:pass@example.com', 'https://user@example.com', 'https://example.com?a b', 'https://example.com#x', 'https://example.com/a b',
      'https://exam\tple.com', 'https://example.com\\a', ' https://example.com', 'https://example.com\n',
      'https://example.com:99999', 'HTTPS://example.com', 'https://[::1'] },
  network: { kind: network, good: { '10.0.0.0/8': '10.0.0.0/8', '::1': '::1', '192.0.2.1': '192.0.2.1' },
    bad: ['', '10.0.0.1/8', 'localhost', '10.0.0.0/33', ' ::1', '::1%lo', '*'] },
  list: { kind: list(choice('a', 'b')), good: { a: ['a'], 'a,b': ['a', 'b'], ' a , b ': ['a', 'b'] }, bad: ['', ',', 'a,', 'a,,b', 'a b', 'a,c'],
    values: [[['a', 'b'], ['a', 'b']], [[], undefined], [['a', 1], undefined], [['a', null], undefined], [{ 0: 'a', length: 1 }, undefined]], textOnly: true },
  'list that may be empty': { kind: list(text(), 0), good: { '': [], a: ['a'] }, bad: [','], values: [[[], []]], textOnly: true },
}

for (const [name, { kind, good, bad, values = [], textOnly = false }] of Object.entries(ROWS)) {
  test(`${name} reads what it should, from variables and from the file`, () => {
    for (const [given, expected] of Object.entries(good)) {
      assert.deepEqual(kind.fromText(given, '/base'), expected, given)
      assert.deepEqual(kind.fromValue(given, '/base'), textOnly ? undefined : expected, `a string in the file: ${given}`)
    }
    for (const [given, expected] of values) assert.deepEqual(kind.fromValue(given, '/base'), expected, String(given))
  })

  test(`${name} refuses anything else`, () => {
    for (const given of bad) {
      assert.equal(kind.fromText(given, '/base'), undefined, JSON.stringify(given))
      assert.equal(kind.fromValue(given, '/base'), undefined, `in the file: ${JSON.stringify(given)}`)
    }
    for (const given of [null, undefined, {}, Object.create(null), { toString: () => 'a' }, () => 1, Symbol('a'), 10n, -0.5]) {
      assert.equal(kind.fromValue(given, '/base'), undefined, typeof given)
    }
  })
}

test('secret wraps any text but an empty one, and no other type', () => {
  assert.equal(secret.fromText(' a\n', '')?.reveal(), ' a\n')
  for (const given of ['', 1, null, ['a'], {}]) assert.equal(secret.fromValue(given, ''), undefined)
})

test('proxyUrl wraps the URL of an HTTP proxy, with its user and password, and nothing else', () => {
  for (const given of ['http://proxy:3128', 'https://proxy.example/', 'http://u@10.0.0.1', "http://u:p%40ss!$&'()*+,;=:~@proxy:1", 'http://u:@[2001:db8::1]:3128', 'http://u:%C3%BC@proxy']) {
    assert.equal(proxyUrl.fromText(given, '')?.reveal(), given)
  }
  for (const given of ['', 'proxy:3128', 'socks5://proxy', 'http://', 'http://:p@proxy', 'http://proxy/a', 'http://proxy?a', 'http://u:p@ss@proxy', 'http://u:p/w@proxy',
    'http://u:%@proxy', 'http://u:%FF@proxy', 'http://u:p#@proxy', 'http://a b@proxy', 'http://proxy\n', 'http://proxy:99999', 'http://u:ü@proxy', 'HTTP://proxy']) {
    assert.equal(proxyUrl.fromText(given, ''), undefined, given)
  }
})

test('redisUrl wraps the URL of a Redis, with its user, password and database, and nothing else', () => {
  for (const given of ['redis://r', 'rediss://r.example:6380', 'redis://:p%40ss@10.0.0.1:6379/1', 'rediss://u:p@[2001:db8::1]:1/', 'redis://u@r/15']) {
    assert.equal(redisUrl.fromText(given, '')?.reveal(), given)
  }
  for (const given of ['', 'r:6379', 'http://r', 'redis://', 'redis:///1', 'redis://r/x', 'redis://r/1/2', 'redis://r?db=1', 'redis://u:p@ss@r', 'redis://u:%@r', 'redis://r:99999', 'redis://r\n', 'REDIS://r', 'redis+unix:///r']) {
    assert.equal(redisUrl.fromText(given, ''), undefined, given)
  }
})

test('authority takes what an https:// URL can name, and nothing else', () => {
  for (const given of ['keys.example', 'Keys.Example:8443', '10.0.0.1', '[2001:db8::1]', '[::1]:1']) assert.equal(authority.fromText(given, ''), given)
  for (const given of ['', 'https://keys.example', 'keys.example/', 'u@keys.example', 'keys.example:', 'keys.example:99999', '1.2.3.999', '[:::]', '::1', 'a b', '*.example']) {
    assert.equal(authority.fromText(given, ''), undefined, given)
  }
})

test('duration() never goes beyond what a timer of Node can wait', () => {
  assert.equal(duration('0s').fromText('596h', ''), 2_145_600_000)
  assert.equal(duration('0s').fromText('597h', ''), undefined)
})

test('list() gives a list that cannot be changed', () => {
  assert.ok(Object.isFrozen(list(text()).fromText('a,b', '')))
})

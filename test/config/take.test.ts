import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatProblem } from '../../src/config/index.ts'
import type { Loaded } from '../../src/config/index.ts'
import { lines, load, NEEDED } from './kit.ts'

const aws = NEEDED.aws
const hints = ({ hints }: Loaded) => hints.map(formatProblem)

test('A secret may stand in a file of its own, less one newline at its end', () => {
  for (const [content, expected] of [['s', 's'], ['s\n', 's'], ['s\r\n', 's'], ['s\n\n', 's\n'], [' s \n', ' s '], ['s\r', 's\r'], ['\ns', '\ns']] as const) {
    assert.equal(load({ jwt: { secret_file: 'k' }, aws }, {}, { '/srv/k': content }).config?.jwt.secret?.reveal(), expected)
    assert.equal(load({ aws }, { JWT__SECRET_FILE: '/run/k' }, { '/run/k': content }).config?.jwt.secret?.reveal(), expected)
  }
})

test('A public key may stand in a file of its own', () => {
  const pem = '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----'
  assert.equal(load({ jwt: { public_key_file: 'k' }, aws }, {}, { '/srv/k': `${pem}\n` }).config?.jwt.public_key, pem)
  assert.deepEqual(lines(load({ jwt: { public_key_file: 'k' }, aws }, {}, { '/srv/k': 'ssh-rsa AAAA' })),
    ['/srv/config.json:3: jwt.public_key_file: expected a file that holds PEM text, beginning with -----BEGIN'])
})

for (const [claim, loaded, expected] of [
  ['the file of a secret is not there', load({ jwt: { secret_file: 'k' }, aws }),
    '/srv/config.json:3: jwt.secret_file: expected a file of UTF-8 text that we may read, found ENOENT'],
  ['the file of a secret is not there (variable)', load({ aws }, { JWT__SECRET_FILE: 'k' }),
    'JWT__SECRET_FILE: jwt.secret_file: expected a file of UTF-8 text that we may read, found ENOENT'],
  ['the file of a secret is empty', load({ jwt: { secret_file: 'k' }, aws }, {}, { '/srv/k': '\n' }),
    '/srv/config.json:3: jwt.secret_file: expected a file that holds text that is not empty'],
  ['the name of the file is none', load({ jwt: { secret_file: 7 }, aws }),
    '/srv/config.json:3: jwt.secret_file: expected the path of a file, found a number'],
  ['a secret is given twice in the file', load({ jwt: { secret: 's', secret_file: 'k' }, aws }),
    '/srv/config.json:4: jwt.secret_file: expected either this or jwt.secret, not both'],
  ['a secret is given twice in variables', load({ aws }, { JWT__SECRET: 's', JWT__SECRET_FILE: 'k' }),
    'JWT__SECRET_FILE: jwt.secret_file: expected either this or jwt.secret, not both'],
] as const) {
  test(`The only problem is that ${claim}`, () => assert.deepEqual(lines(loaded), [expected]))
}

test('A variable overrides a secret of the file in either spelling, and then its own file is not read', () => {
  assert.equal(load({ jwt: { secret_file: 'gone' }, aws }, { JWT__SECRET: 's' }).config?.jwt.secret?.reveal(), 's')
  assert.equal(load({ jwt: { secret: 's' }, aws }, { JWT__SECRET_FILE: 'k' }, { '/srv/k': 't' }).config?.jwt.secret?.reveal(), 't')
  const pem = '-----BEGIN PUBLIC KEY-----\n'
  assert.equal(load({ jwt: { public_key_file: 'gone' }, aws }, { JWT__PUBLIC_KEY: pem }).config?.jwt.public_key, pem)
})

test('A secret that everybody on the machine can read gets a hint, and works', () => {
  const texts = { '/srv/k': 's' }
  const document = { jwt: { secret_file: 'k' }, aws }
  assert.deepEqual(hints(load(document, {}, texts, { '/srv/k': 0o644 })),
    ['/srv/config.json:3: jwt.secret_file: expected its file to be closed to others (chmod o-r), found mode 644'])
  assert.deepEqual(hints(load(document, {}, texts, { '/srv/k': 0o640, '/srv/config.json': 0o644 })), [])
  assert.deepEqual(hints(load(NEEDED, {}, {}, { '/srv/config.json': 0o604 })),
    ['/srv/config.json:3: jwt.secret: expected its file to be closed to others (chmod o-r), found mode 604'])
  assert.deepEqual(hints(load({ aws }, { JWT__SECRET: 's' })),
    ['JWT__SECRET: jwt.secret: expected JWT__SECRET_FILE instead: an environment can be read from outside'])
  assert.deepEqual(load({ aws }, { JWT__SECRET: 's' }).problems, [])
})

test('The key of the certificate gets the same hint, the certificate and a public key do not', () => {
  const modes = { '/srv/c.pem': 0o644, '/srv/key.pem': 0o444, '/srv/p.pem': 0o644, '/srv/config.json': 0o644 }
  const document = { server: { tls: { cert_file: 'c.pem', key_file: 'key.pem' } }, jwt: { public_key_file: 'p.pem' }, aws }
  assert.deepEqual(hints(load(document, {}, { '/srv/p.pem': '-----BEGIN PUBLIC KEY-----\n' }, modes)),
    ['/srv/config.json:5: server.tls.key_file: expected its file to be closed to others (chmod o-r), found mode 444'])
})

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { IdentityError, type IssuerOptions, trustedIssuers } from '../../src/identity/index.ts'
import { Secret } from '../../src/secret/index.ts'
import { ecKey, issuerOptions, jwks } from './kit.ts'

const GOOD = 'q8Zt0Yw3kPfL5vXn2RbUj7MhEa1DsGc9' // 32 bytes
const LONGER = `${GOOD}mK4oW6iTzBx0`
const KEY = ecKey('k1')
const pem = (bits: number) => generateKeyPairSync('rsa', { modulusLength: bits }).publicKey.export({ type: 'spki', format: 'pem' }) as string
const RSA = pem(2048)

const MAKE = '; make one with: openssl rand -base64 48'

const REFUSED: readonly (readonly [claim: string, options: Partial<IssuerOptions>, message: string])[] = [
  ['no key and no place of one', {}, 'no key: give jwt.secret, jwt.public_key, jwt.jwks_file, jwt.jwks_url or jwt.issuer'],
  ['the secret of the examples', { secret: new Secret('your-jwt-secret') }, `the secret has 15 bytes, 32 are needed${MAKE}`],
  ['a secret of 31 bytes', { secret: new Secret(GOOD.slice(1)) }, `the secret has 31 bytes, 32 are needed${MAKE}`],
  ['a secret of 32 bytes for HS512', { secret: new Secret(GOOD), algorithms: ['HS256', 'HS512'] }, `the secret has 32 bytes, 64 are needed${MAKE}`],
  ['a secret of 44 bytes for HS384', { secret: new Secret(LONGER), algorithms: ['HS384'] }, `the secret has 44 bytes, 48 are needed${MAKE}`],
  ['a secret of words', { secret: new Secret('my-super-secret-key-for-the-proxy-server') }, `the secret is made of words${MAKE}`],
  ['a weak secret in a key set', { jwks: JSON.stringify({ keys: [{ kty: 'oct', k: Buffer.from('my-super-secret-key-for-the-proxy-server').toString('base64url') }] }) }, `the secret is made of words${MAKE}`],
  ['a short RSA key', { publicKey: pem(1024) }, 'an RSA key is shorter than 2048 bits'],
  ['a private key', { publicKey: KEY.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string }, 'the PEM holds a private key'],
  ['a key set that is none', { jwks: '[]' }, '"keys" of the JWK set is not a list'],
  ['an algorithm for another kind of key', { publicKey: RSA, algorithms: ['ES256'] }, 'none of jwt.algorithms fits the key'],
  ['HS256 for a public key', { publicKey: RSA, algorithms: ['HS256'] }, 'none of jwt.algorithms fits the key'],
  ['HS256 for remote keys', { issuer: 'https://idp.example', algorithms: ['HS256'] }, 'none of jwt.algorithms fits the key'],
  ['HS256 and RS256 for one key', { publicKey: RSA, algorithms: ['RS256', 'HS256'] }, 'jwt.algorithms lists some for secrets and some for public keys'],
  ['HS256 and RS256 for remote keys', { issuer: 'https://idp.example', algorithms: ['HS256', 'RS256'] }, 'jwt.algorithms lists some for secrets and some for public keys'],
]

for (const [claim, options, message] of REFUSED) {
  test(`trustedIssuers() refuses ${claim}`, () => {
    assert.throws(() => trustedIssuers([issuerOptions(options)]), new IdentityError('IDENTITY_KEYS_UNUSABLE', message))
  })
}

const ACCEPTED: readonly (readonly [claim: string, options: Partial<IssuerOptions>, algorithms: readonly string[]])[] = [
  ['a secret of 32 bytes', { secret: new Secret(GOOD) }, ['HS256']],
  ['a public key', { publicKey: RSA }, ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']],
  ['a public key for some of its algorithms', { publicKey: RSA, algorithms: ['PS256', 'ES256'] }, ['PS256']],
  ['a key set', { jwks: jwks(KEY) }, ['ES256']],
  ['remote keys', { jwksUrl: 'https://idp.example/keys' }, ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']],
  ['remote keys for some algorithms', { issuer: 'https://idp.example', algorithms: ['RS256', 'EdDSA'] }, ['RS256', 'EdDSA']],
]

for (const [claim, options, algorithms] of ACCEPTED) {
  test(`trustedIssuers() takes ${claim}, for what it can verify`, () => {
    assert.deepEqual(trustedIssuers([issuerOptions(options)])[0]?.algorithms, algorithms)
  })
}

const BAD_URLS = [
  'http://idp.example/keys', 'http://10.0.0.1/keys', 'http://127.0.0.1.evil.example/', 'http://localhost.evil.example/', 'http://0.0.0.0/', 'http://[::2]/',
  'ftp://idp.example/', 'file:///etc/keys', 'idp.example/keys', '//idp.example', '', 'https://', 'https:idp.example', 'https:\\\\idp.example', 'https://idp.example\\@evil.example',
  'https://user@idp.example/', 'https://user:word@idp.example/', 'https://idp.example/#x', 'https://idp.example/ keys', 'https://idp.example/\nkeys', 'https://idp\u2024example/',
  ' https://idp.example', 'https://idp.example:99999/', 'HTTPS://idp.example', 'javascript:1',
]
const GOOD_URLS = ['https://idp.example/keys', 'https://idp.example:8443/a/b?c=d', 'https://169.254.1.1/', 'http://localhost:8080/keys', 'http://127.0.0.1/keys', 'http://127.9.9.9:1/', 'http://[::1]:80/']

for (const jwksUrl of BAD_URLS) {
  test(`trustedIssuers() refuses keys at ${JSON.stringify(jwksUrl)}`, () => {
    assert.throws(() => trustedIssuers([issuerOptions({ jwksUrl })]), { code: 'IDENTITY_URL_REFUSED' })
  })
}

for (const jwksUrl of GOOD_URLS) {
  test(`trustedIssuers() takes keys at ${jwksUrl}`, () => {
    assert.equal(trustedIssuers([issuerOptions({ jwksUrl })]).length, 1)
  })
}

test('trustedIssuers() refuses to ask an issuer without TLS where its keys are', () => {
  assert.throws(() => trustedIssuers([issuerOptions({ issuer: 'http://idp.example' })]), { code: 'IDENTITY_URL_REFUSED' })
  assert.throws(() => trustedIssuers([issuerOptions({ issuer: 'our-idp' })]), { code: 'IDENTITY_URL_REFUSED' })
})

test('of several issuers each needs a name of its own', () => {
  const of = (issuer: string | undefined) => issuerOptions({ issuer, publicKey: RSA })
  assert.equal(trustedIssuers([of(undefined)]).length, 1)
  assert.equal(trustedIssuers([of('a'), of('b')]).length, 2)
  for (const issuers of [[of('a'), of(undefined)], [of('a'), of('a')], [of(undefined), of(undefined)]]) {
    assert.throws(() => trustedIssuers(issuers), { code: 'IDENTITY_ISSUERS_AMBIGUOUS' })
  }
})

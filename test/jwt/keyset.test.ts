import assert from 'node:assert/strict'
import { createPublicKey, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { JwtError, chooseKey, keySetFromPem, keySetFromSecret, parseJwkSet } from '../../src/jwt/index.ts'
import type { Jwk, JwtErrorCode } from '../../src/jwt/index.ts'
import { generatePair } from './keys.ts'
import type { Pair } from './keys.ts'

const rsa = generatePair('rsa')
const otherRsa = generatePair('rsa')
const ec = generatePair('ec', 'P-256')
const ed = generatePair('ed25519')
const jwk = (pair: Pair, more: Jwk = {}): Jwk => ({ ...pair.publicKey.export({ format: 'jwk' }), ...more })
const oct = (bytes: number, more: Jwk = {}): Jwk => ({ kty: 'oct', k: randomBytes(bytes).toString('base64url'), ...more })
const parse = (...keys: unknown[]) => parseJwkSet(JSON.stringify({ keys }))
const throws = (run: () => unknown, code: JwtErrorCode) => assert.throws(run, { name: 'JwtError', code })

test('parseJwkSet() gives each key the algorithms of its type and curve', () => {
  const set = parse(jwk(rsa), jwk(ec), jwk(ed))
  assert.deepEqual(set.keys.map(({ algorithms }) => algorithms), [['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'], ['ES256'], ['EdDSA', 'Ed25519']])
  assert.equal(set.symmetric, false)
  assert.deepEqual(parse(oct(32), oct(48), oct(64)).keys.map(({ algorithms }) => algorithms.length), [1, 2, 3])
  assert.equal(parse(oct(32)).symmetric, true)
  assert.deepEqual([...parse(jwk(rsa, { alg: 'PS256' }), jwk(ec)).algorithms], ['PS256', 'ES256'])
})

test('parseJwkSet() leaves out keys that it cannot use, and says which and why', () => {
  const useless: readonly [unknown, JwtErrorCode][] = [
    [jwk(rsa, { use: 'enc' }), 'JWT_KEY_UNUSABLE'], [jwk(rsa, { use: null }), 'JWT_KEY_UNUSABLE'], [jwk(rsa, { key_ops: ['sign'] }), 'JWT_KEY_UNUSABLE'],
    [jwk(rsa, { key_ops: 'verify' }), 'JWT_KEY_UNUSABLE'], [jwk(rsa, { alg: 'RSA-OAEP' }), 'JWT_KEY_UNUSABLE'], [jwk(rsa, { alg: 'HS256' }), 'JWT_KEY_UNUSABLE'],
    [jwk(ec, { alg: 'ES384' }), 'JWT_KEY_UNUSABLE'], [jwk(ec, { crv: 'P-384' }), 'JWT_KEY_MALFORMED'], [jwk(ec, { crv: 'P-9999' }), 'JWT_KEY_MALFORMED'],
    [{ kty: 'AKP', alg: 'ML-DSA-65', pub: 'AAAA' }, 'JWT_KEY_UNUSABLE'], [{ kty: 'RSA' }, 'JWT_KEY_MALFORMED'], [{}, 'JWT_KEY_UNUSABLE'],
    [jwk(ed, { x: 'AA' }), 'JWT_KEY_MALFORMED'], [jwk(rsa, { e: 'AQ' }), 'JWT_KEY_WEAK'], [jwk(rsa, { e: 'AQAA' }), 'JWT_KEY_WEAK'], [jwk(rsa, { e: '' }), 'JWT_KEY_WEAK'],
    [jwk(generatePair('rsa', 1024)), 'JWT_KEY_WEAK'], [jwk(generatePair('ec', 'secp256k1')), 'JWT_KEY_UNUSABLE'],
    [jwk(generatePair('x25519')), 'JWT_KEY_UNUSABLE'], [jwk(rsa, { n: `${String(jwk(rsa).n)}=` }), 'JWT_KEY_MALFORMED'],
    [jwk(rsa, { kid: 7 }), 'JWT_KEY_MALFORMED'], ['text', 'JWT_KEY_UNUSABLE'], [null, 'JWT_KEY_UNUSABLE'], [[], 'JWT_KEY_UNUSABLE'],
  ]
  for (const [key, code] of useless) {
    const set = parse(key, jwk(ec, { kid: 'good' }))
    assert.deepEqual(set.keys.map(({ kid }) => kid), ['good'])
    assert.deepEqual(set.skipped.map((skipped) => skipped.code), [code], JSON.stringify(key))
    throws(() => parse(key), code)
  }
  assert.deepEqual(parse(jwk(rsa, { kid: 'old', use: 'enc' }), jwk(ec)).skipped, [{ kid: 'old', code: 'JWT_KEY_UNUSABLE' }])
  throws(() => parse(oct(31)), 'JWT_KEY_UNUSABLE')
  throws(() => parse(oct(32, { alg: 'HS384' })), 'JWT_KEY_UNUSABLE')
  throws(() => parse({ kty: 'oct', k: '' }), 'JWT_KEY_UNUSABLE')
})

test('parseJwkSet() refuses a set with a private key in it, whatever the key is for', () => {
  for (const pair of [rsa, ec, ed]) {
    const key = pair.privateKey.export({ format: 'jwk' })
    throws(() => parse(jwk(otherRsa), { ...key, use: 'enc' }), 'JWT_KEY_PRIVATE')
  }
})

test('parseJwkSet() refuses secrets beside public keys', () => {
  throws(() => parse(jwk(rsa), oct(32)), 'JWT_KEYS_MIXED')
  throws(() => parse(oct(16, { alg: 'A128KW' }), jwk(rsa)), 'JWT_KEYS_MIXED')
})

test('parseJwkSet() refuses what is no set, and sets beyond the limits', () => {
  for (const text of ['', 'null', '1', '[]', '{}', '{"keys":{}}', '{"keys":null}', '{"keys":[],"keys":[]}', '{"keys":[]']) throws(() => parseJwkSet(text), 'JWT_KEYS_MALFORMED')
  throws(() => parse(), 'JWT_KEYS_EMPTY')
  throws(() => parseJwkSet(' '.repeat(262_145)), 'JWT_KEYS_TOO_LARGE')
  throws(() => parseJwkSet(Buffer.alloc(262_145)), 'JWT_KEYS_TOO_LARGE')
  throws(() => parse(...Array.from({ length: 101 }, () => jwk(ec))), 'JWT_KEYS_TOO_LARGE')
  throws(() => parseJwkSet('{"keys":[1,2]}', { maxKeys: 1 }), 'JWT_KEYS_TOO_LARGE')
  assert.equal(parseJwkSet(Buffer.from(JSON.stringify({ keys: [jwk(ec)], extra: 1 }))).keys.length, 1)
})

test('parseJwkSet() throws nothing but JwtError, whatever a member holds', () => {
  const hostile: readonly unknown[] = [null, true, 0, -1, 1e308, '', ' ', '=', 'AA', '__proto__', '\u0000', 'x'.repeat(5000), [], {}, [[]], ['verify'], { toString: 1 }]
  for (const key of [jwk(rsa), jwk(ec), jwk(ed), oct(32)]) {
    for (const name of [...Object.keys(key), 'use', 'key_ops', 'alg', 'kid', 'd', '__proto__', 'constructor']) {
      for (const value of hostile) {
        const entries = [...Object.entries(key).filter(([other]) => other !== name), [name, value]].map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`)
        try {
          parseJwkSet(`{"keys":[{${entries.join(',')}}]}`)
        } catch (error) {
          assert.ok(error instanceof JwtError, `${name}: ${String(error)}`)
        }
      }
    }
  }
})

test('keySetFromSecret() serves the algorithms that the length allows', () => {
  for (const [bytes, names] of [[32, ['HS256']], [47, ['HS256']], [48, ['HS256', 'HS384']], [64, ['HS256', 'HS384', 'HS512']]] as const) {
    assert.deepEqual([...keySetFromSecret(randomBytes(bytes)).algorithms], names)
  }
  for (const bytes of [0, 1, 31]) throws(() => keySetFromSecret(randomBytes(bytes)), 'JWT_KEY_WEAK')
})

/** Self-signed, of a P-256 key that nobody kept. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBczCCARmgAwIBAgIUES3hyJsCX4fAt5f8A2FVrj2/yJUwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjMwNDUxMTFaFw0zNjExMjAwNDUxMTFa
MA8xDTALBgNVBAMMBHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARppSmu
+kOlSfQg11z1DmGyiYAb+CVu1MtoubtmX50X8mlcI0DKijtM2etMd8pardU90UsZ
/7tNFHZjL0511WUgo1MwUTAdBgNVHQ4EFgQUz3QxLju+wZHY7zobQXXKQGf01Q8w
HwYDVR0jBBgwFoAUz3QxLju+wZHY7zobQXXKQGf01Q8wDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNIADBFAiBXJEUEBw2vMUtlhBzELJNE/dMYkkJxsBEmME7o
ObrfgwIhANeyBXdM+ZLQKHtgIG37DvEFMO8un2GKF2h8okmlP4FD
-----END CERTIFICATE-----
`

test('keySetFromPem() takes one public key, and never a private one', () => {
  const pem = (pair: Pair) => pair.publicKey.export({ type: 'spki', format: 'pem' }).toString()
  assert.deepEqual([...keySetFromPem(pem(ec)).algorithms], ['ES256'])
  assert.deepEqual([...keySetFromPem(CERTIFICATE).algorithms], ['ES256'])
  assert.deepEqual([...keySetFromPem(`a comment\n${pem(ed).replaceAll('\n', '\r\n')}`).algorithms], ['EdDSA', 'Ed25519'])
  assert.equal(keySetFromPem(rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString()).algorithms.size, 6)
  throws(() => keySetFromPem(rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()), 'JWT_KEY_PRIVATE')
  throws(() => keySetFromPem(rsa.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()), 'JWT_KEY_PRIVATE')
  throws(() => keySetFromPem(ec.privateKey.export({ type: 'sec1', format: 'pem' }).toString()), 'JWT_KEY_PRIVATE')
  throws(() => keySetFromPem(pem(ec) + ec.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()), 'JWT_KEY_PRIVATE')
  throws(() => keySetFromPem(pem(ec) + pem(ed)), 'JWT_KEY_MALFORMED')
  for (const text of ['', 'secret', pem(ec).slice(0, 60), CERTIFICATE.replace('MII', 'MIA')]) throws(() => keySetFromPem(text), 'JWT_KEY_MALFORMED')
  throws(() => keySetFromPem(pem(generatePair('rsa', 1024))), 'JWT_KEY_WEAK')
  throws(() => keySetFromPem(pem(generatePair('rsa-pss'))), 'JWT_KEY_UNUSABLE')
  throws(() => keySetFromPem(pem(generatePair('ec', 'secp256k1'))), 'JWT_KEY_UNUSABLE')
})

test('chooseKey() finds the one key for a header, or names the reason', () => {
  const set = parse(jwk(rsa, { kid: 'a', alg: 'RS256' }), jwk(otherRsa, { kid: 'b' }), jwk(ec, { kid: 'b' }), jwk(ed, { kid: '__proto__' }))
  const chosen = (alg: string, kid?: string) => {
    const { key } = chooseKey(set, kid === undefined ? { alg } : { alg, kid })
    return [rsa, otherRsa, ec, ed].findIndex(({ publicKey }) => publicKey.equals(createPublicKey(key.export({ type: 'spki', format: 'pem' }).toString())))
  }
  assert.deepEqual([chosen('RS256', 'a'), chosen('RS256', 'b'), chosen('ES256', 'b'), chosen('EdDSA', '__proto__'), chosen('ES256')], [0, 1, 2, 3, 2])
  throws(() => chosen('RS256', 'c'), 'JWT_KEY_UNKNOWN')
  throws(() => chosen('RS256', 'constructor'), 'JWT_KEY_UNKNOWN')
  throws(() => chosen('RS256', 'A'), 'JWT_KEY_UNKNOWN')
  throws(() => chosen('PS256', 'a'), 'JWT_KEY_MISMATCH')
  throws(() => chosen('HS256', 'b'), 'JWT_KEY_MISMATCH')
  throws(() => chosen('none'), 'JWT_KEY_MISMATCH')
  throws(() => chosen('RS256'), 'JWT_KEY_AMBIGUOUS')
  throws(() => chooseKey(parse(jwk(rsa, { kid: 'k' }), jwk(otherRsa, { kid: 'k' })), { alg: 'RS256', kid: 'k' }), 'JWT_KEY_AMBIGUOUS')
})

test('chooseKey() passes over the "kid" of a token where no key has one', () => {
  assert.equal(chooseKey(keySetFromSecret(randomBytes(32)), { alg: 'HS256', kid: 'any' }).kid, undefined)
  assert.equal(chooseKey(parse(jwk(ec)), { alg: 'ES256', kid: 'any' }).kid, undefined)
  throws(() => chooseKey(parse(jwk(ec), jwk(rsa, { kid: 'r' })), { alg: 'ES256', kid: 'any' }), 'JWT_KEY_UNKNOWN')
})

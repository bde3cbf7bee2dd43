import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { test } from 'node:test'
import {
  ALGORITHMS, JwtError, checkClaims, chooseKey, createSignature, isAlgorithm, keySetFromPem, keySetFromSecret, parseClaims, parseCompact, parseJwkSet,
  secretWeakness, sign, signingKey, thumbprint, verify, verifyCompact, verifySignature,
} from '../../src/jwt/index.ts'
import type { AlgorithmName, Claims, KeySet } from '../../src/jwt/index.ts'
import { generatePair } from './keys.ts'

const NOW = 1_750_000_000
const CLAIMS: Claims = { iss: 'https://idp.example', aud: 'proxy', sub: 'a', iat: NOW - 10, exp: NOW + 900 }

/** One pair for each kind of key: to sign with, and the set that a service would hold. */
const secret = signingKey(randomBytes(64))
const rsa = generatePair('rsa').privateKey
const curves = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' } as const
const ec = Object.fromEntries(Object.entries(curves).map(([alg, namedCurve]) => [alg, generatePair('ec', namedCurve).privateKey]))
const ed = generatePair('ed25519').privateKey
const signer = (alg: AlgorithmName): KeyObject => (alg.startsWith('HS') ? secret : alg.startsWith('Ed') ? ed : ec[alg] ?? rsa)

const PUBLIC = ['kty', 'crv', 'x', 'y', 'n', 'e', 'k']
const publicJwk = (key: KeyObject) => Object.fromEntries(Object.entries(key.export({ format: 'jwk' })).filter(([name]) => PUBLIC.includes(name)))
const keySet = (alg: AlgorithmName): KeySet => parseJwkSet(JSON.stringify({ keys: [{ ...publicJwk(signer(alg)), kid: 'k', alg }] }))
const rules = (alg: AlgorithmName) => ({ keys: keySet(alg), algorithms: [alg], issuer: 'https://idp.example', audiences: ['proxy'], leewayS: 0 })

const accepted = (token: string, keys: ReturnType<typeof rules>): boolean => {
  try {
    verify(token, keys, NOW)
    return true
  } catch (error) {
    assert.ok(error instanceof JwtError, String(error))
    return false
  }
}

test('verify() accepts what sign() made, with every algorithm, and no other algorithm or key', () => {
  for (const alg of ALGORITHMS) {
    const token = sign(CLAIMS, signer(alg), { alg, kid: 'k' })
    const { header, claims } = verify(token, rules(alg), NOW)
    assert.deepEqual([header, claims], [{ alg, typ: 'JWT', kid: 'k' }, CLAIMS])
    for (const other of ALGORITHMS.filter((name) => name !== alg)) {
      assert.throws(() => verify(token, rules(other), NOW), { code: 'JWT_ALG_REFUSED' })
      assert.throws(() => verify(token, { ...rules(other), algorithms: ALGORITHMS }, NOW), { code: 'JWT_KEY_MISMATCH' })
    }
    assert.throws(() => verify(sign(CLAIMS, signer(alg), { alg, kid: 'j' }), rules(alg), NOW), { code: 'JWT_KEY_UNKNOWN' })
  }
})

test('verify() looks at the claims only after the signature', () => {
  const token = sign({ exp: 1 }, secret, { alg: 'HS256', kid: 'k' })
  assert.throws(() => verify(token, rules('HS256'), NOW), { code: 'JWT_EXPIRED' })
  assert.throws(() => verify(`${token.slice(0, -4)}AAAA`, rules('HS256'), NOW), { code: 'JWT_SIGNATURE_INVALID' })
  assert.throws(() => verify(token, { ...rules('HS256'), maxBytes: 10 }, NOW), { code: 'JWT_TOO_LARGE' })
})

test('the pieces of verify() let the issuer choose the keys', () => {
  const issuers = new Map([['https://idp.example', rules('ES256')]])
  const compact = parseCompact(sign(CLAIMS, signer('ES256'), { alg: 'ES256', kid: 'k' }))
  const claims = parseClaims(compact)
  const found = issuers.get(String(claims.iss))
  assert.ok(found)
  verifyCompact(compact, found)
  assert.equal(checkClaims(claims, found, NOW).exp, NOW + 900)
})

test('verify() never takes a public key for a secret', () => {
  const pem = rsa.export({ type: 'pkcs8', format: 'pem' }).toString()
  const spki = generatePair('rsa').publicKey
  const keys = keySetFromPem(spki.export({ type: 'spki', format: 'pem' }).toString())
  for (const bytes of [spki.export({ type: 'spki', format: 'pem' }).toString(), spki.export({ type: 'spki', format: 'der' }), pem]) {
    const token = sign(CLAIMS, signingKey(Buffer.from(bytes)), { alg: 'HS256' })
    assert.throws(() => verify(token, { keys, algorithms: ALGORITHMS }, NOW), { code: 'JWT_KEY_MISMATCH' })
  }
  assert.throws(() => verifySignature('HS256', spki, Buffer.from('x'), Buffer.alloc(32)), { code: 'JWT_KEY_MISMATCH' })
  assert.throws(() => createSignature('HS512', signingKey(randomBytes(63)), Buffer.from('x')), { code: 'JWT_KEY_MISMATCH' })
  assert.throws(() => verifySignature('none' as AlgorithmName, spki, Buffer.from('x'), Buffer.alloc(0)), { code: 'JWT_KEY_MISMATCH' })
})

test('verify() refuses every truncation and every single flipped bit of a token', () => {
  for (const alg of ALGORITHMS) {
    const keys = rules(alg)
    const token = sign(CLAIMS, signer(alg), { alg, kid: 'k' })
    assert.equal(accepted(token, keys), true)
    // Public-key verification is dear: there, one bit in nine is enough.
    const stride = alg.startsWith('HS') ? 1 : 9
    for (let at = 0; at < token.length * 8; at += stride) {
      const flipped = Buffer.from(token)
      flipped[at >> 3] = (flipped[at >> 3] as number) ^ (1 << (at & 7))
      assert.equal(accepted(flipped.toString('latin1'), keys), false, `${alg} bit ${at}`)
    }
    for (let length = 0; length < token.length; length++) assert.equal(accepted(token.slice(0, length), keys), false, `${alg} cut at ${length}`)
  }
})

test('verify() refuses every splice of valid tokens', () => {
  const keys = rules('HS256')
  const tokens = ['a', 'b', 'c'].flatMap((sub) => (['HS256', 'HS384'] as const).map((alg) => sign({ ...CLAIMS, sub }, secret, { alg, kid: 'k' })))
  const valid = new Set(tokens)
  const parts = tokens.map((token) => token.split('.'))
  for (const [header] of parts) for (const [, payload] of parts) for (const [, , signature] of parts) {
    const spliced = [header, payload, signature].join('.')
    if (!valid.has(spliced)) assert.equal(accepted(spliced, keys), false)
  }
  let state = 7
  const random = (below: number) => (state = (state * 48271) % 0x7fffffff) % below
  for (let round = 0; round < 10_000; round++) {
    const [one, two] = [tokens[random(tokens.length)] as string, tokens[random(tokens.length)] as string]
    const from = random(one.length)
    const spliced = one.slice(0, from) + two.slice(random(two.length), random(two.length)) + one.slice(from + random(4))
    if (!valid.has(spliced)) assert.equal(accepted(spliced, keys), false, spliced)
  }
})

test('every function of the door answers wrong types with TypeError or JwtError', () => {
  const hostile: readonly unknown[] = [undefined, null, true, 0, NaN, 1n, '', 'x', '..', Symbol('x'), [], {}, () => 1, new Date(0), new Map(), /x/, Object.create(null)]
  const good = parseCompact(sign(CLAIMS, secret, { alg: 'HS256', kid: 'k' }))
  const functions: readonly ((value: never) => unknown)[] = [
    parseCompact, parseClaims, parseJwkSet, keySetFromPem, keySetFromSecret, signingKey, thumbprint, secretWeakness, isAlgorithm,
    (value) => verify(value, rules('HS256'), NOW), (value) => verify('a.b.c', value, NOW), (value) => verifyCompact(value, rules('HS256')),
    (value) => verifyCompact(good, value), (value) => checkClaims(value, {}, NOW), (value) => checkClaims(CLAIMS, value, NOW),
    (value) => checkClaims(CLAIMS, {}, value), (value) => chooseKey(value, { alg: 'HS256' }), (value) => sign(value, secret, { alg: 'HS256' }),
    (value) => sign(CLAIMS, value, { alg: 'HS256' }), (value) => sign(CLAIMS, secret, value), (value) => verifySignature(value, secret, Buffer.alloc(1), Buffer.alloc(1)),
    (value) => verifySignature('HS256', value, Buffer.alloc(1), Buffer.alloc(1)), (value) => verifySignature('HS256', secret, value, Buffer.alloc(1)),
  ]
  for (const [index, run] of functions.entries()) {
    for (const value of hostile) {
      try {
        run(value as never)
      } catch (error) {
        assert.ok(error instanceof TypeError || error instanceof JwtError, `${index}, ${typeof value}: ${String(error)}`)
      }
    }
  }
})

test('no message of an error holds a part of the token or key', () => {
  const words = /hunter2|sensitive/
  const encode = (text: string) => Buffer.from(text).toString('base64url')
  const runs: readonly (() => unknown)[] = [
    () => parseCompact('hunter2.sensitive'), () => parseCompact(`${encode('{"alg":"hunter2"')}.e30.`), () => parseCompact(`${encode('{"alg":"HS256","typ":"hunter2"}')}.e30.`),
    () => verify(`${encode('{"alg":"hunter2"}')}.e30.`, rules('HS256'), NOW), () => verify(`${encode('{"alg":"HS256","kid":"hunter2"}')}.e30.`, rules('HS256'), NOW),
    () => checkClaims({ ...CLAIMS, iss: 'sensitive' }, rules('HS256'), NOW), () => checkClaims({ ...CLAIMS, aud: 'sensitive' }, rules('HS256'), NOW),
    () => checkClaims({ ...CLAIMS, exp: 'hunter2' }, {}, NOW), () => checkClaims(CLAIMS, { required: ['hunter2'] }, NOW), () => keySetFromPem('hunter2'),
    () => keySetFromSecret(Buffer.from('hunter2')), () => parseJwkSet('{"keys":[{"kty":"hunter2"}]}'), () => signingKey('hunter2'),
  ]
  for (const run of runs) assert.throws(run, (error) => error instanceof JwtError && !words.test(error.message))
})

test('signingKey() takes PEM, JWK and bytes, and refuses what it cannot sign with', () => {
  const forms = [rsa.export({ type: 'pkcs8', format: 'pem' }).toString(), { ...rsa.export({ format: 'jwk' }) }]
  for (const form of forms) assert.equal(accepted(sign(CLAIMS, signingKey(form), { alg: 'RS256', kid: 'k' }), rules('RS256')), true)
  assert.equal(accepted(sign(CLAIMS, signingKey({ ...secret.export({ format: 'jwk' }) }), { alg: 'HS256', kid: 'k' }), rules('HS256')), true)
  assert.equal(accepted(sign(CLAIMS, signingKey(secret.export()), { alg: 'HS256', kid: 'k' }), rules('HS256')), true)
  for (const material of ['', 'x', {}, { kty: 'oct' }, { kty: 'oct', k: 'A' }, publicJwk(rsa)]) assert.throws(() => signingKey(material), { code: 'JWT_KEY_MALFORMED' })
  assert.throws(() => signingKey(generatePair('rsa', 1024).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()), { code: 'JWT_KEY_WEAK' })
  assert.throws(() => sign(CLAIMS, rsa, { alg: 'ES256' }), { code: 'JWT_KEY_MISMATCH' })
})

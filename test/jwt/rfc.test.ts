import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALGORITHMS, JwtError, createSignature, isAlgorithm, parseCompact, parseJwkSet, signingKey, thumbprint, verifyCompact } from '../../src/jwt/index.ts'
import type { Jwk } from '../../src/jwt/index.ts'
import { conformance, readJson } from '../kit/vectors.ts'

interface Case {
  readonly name: string
  readonly alg: string | readonly string[]
  readonly key: Jwk | readonly Jwk[] | null
  readonly token: string | object
  readonly payload_utf8?: string
  readonly expect: 'accept' | 'reject'
  readonly reproducible?: boolean
}
interface Sets {
  readonly thumbprints: readonly { readonly name: string; readonly jwk: Jwk; readonly thumbprint: string }[]
  readonly jwks: readonly { readonly name: string; readonly jwks: { readonly keys: readonly Jwk[] } }[]
}

/** The documents show private keys; a service is given the public half. */
const PRIVATE = new Set(['d', 'p', 'q', 'dp', 'dq', 'qi'])
const publicHalf = (jwk: Jwk): Jwk => Object.fromEntries(Object.entries(jwk).filter(([name]) => !PRIVATE.has(name)))

/** What becomes of each set as the documents print it: the number of keys used, or the reason it is refused. */
const SETS: Readonly<Record<string, number | string>> = {
  'jwks_rfc7515_A.6.jwkset': 'JWT_KEY_PRIVATE',
  'jwks_rfc7517_A.1.jwkset': 1, // the other is for encryption
  'jwks_rfc7517_A.2.jwkset': 'JWT_KEY_PRIVATE',
  'jwks_rfc7517_A.3.jwkset': 1, // the other is for key wrapping
  'jwks_rfc7520_4.8.jwkset': 'JWT_KEYS_MIXED', // and private
}

conformance('jose-rfc', (folder) => {
  for (const { name, alg, key, token, payload_utf8: payload, expect, reproducible } of readJson<readonly Case[]>(folder, 'open', 'cases.json')) {
    const text = typeof token === 'string' ? token : JSON.stringify(token)
    const set = () => parseJwkSet(JSON.stringify({ keys: (key === null ? [] : [key].flat() as Jwk[]).map(publicHalf) }))
    test(`jose-rfc: ${name}: ${expect}`, () => {
      if (expect === 'reject') {
        assert.throws(() => verifyCompact(parseCompact(text), { keys: set(), algorithms: ALGORITHMS }), JwtError)
        return
      }
      const compact = parseCompact(text)
      verifyCompact(compact, { keys: set(), algorithms: [alg].flat().filter(isAlgorithm) })
      if (payload !== undefined) assert.equal(compact.payload.toString(), payload)
      if (reproducible === true && isAlgorithm(alg)) {
        assert.deepEqual(createSignature(alg, signingKey(key as Jwk), compact.signingInput), compact.signature)
      }
    })
  }

  const { thumbprints, jwks } = readJson<Sets>(folder, 'open', 'jwks-and-thumbprint.json')
  for (const { name, jwk, thumbprint: expected } of thumbprints) {
    test(`jose-rfc: ${name}`, () => assert.equal(thumbprint(jwk), expected))
  }
  for (const { name, jwks: keys } of jwks) {
    const expected = SETS[name]
    test(`jose-rfc: ${name}: ${expected ?? 'a set or a named refusal'}`, () => {
      if (typeof expected === 'string') assert.throws(() => parseJwkSet(JSON.stringify(keys)), { name: 'JwtError', code: expected })
      else assert.equal(parseJwkSet(JSON.stringify(keys)).keys.length, expected)
      const asymmetric = keys.keys.filter(({ kty, use }) => kty !== 'oct' && use !== 'enc').map(publicHalf)
      if (asymmetric.length > 0) assert.equal(parseJwkSet(JSON.stringify({ keys: asymmetric })).keys.length, asymmetric.length)
    })
  }
})

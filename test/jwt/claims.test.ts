import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JwtError, checkClaims } from '../../src/jwt/index.ts'
import type { Claims, ClaimRules, JwtErrorCode } from '../../src/jwt/index.ts'

const NOW = 1_750_000_000
const GOOD: Claims = { iss: 'https://idp.example', aud: 'proxy', sub: 'a', iat: NOW - 10, nbf: NOW - 10, exp: NOW + 900 }
const RULES: ClaimRules = { issuer: 'https://idp.example', audiences: ['proxy', 'proxy-b'], leewayS: 60 }

const outcome = (change: Claims, rules: ClaimRules = {}): JwtErrorCode | undefined => {
  try {
    const claims = { ...GOOD, ...change }
    assert.equal(checkClaims(claims, { ...RULES, ...rules }, NOW), claims)
    return undefined
  } catch (error) {
    assert.ok(error instanceof JwtError, String(error))
    return error.code
  }
}
const table = (rows: readonly (readonly [Claims, JwtErrorCode | undefined])[], rules: ClaimRules = {}) => {
  for (const [change, code] of rows) assert.equal(outcome(change, rules), code, JSON.stringify(change))
}

test('checkClaims() accepts up to the second before "exp" plus leeway, and not on it', () => {
  const iat = NOW - 100
  table([[{ iat, exp: NOW - 59 }, undefined], [{ iat, exp: NOW - 60 }, 'JWT_EXPIRED'], [{ exp: 0 }, 'JWT_EXPIRED'], [{ exp: -1 }, 'JWT_EXPIRED'], [{ exp: NOW + 0.5 }, undefined]])
  assert.equal(outcome({ exp: NOW }, { leewayS: 0 }), 'JWT_EXPIRED')
  assert.equal(outcome({ exp: NOW + 1 }, { leewayS: 0 }), undefined)
})

test('checkClaims() has a leeway of 60 seconds unless told otherwise', () => {
  assert.equal(outcome({ nbf: NOW + 60 }, { leewayS: undefined }), undefined)
  assert.equal(outcome({ nbf: NOW + 61 }, { leewayS: undefined }), 'JWT_NOT_YET_VALID')
})

test('checkClaims() refuses the future, and a token issued after its own end', () => {
  table([[{ nbf: NOW + 60 }, undefined], [{ nbf: NOW + 61 }, 'JWT_NOT_YET_VALID'], [{ iat: NOW + 60 }, undefined], [{ iat: NOW + 61 }, 'JWT_NOT_YET_VALID'],
    [{ iat: NOW + 5, exp: NOW + 4 }, 'JWT_CLAIM_INVALID'], [{ nbf: undefined, iat: undefined }, undefined]])
})

test('checkClaims() wants times to be numbers of seconds', () => {
  for (const name of ['exp', 'nbf', 'iat']) {
    for (const value of [null, '', `${NOW + 900}`, true, [NOW + 900], {}, NaN, Infinity, -Infinity, 1e59, (NOW + 900) * 1000]) {
      assert.equal(outcome({ [name]: value }), 'JWT_CLAIM_INVALID', `${name}: ${String(value)}`)
    }
  }
  assert.equal(outcome({ exp: undefined }), 'JWT_CLAIM_MISSING')
  assert.throws(() => checkClaims(GOOD, RULES, NaN), TypeError)
})

test('checkClaims() measures the lifetime from "iat", or from now', () => {
  table([[{ iat: NOW - 100, exp: NOW + 900 }, undefined], [{ iat: NOW - 101, exp: NOW + 900 }, 'JWT_LIFETIME_TOO_LONG'],
    [{ iat: undefined, exp: NOW + 1000 }, undefined], [{ iat: undefined, exp: NOW + 1001 }, 'JWT_LIFETIME_TOO_LONG']], { maxLifetimeS: 1000 })
})

test('checkClaims() compares the issuer character by character', () => {
  for (const iss of [undefined, 'https://idp.example/', 'HTTPS://IDP.EXAMPLE', 'https://idp.example.evil', 'https://idp\u3002example', 'https://idp.exampl']) {
    assert.equal(outcome({ iss }), 'JWT_ISSUER_MISMATCH', String(iss))
  }
  for (const iss of [null, ['https://idp.example'], 1, '']) assert.equal(outcome({ iss }), 'JWT_CLAIM_INVALID')
  assert.equal(outcome({ iss: 'anyone' }, { issuer: undefined }), undefined)
})

test('checkClaims() finds the audience whole, in a string or a list of strings', () => {
  table([[{ aud: ['x', 'proxy-b'] }, undefined], [{ aud: [] }, 'JWT_AUDIENCE_MISMATCH'], [{ aud: 'prox' }, 'JWT_AUDIENCE_MISMATCH'],
    [{ aud: 'proxy-2' }, 'JWT_AUDIENCE_MISMATCH'], [{ aud: 'proxy proxy-b' }, 'JWT_AUDIENCE_MISMATCH'], [{ aud: undefined }, 'JWT_CLAIM_INVALID'],
    [{ aud: null }, 'JWT_CLAIM_INVALID'], [{ aud: 1 }, 'JWT_CLAIM_INVALID'], [{ aud: { proxy: 1 } }, 'JWT_CLAIM_INVALID'],
    [{ aud: ['proxy', 1] }, 'JWT_CLAIM_INVALID'], [{ aud: [['proxy']] }, 'JWT_CLAIM_INVALID']])
  assert.equal(outcome({ aud: 'anyone' }, { audiences: undefined }), undefined)
})

test('checkClaims() wants names to be strings that are not empty and not endless', () => {
  for (const name of ['sub', 'jti']) {
    for (const value of ['', 1, null, {}, ['a'], true, 'x'.repeat(1025)]) assert.equal(outcome({ [name]: value }), 'JWT_CLAIM_INVALID', name)
    for (const value of [undefined, 'x'.repeat(1024), '__proto__', 'a\r\nb']) assert.equal(outcome({ [name]: value }), undefined, name)
  }
})

test('checkClaims() wants each required claim to be there itself', () => {
  const required = ['email', 'constructor']
  assert.equal(outcome({ email: 'a' }, { required }), 'JWT_CLAIM_MISSING')
  assert.equal(outcome({ email: null, constructor: 1 }, { required }), 'JWT_CLAIM_MISSING')
  assert.equal(outcome({ email: false, constructor: 1 }, { required }), undefined)
})

import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { test } from 'node:test'
import { ALGORITHMS, JwtError, keySetFromPem, parseCompact, parseJwkSet, verifyCompact, verifySignature } from '../../src/jwt/index.ts'
import type { AlgorithmName, Jwk } from '../../src/jwt/index.ts'
import { conformance, readJson } from '../kit/vectors.ts'

interface Vector { readonly tcId: number; readonly comment: string; readonly result: 'valid' | 'invalid' }
interface TokenGroup { readonly public?: Jwk; readonly private?: Jwk; readonly tests: readonly (Vector & { readonly jws: string })[] }
interface SignatureGroup { readonly publicKeyPem: string; readonly tests: readonly (Vector & { readonly msg: string; readonly sig: string })[] }
interface Waivers { readonly waived: Readonly<Record<string, string>> }

const accepts = (token: string, keys: unknown, algorithms: readonly AlgorithmName[]): boolean => {
  try {
    verifyCompact(parseCompact(token), { keys: parseJwkSet(JSON.stringify(keys)), algorithms })
    return true
  } catch (error) {
    assert.ok(error instanceof JwtError, String(error))
    return false
  }
}

/** Of the primitive files, which "alg" each is about. */
const PRIMITIVES: readonly [string, AlgorithmName][] = [
  ['ecdsa_secp256r1_sha256_p1363', 'ES256'], ['ecdsa_secp384r1_sha384_p1363', 'ES384'], ['ecdsa_secp521r1_sha512_p1363', 'ES512'],
  ['ed25519', 'EdDSA'],
  ['rsa_pss_2048_sha256_mgf1_32', 'PS256'], ['rsa_pss_2048_sha384_mgf1_48', 'PS384'], ['rsa_pss_4096_sha512_mgf1_64', 'PS512'],
  ['rsa_signature_2048_sha256', 'RS256'], ['rsa_signature_3072_sha384', 'RS384'], ['rsa_signature_4096_sha512', 'RS512'],
]

conformance('jws-wycheproof', (folder) => {
  const groups = <T>(file: string) => readJson<{ testGroups: readonly T[] }>(folder, 'open', `${file}_test.json`).testGroups
  const { waived } = readJson<Waivers>(folder, 'open', 'waivers.json')

  for (const group of groups<TokenGroup>('json_web_signature')) {
    // A service holds the public half; a secret has none.
    const key = group.public ?? group.private ?? {}
    const algorithms = ALGORITHMS.filter((name) => key.alg === undefined || key.alg === name)
    for (const { tcId, comment, result, jws } of group.tests) {
      const reason = waived[tcId]
      const expected = reason === undefined ? result === 'valid' : result !== 'valid'
      test(`json_web_signature ${tcId}: ${comment} is ${expected ? 'accepted' : 'refused'}${reason === undefined ? '' : ` (waived: ${reason})`}`, () => {
        assert.equal(accepts(jws, { keys: [key] }, algorithms), expected)
      })
    }
  }

  for (const group of groups<TokenGroup>('json_web_key')) {
    for (const { tcId, comment, result, jws } of group.tests) {
      test(`json_web_key ${tcId}: ${comment} is ${result}`, () => {
        assert.equal(accepts(jws, group.public ?? group.private, ALGORITHMS), result === 'valid')
      })
    }
  }

  for (const [file, alg] of PRIMITIVES) {
    test(`${file}: ${alg} agrees with every vector`, () => {
      for (const group of groups<SignatureGroup>(file)) {
        const key = createPublicKey(group.publicKeyPem)
        for (const { tcId, result, msg, sig } of group.tests) {
          assert.equal(verifySignature(alg, key, Buffer.from(msg, 'hex'), Buffer.from(sig, 'hex')), result === 'valid', `${file} ${tcId}`)
        }
        assert.equal(keySetFromPem(group.publicKeyPem).algorithms.has(alg), true)
      }
    })
  }
})

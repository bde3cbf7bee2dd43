import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JwtError, checkClaims, isAlgorithm, keySetFromPem, parseClaims, parseCompact, parseJwkSet, verify, verifyCompact } from '../../src/jwt/index.ts'
import type { KeySet } from '../../src/jwt/index.ts'
import { conformance, readJson } from '../kit/vectors.ts'

interface Case {
  readonly name: string
  readonly token: string
  readonly keyset: string
  readonly expect: 'accept' | 'reject'
  readonly level: 'must' | 'policy'
  readonly config: {
    readonly algorithms: readonly string[]
    readonly issuer: string
    readonly audience: string
    readonly now: number
    readonly leeway: number
    readonly require: readonly string[]
    readonly max_lifetime?: number
  }
}
interface Suite {
  readonly keysets: Readonly<Record<string, object>>
  readonly pems: Readonly<Record<string, string>>
  readonly cases: readonly Case[]
}

/** Where we decide otherwise than a `policy` case recommends, and why. All are refusals of what it would accept. */
const DEVIATIONS: readonly [RegExp, string][] = [
  [/^nokid-two-candidates-/, 'two keys fit and no "kid" chooses: keys are not tried in turn, the issuer must name the key'],
  [/^claim-exp-milliseconds$/, 'such a token would live for 53,000 years: an "exp" beyond the year 9999 is not in seconds'],
  [/^payload-lone-surrogate$/, 'a lone surrogate cannot be written to a log or header and read back as it was'],
  [/^zip-header$/, '"zip" would change what the payload means, so it is refused rather than passed over'],
]

conformance('jwt-attacks-derived', (folder) => {
  const { keysets, pems, cases } = readJson<Suite>(folder, 'open', 'cases.json')

  const outcomes = (item: Case, keys: () => KeySet): string[] => {
    const { config } = item
    const rules = {
      algorithms: config.algorithms.filter(isAlgorithm), issuer: config.issuer, audiences: [config.audience],
      leewayS: config.leeway, required: config.require, maxLifetimeS: config.max_lifetime,
    }
    const whole = () => verify(item.token, { ...rules, keys: keys() }, config.now)
    const inPieces = () => {
      const compact = parseCompact(item.token)
      const claims = parseClaims(compact)
      verifyCompact(compact, { ...rules, keys: keys() })
      checkClaims(claims, rules, config.now)
    }
    return [whole, inPieces].map((run) => {
      try {
        run()
        return 'accept'
      } catch (error) {
        assert.ok(error instanceof JwtError, String(error))
        return 'reject'
      }
    })
  }

  for (const item of cases) {
    const reason = item.level === 'policy' ? DEVIATIONS.find(([pattern]) => pattern.test(item.name))?.[1] : undefined
    const expected = reason === undefined ? item.expect : 'reject'
    test(`jwt-attacks: ${item.name}: ${expected}${reason === undefined ? '' : ` (${reason})`}`, () => {
      assert.deepEqual(outcomes(item, () => parseJwkSet(JSON.stringify(keysets[item.keyset]))), [expected, expected])
    })
  }

  for (const [name, pem] of Object.entries(pems)) {
    test(`jwt-attacks: with the PEM of ${name} in place of its JWK, nothing more is accepted`, () => {
      for (const item of cases.filter(({ keyset }) => keyset === name)) {
        const jwk = outcomes(item, () => parseJwkSet(JSON.stringify(keysets[name])))
        const bare = outcomes(item, () => keySetFromPem(pem))
        // A PEM carries neither "kid" nor "alg", so these two rules of the JWK are not there to break.
        if (/^(kid-|confusion-rs256-with-ps|confusion-ps256-with-rs)/.test(item.name)) continue
        assert.deepEqual(bare, jwk, item.name)
      }
    })
  }
})

import { verifySignature } from './algorithms.ts'
import type { AlgorithmName } from './algorithms.ts'
import { checkClaims } from './claims.ts'
import type { CheckedClaims, ClaimRules } from './claims.ts'
import { parseClaims, parseCompact } from './compact.ts'
import type { Compact, JoseHeader } from './compact.ts'
import { JwtError } from './error.ts'
import { chooseKey } from './keyset.ts'
import type { KeySet } from './keyset.ts'

export interface SignatureRules {
  readonly keys: KeySet
  /** The only `alg` values accepted, whatever the keys could do. */
  readonly algorithms: readonly AlgorithmName[]
}

export interface VerifyRules extends SignatureRules, ClaimRules {
  /** The largest token looked at; 8192 by default. */
  readonly maxBytes?: number | undefined
}

export interface Verified {
  readonly header: JoseHeader
  readonly claims: CheckedClaims
}

/**
 * Verifies a JWT (RFC 7519 section 7.2): form, signature, claims.
 *
 *     verify(token, { keys, algorithms: ['RS256'], issuer, audiences: ['bedrock'] }, Date.now() / 1000).claims.sub
 *
 * The same in pieces, where the issuer is to choose the keys: `parseCompact`, `parseClaims`, `verifyCompact`, `checkClaims`.
 *
 * @throws JwtError - for anything the sender could have caused.
 */
export function verify(token: string, rules: VerifyRules, nowS: number): Verified {
  const compact = parseCompact(token, rules.maxBytes)
  verifyCompact(compact, rules)
  return { header: compact.header, claims: checkClaims(parseClaims(compact), rules, nowS) }
}

/**
 * Verifies the signature of a token with the one key that is for it.
 *
 * @throws JwtError - JWT_ALG_REFUSED, JWT_KEY_UNKNOWN, JWT_KEY_MISMATCH, JWT_KEY_AMBIGUOUS, JWT_SIGNATURE_INVALID
 */
export function verifyCompact({ header, signingInput, signature }: Compact, { keys, algorithms }: SignatureRules): void {
  const alg = algorithms.find((name) => name === header.alg)
  if (alg === undefined) throw new JwtError('JWT_ALG_REFUSED', '"alg" is not an algorithm that is allowed')
  const { key } = chooseKey(keys, header)
  if (!verifySignature(alg, key, signingInput, signature)) throw new JwtError('JWT_SIGNATURE_INVALID', 'the signature does not verify')
}

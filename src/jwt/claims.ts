import type { Claims } from './compact.ts'
import { JwtError } from './error.ts'

export interface ClaimRules {
  /** What `iss` must be, character by character. */
  readonly issuer?: string | undefined
  /** One of these must be in `aud`. */
  readonly audiences?: readonly string[] | undefined
  /** Further claims that must be there, whatever their value. */
  readonly required?: readonly string[] | undefined
  /** How far the sender's clock may be off, in seconds; 60 by default. */
  readonly leewayS?: number | undefined
  /** The longest time between `iat` (now, where there is none) and `exp`, in seconds. */
  readonly maxLifetimeS?: number | undefined
}

/** Claims that have passed: these few have the type they should have. */
export interface CheckedClaims extends Claims {
  readonly exp: number
  readonly nbf?: number
  readonly iat?: number
  readonly iss?: string
  readonly sub?: string
  readonly jti?: string
}

const LEEWAY_S = 60
/** The end of the year 9999: a NumericDate beyond it is in milliseconds, or nonsense, and would never expire. */
const MAX_DATE_S = 253_402_300_799
/** These become keys of tables and words of log lines. */
const MAX_NAME_LENGTH = 1024

/**
 * Whether the claims (RFC 7519 section 4.1) are for us, and for now.
 *
 * @param nowS - The present, in seconds since 1970.
 * @throws JwtError - naming the claim that is missing, malformed or does not fit.
 */
export function checkClaims(claims: Claims, rules: ClaimRules, nowS: number): CheckedClaims {
  if (!Number.isFinite(nowS)) throw new TypeError('nowS is not a time')
  for (const name of rules.required ?? []) {
    if (!Object.hasOwn(claims, name) || claims[name] === null) throw new JwtError('JWT_CLAIM_MISSING', 'a required claim is missing')
  }
  for (const name of ['iss', 'sub', 'jti']) checkName(claims[name], name)
  checkTimes(claims, rules, nowS)
  checkParties(claims, rules)
  return claims as CheckedClaims
}

function checkName(value: unknown, name: string): void {
  if (value === undefined || (typeof value === 'string' && value !== '' && value.length <= MAX_NAME_LENGTH)) return
  throw new JwtError('JWT_CLAIM_INVALID', `"${name}" is not a string, is empty or is too long`)
}

function checkTimes(claims: Claims, { leewayS = LEEWAY_S, maxLifetimeS = Infinity }: ClaimRules, nowS: number): void {
  const exp = numericDate(claims.exp, 'exp')
  const nbf = numericDate(claims.nbf, 'nbf')
  const iat = numericDate(claims.iat, 'iat')
  if (exp === undefined) throw new JwtError('JWT_CLAIM_MISSING', '"exp" is missing')
  // RFC 7519 section 4.1.4: on or after "exp" the token must not be accepted.
  if (exp + leewayS <= nowS) throw new JwtError('JWT_EXPIRED', '"exp" is in the past')
  if (nbf !== undefined && nbf - leewayS > nowS) throw new JwtError('JWT_NOT_YET_VALID', '"nbf" is in the future')
  if (iat !== undefined && iat - leewayS > nowS) throw new JwtError('JWT_NOT_YET_VALID', '"iat" is in the future')
  if (iat !== undefined && iat > exp) throw new JwtError('JWT_CLAIM_INVALID', '"iat" is after "exp"')
  if (exp - (iat ?? nowS) > maxLifetimeS) throw new JwtError('JWT_LIFETIME_TOO_LONG', '"exp" is further off than tokens may live')
}

function numericDate(value: unknown, name: string): number | undefined {
  if (value === undefined || (typeof value === 'number' && Math.abs(value) <= MAX_DATE_S)) return value
  throw new JwtError('JWT_CLAIM_INVALID', `"${name}" is not a number of seconds`)
}

function checkParties(claims: Claims, { issuer, audiences }: ClaimRules): void {
  if (issuer !== undefined && claims.iss !== issuer) throw new JwtError('JWT_ISSUER_MISMATCH', '"iss" is not the issuer')
  if (audiences === undefined) return
  const named: unknown[] = Array.isArray(claims.aud) ? claims.aud : [claims.aud]
  // Strings only, and whole: "proxy" is neither in "proxy-2" nor in { "proxy": 1 }.
  if (!named.every((name) => typeof name === 'string')) throw new JwtError('JWT_CLAIM_INVALID', '"aud" is not a string or a list of strings')
  if (!named.some((name) => audiences.includes(name))) throw new JwtError('JWT_AUDIENCE_MISMATCH', '"aud" does not name this audience')
}

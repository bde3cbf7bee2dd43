import { createHash } from 'node:crypto'
import type { CheckedClaims } from '../jwt/index.ts'
import { IdentityError } from './errors.ts'
import { claimAt } from './pointer.ts'

/** Who calls. Everywhere a caller's key is the pair of issuer and user: two issuers may know the same name. */
export interface Caller {
  readonly issuer: string
  readonly user: string
  readonly groups: readonly string[]
  readonly jti: string | undefined
  /** Seconds since 1970. */
  readonly issuedS: number | undefined
  readonly expiresS: number
  /** Tells tokens apart without being one: the beginning of the token's SHA-256, as `sha256sum` prints it. */
  readonly fingerprint: string
  /** The claims that templates name, by pointer, as far as they are there; nothing else of the token is kept. */
  readonly claims: ReadonlyMap<string, string>
}

/** Where the issuer's tokens say who their bearer is: JSON pointers into the claims. */
export interface ClaimNames {
  /** The first that is there. */
  readonly user: readonly string[]
  /** All of them: lists of strings, or words with spaces between, as in `scope`. */
  readonly groups: readonly string[]
  /** These must be there, whatever their value. */
  readonly required: readonly string[]
  /** These are kept. */
  readonly carried: readonly string[]
}

/**
 * The caller that verified claims speak of.
 *
 * @throws IdentityError - `IDENTITY_NO_USER`, `IDENTITY_BAD_USER`, `IDENTITY_CLAIM_MISSING`
 */
export function callerOf(claims: CheckedClaims, names: ClaimNames, token: string): Caller {
  for (const pointer of names.required) {
    if (claimAt(claims, pointer) === undefined) throw new IdentityError('IDENTITY_CLAIM_MISSING', 'a required claim is missing')
  }
  return {
    issuer: claims.iss ?? '', user: userOf(claims, names.user), groups: groupsOf(claims, names.groups), jti: claims.jti,
    issuedS: claims.iat, expiresS: claims.exp, fingerprint: createHash('sha256').update(token).digest('hex').slice(0, 32),
    claims: carried(claims, names.carried),
  }
}

const MAX_USER_LENGTH = 256

function userOf(claims: CheckedClaims, pointers: readonly string[]): string {
  const found = pointers.map((pointer) => claimAt(claims, pointer)).find((value) => value !== undefined)
  if (found === undefined) throw new IdentityError('IDENTITY_NO_USER', 'no claim names the user')
  const user = typeof found === 'number' ? String(found) : found
  // The name goes into log lines, metrics and AWS's session names: nothing that could break out of one.
  if (typeof user !== 'string' || user === '' || user.length > MAX_USER_LENGTH || /[\x00-\x1f\x7f-\x9f\u2028\u2029]/.test(user)) {
    throw new IdentityError('IDENTITY_BAD_USER', 'the claim that names the user is no usable name')
  }
  return user
}

function groupsOf(claims: CheckedClaims, pointers: readonly string[]): string[] {
  const groups = new Set<string>()
  for (const pointer of pointers) {
    const value = claimAt(claims, pointer)
    const listed: readonly unknown[] = typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : []
    for (const group of listed) if (typeof group === 'string' && group !== '') groups.add(group)
  }
  return [...groups]
}

/** Text of claims that have one: words, numbers, yes or no, and lists of words with spaces between. */
function carried(claims: CheckedClaims, pointers: readonly string[]): ReadonlyMap<string, string> {
  const texts = new Map<string, string>()
  for (const pointer of pointers) {
    const value = claimAt(claims, pointer)
    if (['string', 'number', 'boolean'].includes(typeof value)) texts.set(pointer, String(value))
    else if (Array.isArray(value) && value.every((one) => typeof one === 'string')) texts.set(pointer, value.join(' '))
  }
  return texts
}

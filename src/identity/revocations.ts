import { parseYaml, YamlError } from '../yaml/index.ts'
import type { Caller } from './caller.ts'
import { IdentityError } from './errors.ts'

/** One row of a revocation file: a token is revoked when it fits every field that is there. */
interface Revocation {
  readonly issuer?: string
  readonly user?: string
  readonly jti?: string
  /** Seconds since 1970. A token without `iat` counts as older. */
  readonly issuedBeforeS?: number
}

const LIST = 'a list of rows with user, jti or issued_before'

/** Which tokens are no longer good although their issuer says so. */
export class Revocations {
  readonly #byUser = new Map<string, Revocation[]>()
  readonly #byJti = new Map<string, Revocation[]>()
  readonly #general: Revocation[] = []

  /**
   * Reads a revocation file: YAML or JSON, a list of rows such as
   *
   *     - { issuer: https://login.example.com/, user: alice }
   *     - { issuer: https://login.example.com/, jti: 0f3c1b }
   *     - { issuer: https://login.example.com/, issued_before: 2026-11-23T10:00:00Z }
   *
   * @param issuers - The issuers that are trusted; where it is one, rows need not name it.
   * @throws IdentityError - `IDENTITY_REVOCATIONS_UNUSABLE`, with the line.
   */
  constructor(text: string, issuers: readonly (string | undefined)[]) {
    const { value, lineOf } = parsed(text)
    if (value !== undefined && value !== null && !Array.isArray(value)) throw unusable(1, LIST)
    for (const [i, row] of ((value ?? []) as unknown[]).entries()) this.#add(read(row, lineOf([String(i)]) ?? 1, issuers))
  }

  has(caller: Caller): boolean {
    return fits(this.#general, caller) || fits(this.#byUser.get(caller.user), caller) || (caller.jti !== undefined && fits(this.#byJti.get(caller.jti), caller))
  }

  #add(row: Revocation): void {
    if (row.jti !== undefined) listUnder(this.#byJti, row.jti, row)
    else if (row.user !== undefined) listUnder(this.#byUser, row.user, row)
    else this.#general.push(row)
  }
}

function fits(rows: readonly Revocation[] | undefined, { issuer, user, jti, issuedS }: Caller): boolean {
  return rows !== undefined && rows.some((row) => {
    return (row.issuer === undefined || row.issuer === issuer) && (row.user === undefined || row.user === user) && (row.jti === undefined || row.jti === jti)
      && (row.issuedBeforeS === undefined || issuedS === undefined || issuedS < row.issuedBeforeS)
  })
}

function listUnder(map: Map<string, Revocation[]>, key: string, row: Revocation): void {
  map.set(key, [...(map.get(key) ?? []), row])
}

function parsed(text: string): ReturnType<typeof parseYaml> {
  try {
    return parseYaml(text)
  } catch (error) {
    if (error instanceof YamlError) throw unusable(error.line, 'YAML or JSON')
    throw error
  }
}

const FIELDS: ReadonlySet<string> = new Set(['issuer', 'user', 'jti', 'issued_before'])

function read(row: unknown, line: number, issuers: readonly (string | undefined)[]): Revocation {
  if (row === null || typeof row !== 'object' || Array.isArray(row)) throw unusable(line, LIST)
  const { issuer, user, jti, issued_before: issuedBefore } = row as Record<string, unknown>
  for (const name of Object.keys(row)) if (!FIELDS.has(name)) throw unusable(line, 'issuer, user, jti and issued_before, and no other field')
  for (const text of [issuer, user, jti]) if (text !== undefined && (typeof text !== 'string' || text === '')) throw unusable(line, 'issuer, user and jti as text, in quotes where they look like numbers')
  // A name that nobody has would revoke nothing, without a word.
  if (issuer === undefined ? issuers.length > 1 : !issuers.includes(undefined) && !issuers.includes(issuer as string)) throw unusable(line, 'the issuer, one of those that are trusted')
  if (user === undefined && jti === undefined && issuedBefore === undefined) throw unusable(line, 'user, jti or issued_before')
  return {
    ...(issuer !== undefined && { issuer: issuer as string }), ...(user !== undefined && { user: user as string }), ...(jti !== undefined && { jti: jti as string }),
    ...(issuedBefore !== undefined && { issuedBeforeS: seconds(issuedBefore, line) }),
  }
}

/** A NumericDate, or a time of RFC 3339 with its zone. */
function seconds(value: unknown, line: number): number {
  const isTime = typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.test(value)
  const time = isTime ? Date.parse(value) / 1000 : value
  if (typeof time !== 'number' || !Number.isFinite(time) || time < 0 || time > 253_402_300_799) throw unusable(line, 'issued_before as a time such as 2026-11-23T10:00:00Z')
  return time
}

const unusable = (line: number, expected: string): IdentityError => new IdentityError('IDENTITY_REVOCATIONS_UNUSABLE', `line ${line}: expected ${expected}`)

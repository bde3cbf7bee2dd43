import { type CheckedClaims, checkClaims, type Claims, JwtError, type KeySet, parseClaims, parseCompact, verifyCompact } from '../jwt/index.ts'
import { type Caller, callerOf } from './caller.ts'
import { IdentityError, notAmong } from './errors.ts'
import type { IssuerOptions, TrustedIssuer } from './issuer.ts'
import { RemoteKeys, type World } from './remote.ts'

/** How many keys of an issuer there are to use now; where they are remote, since when, and the code of what last went wrong. */
export interface IssuerStatus {
  readonly issuer: string | undefined
  readonly keys: number
  readonly ageMs?: number | undefined
  readonly error?: string | undefined
}

/** Its keys are either in the configuration or remote. */
type Issuer = TrustedIssuer & { readonly remote: RemoteKeys | undefined }

interface Known {
  readonly caller: Caller
  readonly issuer: Issuer
  readonly keys: KeySet // it was verified with these, and with no other generation
  readonly untilS: number
}

// Tokens of people with many groups pass 16 KiB.
const MAX_TOKEN_BYTES = 32_768
const MAX_KNOWN = 10_000
const MAX_KNOWN_BYTES = 16_777_216

/** What newer keys could put right, by how many fetches there still may be. */
const UNFIT = ['JWT_KEY_UNKNOWN', 'JWT_KEY_MISMATCH', 'JWT_SIGNATURE_INVALID']
const RENEWABLE: readonly ReadonlySet<unknown>[] = [new Set(), new Set(UNFIT), new Set(['IDENTITY_KEYS_UNAVAILABLE', ...UNFIT])]

/** Tells who calls by their token. What was verified once is remembered, so a busy client costs one verification. */
export class Authenticator {
  readonly #world: World
  #issuers: ReadonlyMap<unknown, Issuer> = new Map()
  /** Verified tokens only: a stranger cannot fill it. */
  readonly #known = new Map<string, Known>()
  #knownBytes = 0

  /** Begins at once to fetch the keys that are elsewhere. */
  constructor(issuers: readonly TrustedIssuer[], world: World) {
    this.#world = world
    this.reload(issuers)
  }

  /** Trusts these issuers and no others from now on. Remote keys at hand stay in use, and are fetched anew. */
  reload(issuers: readonly TrustedIssuer[]): void {
    const before = this.#issuers
    const remoteOf = ({ options, keys }: TrustedIssuer) => keys === undefined ? new RemoteKeys(options, this.#world, before.get(options.issuer)?.remote) : undefined
    this.#issuers = new Map(issuers.map((trusted) => [trusted.options.issuer, { ...trusted, remote: remoteOf(trusted) }]))
    this.#known.clear()
    this.#knownBytes = 0
    for (const { remote } of before.values()) remote?.close()
    for (const { remote } of this.#issuers.values()) void remote?.refresh()
  }

  /** Resolves when all keys that are elsewhere have been asked for, whatever came of it. */
  async refreshed(): Promise<void> {
    await Promise.all([...this.#issuers.values()].map(({ remote }) => remote?.refresh()))
  }

  close(): void {
    for (const { remote } of this.#issuers.values()) remote?.close()
  }

  /** Whether any token can be checked at all. An issuer that is down does not take the others with it. */
  ready(): boolean {
    return this.status().some(({ keys }) => keys > 0)
  }

  status(): readonly IssuerStatus[] {
    const nowMs = this.#world.nowMs()
    return [...this.#issuers.values()].map((issuer) => {
      return { issuer: issuer.options.issuer, keys: keysOf(issuer, nowMs)?.keys.length ?? 0, ...issuer.remote?.state(nowMs) }
    })
  }

  /**
   * The caller, at once where the token or the keys for it are at hand; a promise only where keys have to be fetched first.
   *
   * @throws JwtError - what is wrong with the token.
   * @throws IdentityError - what its claims lack, or `IDENTITY_KEYS_UNAVAILABLE`. The promise rejects with the same.
   */
  authenticate(token: string, nowMs: number): Caller | Promise<Caller> {
    return this.#authenticate(token, nowMs, 2)
  }

  #authenticate(token: string, nowMs: number, renewals: number): Caller | Promise<Caller> {
    const known = this.#known.get(token)
    if (known !== undefined && nowMs / 1000 < known.untilS && known.keys === keysOf(known.issuer, nowMs)) return known.caller
    const reading = read(token, this.#issuers)
    try {
      return this.#accept(reading, nowMs)
    } catch (error) {
      if (!RENEWABLE[renewals]!.has((error as JwtError).code)) throw error
      const { claims, issuer: { options, remote } } = reading
      // A token that by its own word is not for here and now is refused for that: no key could help it.
      checked(claims, options, nowMs / 1000)
      const joined = remote?.fetching
      const renewal = remote?.renew(nowMs)
      if (renewal === undefined) throw error
      // The keys of a fetch that was under way may be older than the token: then the next fetch counts.
      return renewal.then(() => this.#authenticate(token, this.#world.nowMs(), joined ? renewals - 1 : 0))
    }
  }

  #accept({ token, compact, claims, issuer }: ReturnType<typeof read>, nowMs: number): Caller {
    const { options, algorithms } = issuer
    const keys = keysOf(issuer, nowMs)
    if (keys === undefined) throw new IdentityError('IDENTITY_KEYS_UNAVAILABLE', 'the keys of the issuer are not at hand')
    verifyCompact(compact, { keys, algorithms })
    const caller = callerOf(checked(claims, options, nowMs / 1000), options.names, token)
    this.#remember(token, { caller, issuer, keys, untilS: caller.expiresS + options.leewayS })
    return caller
  }

  #remember(token: string, known: Known): void {
    if (!this.#known.has(token)) this.#knownBytes += token.length
    this.#known.set(token, known)
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_KNOWN && this.#knownBytes <= MAX_KNOWN_BYTES) break
      this.#known.delete(oldest)
      this.#knownBytes -= oldest.length
    }
  }
}

/** Takes a token apart. So far it only says who should be asked whether it is true. */
function read(token: string, issuers: ReadonlyMap<unknown, Issuer>) {
  const compact = parseCompact(token, MAX_TOKEN_BYTES)
  const claims = parseClaims(compact)
  // An issuer without a name is the only one.
  const issuer = issuers.get(undefined) ?? issuers.get(claims.iss)
  if (issuer === undefined) throw new IdentityError('JWT_ISSUER_MISMATCH', '"iss" is no issuer that is known', notAmong('iss', claims.iss, [...issuers.keys()]))
  return { token, compact, claims, issuer }
}

const keysOf = ({ keys, remote }: Issuer, nowMs: number): KeySet | undefined => keys ?? remote?.current(nowMs)

function checked(claims: Claims, options: IssuerOptions, nowS: number): CheckedClaims {
  try {
    return checkClaims(claims, options, nowS)
  } catch (error) {
    if (!(error instanceof JwtError) || error.code !== 'JWT_AUDIENCE_MISMATCH') throw error
    throw new IdentityError('JWT_AUDIENCE_MISMATCH', error.message, notAmong('aud', claims.aud, options.audiences ?? []))
  }
}

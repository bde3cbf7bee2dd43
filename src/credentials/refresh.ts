import type { Log } from '../log/index.ts'
import { type Credentials, CredentialsError, type CredentialSource } from './source.ts'
import type { World } from './world.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
/** Left of their life when they are first refreshed, behind the scenes; spread, for a fleet starts at one moment. */
const ADVISORY_MS = 15 * MINUTE_MS
const SPREAD_MS = 5 * MINUTE_MS
/** Left of their life when requests wait for the refresh. */
const MANDATORY_MS = 5 * MINUTE_MS
const MAX_DELAY_MS = 24 * 60 * MINUTE_MS
/** A failed refresh is repeated after this, up to twice this. */
const RETRY_MS = 30_000
/** As long as there is nothing to give, or AWS refuses all there is, the providers are asked this often at most. */
const REST_MS = 5000

/** What the chain found. */
export interface Found extends Credentials {
  readonly provider: string
  readonly stable: boolean
}

export interface RefreshOptions extends Pick<World, 'sleep' | 'random'> {
  readonly find: (closing: AbortSignal) => Promise<Found>
  readonly nowMs: () => number
  readonly log: Log
  /** What is found is at the beginning of its life. Of others nobody knows when there are newer ones. */
  readonly isFresh?: true
  /** Asked before a refresh that no request waits for. */
  readonly isWanted?: () => boolean
}

/**
 * Keeps credentials fresh: get() answers at once while they have five minutes to live, one refresh at a time, and the
 * last good ones are given as long as they last.
 *
 *      found ───────────────── 15 min ──────────── 5 min ───────── expired
 *        get() gives at once     │ refreshed behind  │ get() waits    │ get() throws
 */
export class RefreshingCredentials implements CredentialSource {
  readonly #options: RefreshOptions
  readonly #closing = new AbortController()
  #timer = new AbortController()
  #held: Found | undefined
  #flight: Promise<Credentials> | undefined
  #failure: unknown
  #waitFromMs = -Infinity
  #restUntilMs = -Infinity
  #renewableFromMs = -Infinity

  /** Begins at once, so that the first request finds them. */
  constructor(options: RefreshOptions) {
    this.#options = options
    void this.#refresh()
  }

  get name(): string {
    return this.#held?.provider ?? 'none'
  }

  get expiresMs(): number | undefined {
    return this.#held?.expiresMs
  }

  get(): Credentials | Promise<Credentials> {
    const now = this.#options.nowMs()
    if (this.#held !== undefined && now < this.#waitFromMs) return this.#held
    return now < this.#restUntilMs ? this.#lastGood(now) : this.#refresh()
  }

  async renew(refused: Credentials): Promise<Credentials | undefined> {
    const now = this.#options.nowMs()
    if (this.#lifeLeft(now) > 0 && !sameKeys(this.#held!, refused)) return this.#held
    if (now < this.#renewableFromMs) return undefined
    const renewed = await this.#refresh().catch(() => undefined)
    this.#renewableFromMs = now + REST_MS
    return renewed === undefined || sameKeys(renewed, refused) ? undefined : renewed
  }

  /** Ends the timer and what is under way. What is held is still given, as long as it lasts. */
  close(): void {
    this.#closing.abort()
    this.#timer.abort()
  }

  #refresh(): Promise<Credentials> {
    if (this.#flight === undefined) {
      this.#flight = this.#attempt().finally(() => { this.#flight = undefined })
      // Nobody may be waiting; the log has told it.
      this.#flight.catch(() => undefined)
    }
    return this.#flight
  }

  async #attempt(): Promise<Credentials> {
    try {
      return this.#accept(await this.#options.find(this.#closing.signal))
    } catch (error) {
      return this.#endure(error)
    }
  }

  #accept(found: Found): Credentials {
    const { nowMs, random, log } = this.#options
    const now = nowMs()
    const { provider, expiresMs = Infinity } = found
    const expired = expiresMs <= now
    // Of what lives for less than an hour all windows are as much shorter.
    const scale = this.#options.isFresh === true ? Math.min(1, (expiresMs - now) / HOUR_MS) : 1
    if (expired && (!found.stable || this.#lifeLeft(now) > 0)) throw new CredentialsError('CREDENTIALS_EXPIRED', `${provider}: the credentials have expired already (or the clock is wrong)`)
    this.#held = found
    log.info('aws credentials', { provider, expires: expiresMs === Infinity ? 'never' : new Date(expiresMs).toISOString() })
    if (expired) return this.#stretch(found)
    // Keys that are short-lived when they come are not asked for again by each request.
    this.#waitFromMs = Math.max(expiresMs - MANDATORY_MS * scale, Math.min(now + RETRY_MS, expiresMs))
    this.#schedule(Math.max(expiresMs - (ADVISORY_MS - random() * SPREAD_MS) * scale - now, this.#retryMs()))
    return found
  }

  #endure(error: unknown): Credentials {
    const now = this.#options.nowMs()
    const leftMs = this.#lifeLeft(now)
    this.#failure = error
    if (this.#closing.signal.aborted) return this.#lastGood(now)
    const code = error instanceof CredentialsError ? error.code : 'INTERNAL'
    this.#options.log.warn('aws credentials not refreshed', { code, why: (error as Error).message, kept: leftMs > 0 })
    if (this.#held?.stable && leftMs <= MANDATORY_MS) return this.#stretch(this.#held)
    const retryMs = this.#retryMs()
    this.#restUntilMs = now + (leftMs > 0 ? retryMs : REST_MS)
    this.#schedule(retryMs)
    return this.#lastGood(now)
  }

  /** Static stability: the service is in trouble, and what it gave last may still be accepted. Requests do not wait for it. */
  #stretch(held: Found): Credentials {
    this.#waitFromMs = Infinity
    this.#schedule(MANDATORY_MS + this.#options.random() * SPREAD_MS)
    return held
  }

  #lastGood(now: number): Credentials {
    if (this.#held !== undefined && (this.#held.stable || this.#lifeLeft(now) > 0)) return this.#held
    throw this.#failure
  }

  #lifeLeft(now: number): number {
    return this.#held === undefined ? 0 : (this.#held.expiresMs ?? Infinity) - now
  }

  #retryMs(): number {
    return RETRY_MS * (1 + this.#options.random())
  }

  #schedule(delayMs: number): void {
    this.#timer.abort()
    if (delayMs === Infinity || this.#closing.signal.aborted) return
    this.#timer = new AbortController()
    this.#options.sleep(Math.min(delayMs, MAX_DELAY_MS), this.#timer.signal).then(() => { if (this.#options.isWanted?.() !== false) void this.#refresh() }, () => undefined)
  }
}

function sameKeys(a: Credentials, b: Credentials): boolean {
  return a.accessKeyId === b.accessKeyId && a.secretAccessKey.reveal() === b.secretAccessKey.reveal() && a.sessionToken?.reveal() === b.sessionToken?.reveal()
}

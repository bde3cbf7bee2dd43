import { type KeySet, parseJwkSet } from '../jwt/index.ts'
import type { Log } from '../log/index.ts'
import type { KeyCopies, KeyCopy } from './copies.ts'
import { discoverKeys } from './discovery.ts'
import type { Get } from './fetch.ts'
import { type IssuerOptions, sourceOf, unusable } from './issuer.ts'

/** What remote keys need from outside. */
export interface World {
  readonly nowMs: () => number
  readonly random: () => number // from 0 to 1
  /** Runs something once, later, without keeping the process alive for it; gives the way to cancel that. */
  readonly after: (delayMs: number, run: () => void) => () => void
  readonly client: (issuer: Pick<IssuerOptions, 'ca' | 'proxyUrl'>) => Get
  readonly copies?: KeyCopies | undefined
  readonly log: Log
}

const [TIMEOUT_MS, MAX_RETRY_MS] = [5000, 60_000]
const COOL_DOWN_MS = { least: 1000, most: 30_000 }
// A fifth is left to chance, so that many proxies do not ask all at once: between 1 and 60 minutes.
const FRESH_MS = { least: 75_000, most: 3_600_000, unsaid: 600_000 }

/** Keys that an issuer keeps elsewhere, fetched in the background. The last good ones stay in use while no better come. */
export class RemoteKeys {
  readonly #options: IssuerOptions
  readonly #source: string
  readonly #world: World
  readonly #get: Get
  #held: (KeyCopy & { readonly keys: KeySet }) | undefined
  #flight: Promise<void> | undefined
  #abort = new AbortController()
  #cancelNext = () => {}
  #closed = false
  #renewedMs = -Infinity
  #coolDownMs = 0
  #pause: Promise<void> | undefined
  #failures = 0
  #error: string | undefined

  /** @param before - Of the same issuer before a reload: its keys serve until newer ones are there. */
  constructor(options: IssuerOptions, world: World, before?: RemoteKeys) {
    this.#options = options
    this.#source = sourceOf(options)
    this.#world = world
    this.#get = world.client(options)
    if (before === undefined || before.#source !== this.#source) this.#loadCopy()
    // Else they came from a host, or over a trust, that is no longer meant; so did the copy.
    else if (before.#options.ca === options.ca && String(before.#options.namedHosts) === String(options.namedHosts)) this.#held = before.#held
  }

  /** The last good keys, unless they are too old. The same object means the same keys. */
  current(nowMs: number): KeySet | undefined {
    const held = this.#held
    return held !== undefined && nowMs - held.fetchedMs <= this.#options.maxStaleMs ? held.keys : undefined
  }

  /** How long ago the keys were fetched, and the code of what went wrong the last time. */
  state(nowMs: number): { readonly ageMs: number | undefined; readonly error: string | undefined } {
    return { ageMs: this.#held && nowMs - this.#held.fetchedMs, error: this.#error }
  }

  /**
   * Fetches the keys because a token does not fit those at hand. It resolves, whatever comes of it.
   *
   * A stranger can make up any number of such tokens, so each time that nothing new comes of it the next time is twice
   * as far off; of an issuer that does change its keys nobody is turned away.
   *
   * @returns `undefined` where that next time is further off than a request should wait.
   */
  renew(nowMs: number): Promise<void> | undefined {
    if (this.#flight !== undefined) return this.#flight
    // A clock that was set back must not make this last longer.
    const restMs = this.#coolDownMs - Math.abs(nowMs - this.#renewedMs)
    if (restMs > TIMEOUT_MS) return undefined
    if (restMs > 0) return this.#pause ??= this.#renewIn(restMs)
    this.#renewedMs = nowMs
    this.#coolDownMs = Math.min(Math.max(this.#coolDownMs * 2, COOL_DOWN_MS.least), COOL_DOWN_MS.most)
    return this.refresh()
  }

  /** Whether a fetch is under way: what the host has answered may be older than a token that comes now. */
  get fetching(): boolean {
    return this.#flight !== undefined
  }

  /** Fetches the keys, and from now on again and again. */
  refresh(): Promise<void> {
    return this.#flight ??= this.#fetch().finally(() => { this.#flight = undefined })
  }

  close(): void {
    this.#closed = true
    this.#cancelNext()
    this.#abort.abort()
  }

  async #renewIn(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => this.#world.after(delayMs, resolve))
    this.#pause = undefined
    if (!this.#closed) await this.renew(this.#world.nowMs())
  }

  async #fetch(): Promise<void> {
    this.#cancelNext()
    const abort = this.#abort = new AbortController()
    const cancelTimeout = this.#world.after(TIMEOUT_MS, () => abort.abort())
    const delayMs = await this.#download(abort.signal).catch((error: Error) => this.#fail(error))
    cancelTimeout()
    if (!this.#closed) this.#cancelNext = this.#world.after(delayMs * (0.8 + this.#world.random() / 5), () => void this.refresh())
  }

  /** Takes over a good set; a bad one throws, and what was held stays. Resolves to the milliseconds that it is fresh. */
  async #download(signal: AbortSignal): Promise<number> {
    const url = this.#options.jwksUrl ?? await discoverKeys(this.#options.issuer!, this.#options.namedHosts, this.#get, signal)
    const { bytes, cacheControl } = await this.#get(url, signal)
    const jwks = bytes.toString()
    const keys = this.#held?.jwks === jwks ? this.#held.keys : publicKeys(bytes)
    if (keys !== this.#held?.keys || this.#failures > 0) {
      this.#world.log.info('keys fetched', { source: this.#source, keys: keys.keys.length, skipped: keys.skipped.length })
    }
    if (keys !== this.#held?.keys) this.#coolDownMs = 0
    this.#held = { jwks, fetchedMs: this.#world.nowMs(), keys }
    this.#failures = 0
    this.#error = undefined
    this.#saveCopy(this.#held)
    return freshMs(cacheControl)
  }

  #fail(error: Error & { code?: string; detail?: string }): number {
    this.#failures++
    this.#error = error.code ?? 'INTERNAL'
    if (!this.#closed) this.#world.log.warn('keys not fetched', { source: this.#source, error: this.#error, detail: error.detail ?? error.message })
    return Math.min(500 * 2 ** this.#failures, MAX_RETRY_MS)
  }

  #loadCopy(): void {
    try {
      const { jwks, fetchedMs } = this.#world.copies!.load(this.#source)
      // One from the future would outlive every limit.
      if (fetchedMs <= this.#world.nowMs()) this.#held = { jwks, fetchedMs, keys: publicKeys(jwks) }
    } catch {
      // As good as none: the first start has none either.
    }
  }

  #saveCopy({ jwks, fetchedMs }: KeyCopy): void {
    try {
      this.#world.copies?.save(this.#source, { jwks, fetchedMs })
    } catch (error) {
      this.#world.log.warn('keys not kept on disk', { source: this.#source, detail: (error as Error).message })
    }
  }
}

function publicKeys(source: string | Uint8Array): KeySet {
  const keys = parseJwkSet(source)
  if (keys.symmetric) throw unusable('a secret that everybody can fetch is none')
  return keys
}

/** How long keys need not be asked for again (RFC 9111 section 5.2.2). */
function freshMs(cacheControl: string): number {
  if (/\bno-(cache|store)\b/i.test(cacheControl)) return FRESH_MS.least
  const seconds = /(?:^|[\s,])max-age="?(\d+)/i.exec(cacheControl)?.[1]
  return seconds === undefined ? FRESH_MS.unsaid : Math.min(Math.max(Number(seconds) * 1000, FRESH_MS.least), FRESH_MS.most)
}

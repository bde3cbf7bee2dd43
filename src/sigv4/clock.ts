/**
 * The clock that signatures are made by: ours, corrected by what AWS's answers say.
 * AWS refuses a signature that is more than five minutes off.
 */
export class SigningClock {
  readonly #nowMs: () => number
  #offsetMs = 0
  #second = Number.NaN
  #stamp = ''

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** The time that a signature made now carries, in milliseconds since 1970. */
  nowMs(): number {
    return this.#nowMs() + this.#offsetMs
  }

  /** `YYYYMMDDTHHMMSSZ`, made once a second. */
  stamp(): string {
    const second = Math.floor(this.nowMs() / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#stamp = `${new Date(second * 1000).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`
    }
    return this.#stamp
  }

  /**
   * Takes over AWS's time where it differs from what a signature was made by.
   *
   * @param date - The Date header of the answer that refused it.
   * @param signedMs - What `nowMs()` was when it was made: another request may have taught us better since.
   * @returns Whether skew can have been the reason: not below four minutes.
   */
  learn(date: string | undefined, signedMs: number): boolean {
    const theirsMs = Date.parse(date ?? '')
    if (!(Math.abs(theirsMs - signedMs) >= MIN_CORRECTION_MS)) return false
    this.#offsetMs = theirsMs - this.#nowMs()
    return true
  }
}

const MIN_CORRECTION_MS = 240_000

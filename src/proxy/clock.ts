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

  get offsetMs(): number {
    return this.#offsetMs
  }

  /** `YYYYMMDDTHHMMSSZ`, made once a second. */
  stamp(): string {
    const second = Math.floor((this.#nowMs() + this.#offsetMs) / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#stamp = `${new Date(second * 1000).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`
    }
    return this.#stamp
  }

  /**
   * Takes over AWS's time where it differs from what the last signatures were made by.
   *
   * @param date - The Date header of an answer that refused a signature.
   * @returns Whether a new signature would carry another time: below four minutes skew was not the reason.
   */
  learn(date: string | undefined): boolean {
    const offsetMs = Date.parse(date ?? '') - this.#nowMs()
    if (!(Math.abs(offsetMs - this.#offsetMs) >= MIN_CORRECTION_MS)) return false
    this.#offsetMs = offsetMs
    return true
  }
}

const MIN_CORRECTION_MS = 240_000

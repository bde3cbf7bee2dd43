/** What one unit owes at first; a rate of one per minute pays back one of it each millisecond. */
const UNIT = 60_000

/**
 * The generic cell rate algorithm (ITU-T I.371, in its form as a continuous-state leaky bucket), in whole numbers only, so that it never
 * drifts. From rest `burst` units are there at once; then they come back at `perMinute`.
 */
export class Bucket {
  #debt = 0
  #atMs = 0
  #perMinute = 0

  /** Whole units that are there now; below zero where more was spent than allowed. */
  left(perMinute: number, burst: number, nowMs: number): number {
    this.#payBack(perMinute, nowMs)
    return Math.floor((burst * UNIT - this.#debt) / UNIT)
  }

  /** When that many units will be there. */
  readyMs(units: number, perMinute: number, burst: number, nowMs: number): number {
    this.#payBack(perMinute, nowMs)
    return nowMs + Math.max(0, Math.ceil((this.#debt + (units - burst) * UNIT) / perMinute))
  }

  /** Takes over what another place has counted. */
  set(debt: number, atMs: number): void {
    this.#debt = debt
    this.#atMs = atMs
  }

  take(units: number): void {
    this.#debt += units * UNIT
  }

  /**
   * Puts right what was taken on a guess at `sinceMs`. What has been paid back since is not given a second time: the bucket never
   * stands better than if the real number had been taken.
   */
  correct(guessed: number, real: number, perMinute: number, sinceMs: number, nowMs: number): void {
    this.#payBack(perMinute, nowMs)
    const difference = (real - guessed) * UNIT
    const paidBack = Math.max(0, nowMs - sinceMs) * perMinute
    this.#debt = Math.max(0, this.#debt + (difference < 0 ? Math.min(0, difference + paidBack) : difference))
  }

  /** Whether nothing is owed any more. */
  idle(nowMs: number): boolean {
    return this.#debt <= (nowMs - this.#atMs) * this.#perMinute
  }

  /** A clock that was put back has still ticked all the time: it goes on from where it is. */
  #payBack(perMinute: number, nowMs: number): void {
    if (nowMs > this.#atMs) this.#debt = Math.max(0, this.#debt - (nowMs - this.#atMs) * perMinute)
    this.#atMs = nowMs
    this.#perMinute = perMinute
  }
}

import { Refusal } from './problem.ts'

interface Waiter {
  readonly bytes: number
  readonly aheadBytes: number
  readonly admit: () => void
}

/** The share of the budget that may lie in memory for those who wait: without the rest nobody would ever be admitted. */
const WAITING_SHARE = 1 / 4

/**
 * The memory that request bodies may take, in bytes, for the whole process.
 *
 * Who asks for more than is left waits in line, its bytes unread in TCP, and is refused after a while. What comes of a
 * body before it is read counts too: who waits pays for that, and is refused at once where so many wait already.
 */
export class ByteBudget {
  readonly #maxBytes: number
  readonly #maxWaitMs: number
  readonly #waiting = new Set<Waiter>()
  #taken = 0
  /** What lies in memory for those who wait. */
  #ahead = 0

  constructor(maxBytes: number, maxWaitMs: number) {
    this.#maxBytes = maxBytes
    this.#maxWaitMs = maxWaitMs
  }

  /**
   * Takes `bytes`, at once (and returns nothing) or when they are given back by others.
   * A body larger than the whole budget is let in alone.
   *
   * @param aheadBytes - How much of it can come while it waits.
   * @throws Refusal - `OUT_OF_MEMORY_BUDGET`, as a rejection.
   */
  take(bytes: number, aheadBytes: number): Promise<void> | undefined {
    if (this.#waiting.size === 0 && this.#fits(bytes, 0)) {
      this.#taken += bytes
      return undefined
    }
    if (this.#ahead + aheadBytes > this.#maxBytes * WAITING_SHARE) return Promise.reject(new Refusal('OUT_OF_MEMORY_BUDGET'))
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer)
        this.#waiting.delete(waiter)
        this.#ahead -= aheadBytes
      }
      const admit = () => {
        leave()
        this.#taken += bytes
        resolve()
      }
      const timer = setTimeout(() => {
        leave()
        reject(new Refusal('OUT_OF_MEMORY_BUDGET'))
        this.#admitWaiting()
      }, this.#maxWaitMs)
      const waiter: Waiter = { bytes, aheadBytes, admit }
      this.#waiting.add(waiter)
      this.#ahead += aheadBytes
    })
  }

  give(bytes: number): void {
    this.#taken -= bytes
    this.#admitWaiting()
  }

  #fits(bytes: number, aheadBytes: number): boolean {
    return this.#taken === 0 || this.#taken + this.#ahead - aheadBytes + bytes <= this.#maxBytes
  }

  // In line: a small request that overtook a large one for ever would starve it.
  #admitWaiting(): void {
    for (const { bytes, aheadBytes, admit } of this.#waiting) {
      if (!this.#fits(bytes, aheadBytes)) return
      admit()
    }
  }
}

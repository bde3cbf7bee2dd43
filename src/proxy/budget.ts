import { Refusal } from './problem.ts'

interface Waiter {
  readonly bytes: number
  readonly admit: () => void
}

/**
 * The memory that request bodies may take, in bytes, for the whole process.
 *
 * Who asks for more than is left waits in line, its bytes unread in TCP, and is refused after a while.
 */
export class ByteBudget {
  readonly #maxBytes: number
  readonly #maxWaitMs: number
  readonly #waiting = new Set<Waiter>()
  #taken = 0

  constructor(maxBytes: number, maxWaitMs: number) {
    this.#maxBytes = maxBytes
    this.#maxWaitMs = maxWaitMs
  }

  /**
   * Takes `bytes`, at once (and returns nothing) or when they are given back by others.
   * A body larger than the whole budget is let in alone.
   *
   * @throws Refusal - `OUT_OF_MEMORY_BUDGET`, as a rejection.
   */
  take(bytes: number): Promise<void> | undefined {
    if (this.#waiting.size === 0 && this.#fits(bytes)) {
      this.#taken += bytes
      return undefined
    }
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        bytes,
        admit: () => {
          clearTimeout(timer)
          this.#waiting.delete(waiter)
          this.#taken += bytes
          resolve()
        },
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(waiter)
        reject(new Refusal('OUT_OF_MEMORY_BUDGET'))
        this.#admitWaiting()
      }, this.#maxWaitMs)
      this.#waiting.add(waiter)
    })
  }

  give(bytes: number): void {
    this.#taken -= bytes
    this.#admitWaiting()
  }

  #fits(bytes: number): boolean {
    return this.#taken === 0 || this.#taken + bytes <= this.#maxBytes
  }

  // In line: a small request that overtook a large one for ever would starve it.
  #admitWaiting(): void {
    for (const waiter of this.#waiting) {
      if (!this.#fits(waiter.bytes)) return
      waiter.admit()
    }
  }
}

import { Account, type Estimate } from './account.ts'
import type { Allowance } from './allowance.ts'
import { NOTHING, type Spent } from './period.ts'
import type { Reservation, Store, Usage } from './store.ts'

/** How many others are looked at for each caller that is new: what is forgotten keeps pace with what is learnt. */
const LOOKED_AT = 2

/** Counters in the memory of one process. A caller of whom nothing is left to remember is forgotten when others come. */
export class MemoryStore implements Store {
  readonly #accounts = new Map<string, Account>()
  readonly #charged: (key: string, spent: Spent, nowMs: number) => void
  #hand = this.#accounts.values()

  /** @param charged - Told of everything that is counted. */
  constructor(charged: (key: string, spent: Spent, nowMs: number) => void = () => undefined) {
    this.#charged = charged
  }

  get available(): boolean {
    return true
  }

  get size(): number {
    return this.#accounts.size
  }

  reserve(allowance: Allowance, estimate: Estimate, nowMs: number): Reservation {
    const account = this.account(allowance.key, nowMs)
    account.reserve(allowance, estimate, nowMs)
    return {
      settle: (spent, endMs) => {
        account.settle(allowance, estimate, spent, nowMs, endMs)
        if (spent !== NOTHING) this.#charged(allowance.key, spent, endMs)
      },
      standings: (atMs) => account.standings(allowance, atMs),
    }
  }

  usage(key: string, nowMs: number): Usage {
    const account = this.#accounts.get(key)
    return { day: { ...account?.day.spentAt(nowMs) ?? NOTHING }, month: { ...account?.month.spentAt(nowMs) ?? NOTHING } }
  }

  account(key: string, nowMs: number): Account {
    const known = this.#accounts.get(key)
    if (known !== undefined) return known
    for (let i = 0; i < LOOKED_AT; i++) this.#forgetNext(nowMs)
    const account = new Account(key)
    this.#accounts.set(key, account)
    return account
  }

  /** Those of whom something is left to remember. */
  *remembered(nowMs: number): Iterable<Account> {
    for (const account of this.#accounts.values()) if (!account.idle(nowMs)) yield account
  }

  close(): void {}

  #forgetNext(nowMs: number): void {
    const { value, done } = this.#hand.next()
    if (done) this.#hand = this.#accounts.values()
    else if (value.idle(nowMs)) this.#accounts.delete(value.key)
  }
}

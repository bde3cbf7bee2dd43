import type { LimitTable } from './allowance.ts'
import { JournalStore, type JournalOptions, type JournalWorld } from './journal.ts'
import { Limits } from './limits.ts'
import { MemoryStore } from './memory.ts'
import { type RedisOptions, RedisStore, type RedisWorld } from './redis.ts'

/**
 * Limits with the store that was chosen.
 *
 * @throws LimitsError - `LIMITS_JOURNAL_LOCKED`, `LIMITS_JOURNAL_CORRUPT`, `LIMITS_JOURNAL_UNUSABLE`
 */
export function openLimits(table: LimitTable, journal: JournalOptions | undefined, world: JournalWorld): Limits {
  return new Limits(journal === undefined ? new MemoryStore() : new JournalStore(journal, world), table)
}

/** Limits that several proxies share. Whether Redis can be reached shows with time; it does not throw. */
export function openSharedLimits(table: LimitTable, redis: RedisOptions, world: RedisWorld): Limits {
  return new Limits(new RedisStore(redis, world), table)
}

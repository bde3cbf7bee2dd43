import { Account } from './account.ts'
import type { Spent } from './period.ts'

/** A caller as a script has left him. */
export interface Snapshot {
  /** The place of the limit that refused, from 1; 0 where none did. */
  readonly refusedBy: number
  /** By the clock that counts. */
  readonly nowMs: number
  readonly account: Account
}

const COUNTS = 5

/** Reads what the function `shown` of the scripts has written. */
export function readSnapshot(key: string, text: string): Snapshot {
  const [refusedBy = 0, nowMs = 0, live = 0, requests = 0, requestsMs = 0, tokens = 0, tokensMs = 0, heldTokens = 0, heldMoney = 0, ...periods] = text.split(' ').map(Number)
  const account = new Account(key)
  account.live = live
  account.requests.set(requests, requestsMs)
  account.tokens.set(tokens, tokensMs)
  account.reserved.tokens = heldTokens
  account.reserved.microUsd = heldMoney
  const [dayMs = 0, ...rest] = periods
  const [monthMs = 0, ...counts] = rest.slice(COUNTS)
  account.day.set(dayMs, spentOf(rest))
  account.month.set(monthMs, spentOf(counts))
  return { refusedBy, nowMs, account }
}

function spentOf([input = 0, output = 0, cacheRead = 0, cacheWrite = 0, microUsd = 0]: readonly number[]): Spent {
  return { input, output, cacheRead, cacheWrite, microUsd }
}

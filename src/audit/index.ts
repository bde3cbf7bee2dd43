/** Who did what, at what cost: an append-only log whose lines are chained, and what is read out of it. */
export type { Head } from './chain.ts'
export { AuditError, type AuditErrorCode } from './error.ts'
export { readHead } from './head.ts'
export { type AuditWorld, AuditLog, type AuditOptions } from './log.ts'
export type { CallFacts, CallRecord, IntentRecord } from './record.ts'
export { USAGE_KEYS, type UsageKey, type UsageRow, usage } from './usage.ts'
export { type Expected, type Finding, type Verdict, verify, verifyLines } from './verify.ts'

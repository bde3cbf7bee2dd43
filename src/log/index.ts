/** What happens, a line each. */
export { Facts, type LogFields, membersOf } from './facts.ts'
export { type AdjustableLog, createLog, type Log, LOG_LEVELS, type LogLevel, type LogOptions } from './log.ts'

import { SigV4Error } from './error.ts'

/**
 * A moment in milliseconds since 1970 as AWS writes it, to the second: `20260314T150926Z`.
 *
 * @throws SigV4Error SIGV4_DATE outside the years 1970–9999.
 */
export function amzDate(dateMs: number): string {
  if (typeof dateMs !== 'number') throw new TypeError('dateMs must be a number')
  if (!(dateMs >= 0 && dateMs < YEAR_10000_MS)) throw new SigV4Error('SIGV4_DATE', 'the date must lie in the years 1970 to 9999')
  const iso = new Date(dateMs).toISOString()
  return `${iso.slice(0, 4)}${iso.slice(5, 7)}${iso.slice(8, 13)}${iso.slice(14, 16)}${iso.slice(17, 19)}Z`
}

/** The day a date belongs to, in UTC: its first eight digits. */
export const dayOf = (date: string): string => date.slice(0, 8)

/** A date of either form in AWS's. */
export function toAmzDate(date: number | string): string {
  if (typeof date !== 'string') return amzDate(date)
  if (!AMZ_DATE.test(date)) throw new SigV4Error('SIGV4_DATE', 'the date must read YYYYMMDDTHHMMSSZ')
  return date
}

const YEAR_10000_MS = 253_402_300_800_000
const AMZ_DATE = /^\d{8}T\d{6}Z$/

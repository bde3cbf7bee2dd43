import { crc32 } from 'node:zlib'
import { LimitsError } from './errors.ts'

const NEWLINE = 0x0a
/** Eight hexadecimal digits and a space. */
const HEAD_BYTES = 9

/**
 * One record of a journal: a line of a CRC-32, a space and JSON. Each checksum goes on from the one before, so that a line that is missing,
 * moved or there twice is found as surely as a changed one.
 */
export function encodeRecord(json: string, previous: number): { readonly line: Buffer; readonly checksum: number } {
  const checksum = crc32(json, previous)
  return { line: Buffer.from(`${checksum.toString(16).padStart(8, '0')} ${json}\n`), checksum }
}

/**
 * Reads all records of a journal in order.
 *
 * @returns the offset at which the last write was torn, if it was.
 * @throws LimitsError - `LIMITS_JOURNAL_CORRUPT`, naming the file and the offset, for anything but a torn end.
 */
export function readRecords(bytes: Buffer, path: string, visit: (record: unknown) => void): number | undefined {
  let [offset, checksum] = [0, 0]
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, offset)) {
    const record = bytes.subarray(offset, end)
    if (!isWhole(record, checksum)) throw corrupt(path, offset)
    checksum = checksumOf(record)
    try {
      visit(JSON.parse(record.toString('utf8', HEAD_BYTES)))
    } catch (error) {
      throw corrupt(path, offset, error)
    }
    offset = end + 1
  }
  if (offset === bytes.length) return undefined
  // A line whose end was changed looks like one that was torn. Nothing whole is ever thrown away.
  if (isWhole(bytes.subarray(offset, -1), checksum)) throw corrupt(path, offset)
  return offset
}

const checksumOf = (record: Buffer): number => Number.parseInt(record.toString('latin1', 0, HEAD_BYTES - 1), 16)

function isWhole(record: Buffer, previous: number): boolean {
  const head = record.toString('latin1', 0, HEAD_BYTES)
  return /^[0-9a-f]{8} $/.test(head) && crc32(record.subarray(HEAD_BYTES), previous) === checksumOf(record)
}

export function corrupt(path: string, offset: number, cause?: unknown): LimitsError {
  const remedy = 'put back a copy, cut the file there (what comes after it is forgotten), or remove it (all is forgotten)'
  return new LimitsError('LIMITS_JOURNAL_CORRUPT', `the journal ${path} is damaged at byte ${offset}: ${remedy}`, cause)
}

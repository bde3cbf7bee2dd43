import { crc32 } from 'node:zlib'
import { EventStreamError } from './errors.ts'

/** u32 total length, u32 headers length, u32 CRC of these eight bytes; all numbers of the format are big-endian. */
export const PRELUDE_LENGTH = 12
/** A prelude and the CRC at the end: a message with no headers and no payload. */
export const MIN_MESSAGE_LENGTH = 16
/** The format's own limits, as AWS's readers keep them (botocore eventstream.py). */
export const MAX_HEADERS_LENGTH = 128 * 1024
export const MAX_PAYLOAD_LENGTH = 24 * 1024 * 1024

export interface Prelude {
  /** Of the whole message, the prelude and both CRCs included. */
  readonly totalLength: number
  readonly headersLength: number
}

/**
 * Reads the first 12 bytes of a message, checking each field as it arrives.
 *
 * @throws EventStreamError - EVENTSTREAM_LENGTH, _TOO_LARGE (over `maxBytes` or a limit of the format), _PRELUDE_CHECKSUM.
 */
export function readPrelude(bytes: Buffer, maxBytes: number): Prelude {
  const totalLength = bytes.readUInt32BE(0)
  if (totalLength > maxBytes) throw new EventStreamError('EVENTSTREAM_TOO_LARGE', 'total length is over the limit')
  const headersLength = bytes.readUInt32BE(4)
  const payloadLength = totalLength - MIN_MESSAGE_LENGTH - headersLength
  if (payloadLength < 0) throw new EventStreamError('EVENTSTREAM_LENGTH', 'total length has no room for the headers')
  checkLimits(headersLength, payloadLength)
  if (!preludeChecksumFits(bytes)) throw new EventStreamError('EVENTSTREAM_PRELUDE_CHECKSUM', 'CRC of the prelude does not fit')
  return { totalLength, headersLength }
}

export function checkLimits(headersLength: number, payloadLength: number): void {
  if (headersLength > MAX_HEADERS_LENGTH) throw new EventStreamError('EVENTSTREAM_TOO_LARGE', 'headers are over 128 KiB')
  if (payloadLength > MAX_PAYLOAD_LENGTH) throw new EventStreamError('EVENTSTREAM_TOO_LARGE', 'payload is over 24 MiB')
}

export const preludeChecksumFits = (bytes: Buffer): boolean => crc32(bytes.subarray(0, 8)) === bytes.readUInt32BE(8)

import { closeSync, openSync, readSync } from 'node:fs'
import { AuditError } from './error.ts'

const CHUNK_BYTES = 262_144
/** Longer than any line that was written; what is behind it in a line of somebody else's is passed over. */
const MAX_LINE_BYTES = 1_048_576

/** A line of a file without its line end; `ended` tells whether it had one. */
export interface Line {
  readonly bytes: Buffer
  readonly ended: boolean
}

/**
 * The lines of a file, one by one: a file of any size takes no more memory than its longest line.
 *
 * @throws AuditError - `AUDIT_FILE_UNUSABLE`
 */
export function* linesOf(path: string): Generator<Line> {
  const fd = attempt(path, () => openSync(path, 'r'))
  try {
    let begun: Buffer = Buffer.alloc(0)
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
      const bytes = chunk.subarray(0, attempt(path, () => readSync(fd, chunk)))
      if (bytes.length === 0) break
      let from = 0
      for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
        const part = bytes.subarray(from, end)
        yield { bytes: begun.length === 0 ? part : Buffer.concat([begun, part]), ended: true }
        begun = Buffer.alloc(0)
        from = end + 1
      }
      if (begun.length < MAX_LINE_BYTES) begun = Buffer.concat([begun, bytes.subarray(from)])
    }
    if (begun.length > 0) yield { bytes: begun, ended: false }
  } finally {
    closeSync(fd)
  }
}

function attempt<T>(path: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    throw new AuditError('AUDIT_FILE_UNUSABLE', `${path} cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
}

import type { KeyObject } from 'node:crypto'
import { constants, promises, readFileSync } from 'node:fs'
import { digest, type Head } from './chain.ts'
import { AuditError } from './error.ts'

/** Where the head of a log is kept. */
export const headPath = (path: string): string => `${path}.head`

const { O_CREAT, O_SYNC, O_TRUNC, O_WRONLY } = constants
const ON_THE_DISK = O_WRONLY | O_CREAT | O_TRUNC | O_SYNC

/** Keeps a head: after a crash there is this one or the one before, never half of one. */
export async function keepHead(path: string, head: Head, key: KeyObject | undefined): Promise<void> {
  const draft = `${path}.new`
  await promises.writeFile(draft, `${JSON.stringify({ ...head, ...(key && { seal: sealOf(head, key) }) })}\n`, { mode: 0o600, flag: ON_THE_DISK })
  await promises.rename(draft, path)
}

/**
 * Reads a head that was kept; with a key, its seal is checked.
 *
 * @throws AuditError - `AUDIT_HEAD_INVALID`, `AUDIT_FILE_UNUSABLE`
 */
export function readHead(path: string, key: KeyObject | undefined): Head {
  const { seq, hash, seal } = parse(path)
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || typeof hash !== 'string' || !/^[0-9a-f]{64}$/.test(hash)) throw new AuditError('AUDIT_HEAD_INVALID', 'the head is malformed')
  if (key !== undefined && seal !== sealOf({ seq, hash }, key)) throw new AuditError('AUDIT_HEAD_INVALID', 'the head was not sealed with this key')
  return { seq, hash }
}

function parse(path: string): { readonly seq?: unknown; readonly hash?: unknown; readonly seal?: unknown } {
  try {
    return Object(JSON.parse(readFileSync(path, 'utf8'))) as object
  } catch (error) {
    if (error instanceof SyntaxError) throw new AuditError('AUDIT_HEAD_INVALID', 'the head is malformed')
    throw new AuditError('AUDIT_FILE_UNUSABLE', `${path} cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
}

// The log itself holds hashes under this key: another text, so that none of them can be taken for a seal.
const sealOf = ({ seq, hash }: Head, key: KeyObject): string => digest(`head ${seq} ${hash}`, key)

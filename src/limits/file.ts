import { close, closeSync, constants, fdatasync, fstatSync, fsyncSync, openSync, renameSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { encodeRecord } from './record.ts'

const { O_APPEND, O_CREAT, O_DSYNC, O_TRUNC, O_WRONLY } = constants
// The permission model of Node knows no fsync(2): under it every write waits for the disk. It takes the rename before it along.
const SEALED = process.permission !== undefined

/** A journal that is being written. Every method throws what the file system says. */
export class JournalFile {
  readonly #path: string
  readonly #fd: number
  #checksum = 0
  bytes = 0

  /** Begins an empty file. */
  constructor(path: string) {
    this.#path = path
    this.#fd = openSync(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | (SEALED ? O_DSYNC : 0), 0o600)
  }

  append(json: string): void {
    const { line, checksum } = encodeRecord(json, this.#checksum)
    // write(2): a full disk takes a part, and says so only to the next call.
    if (writeSync(this.#fd, line) !== line.length) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    this.#checksum = checksum
    this.bytes += line.length
  }

  /** Puts it in the place of the journal that was, whole and on the disk or not at all. */
  replace(path: string): void {
    this.syncNow()
    renameSync(this.#path, path)
    if (SEALED) return
    const folder = openSync(dirname(path), 'r')
    try {
      fsyncSync(folder)
    } finally {
      closeSync(folder)
    }
  }

  /** Whether `path` still is this file, as it was written. */
  isAt(path: string): boolean {
    const { ino, size } = statSync(path, { throwIfNoEntry: false }) ?? {}
    return ino === fstatSync(this.#fd).ino && size === this.bytes
  }

  /** Brings to the disk what was appended. */
  sync(done: (error: Error | null) => void): void {
    if (SEALED) done(null)
    else fdatasync(this.#fd, done)
  }

  syncNow(): void {
    if (!SEALED) fsyncSync(this.#fd)
  }

  /** What closing could complain about has been asked before, or is given up. */
  close(): void {
    close(this.#fd, () => undefined)
  }
}

import { close, closeSync, constants, fdatasync, fstatSync, fsyncSync, openSync, renameSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { encodeRecord } from './record.ts'

const { O_APPEND, O_CREAT, O_TRUNC, O_WRONLY } = constants

/** A journal that is being written. Every method throws what the file system says. */
export class JournalFile {
  readonly #path: string
  readonly #fd: number
  #checksum = 0
  bytes = 0

  /** Begins an empty file. */
  constructor(path: string) {
    this.#path = path
    this.#fd = openSync(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0o600)
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
    fdatasync(this.#fd, done)
  }

  syncNow(): void {
    fsyncSync(this.#fd)
  }

  /** What closing could complain about has been asked before, or is given up. */
  close(): void {
    close(this.#fd, () => undefined)
  }
}

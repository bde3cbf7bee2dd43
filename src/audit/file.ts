import { closeSync, constants, fdatasync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { AuditError } from './error.ts'

/** What can go wrong on a disk. */
export interface Disk {
  /** @returns How many of the bytes were written. */
  write(fd: number, bytes: Buffer): number
  /** Resolves when what was written survives a power cut. */
  sync(fd: number): Promise<void>
}

export const nodeDisk: Disk = {
  write: writeSync,
  sync: (fd) => (WAITS === 0 ? new Promise((resolve, reject) => fdatasync(fd, (error) => (error === null ? resolve() : reject(error)))) : Promise.resolve()),
}

// The permission model of Node knows no fsync(2): under it every write waits for the disk.
const WAITS = process.permission === undefined ? 0 : constants.O_DSYNC

/** Longer than any line that is written. */
const TAIL_BYTES = 1_048_576
const OTHERS_WRITE = 0o022

/** A file that lines are appended to, and nothing else is done to. */
export class LogFile {
  readonly #fd: number
  readonly #disk: Disk
  #syncs: Promise<unknown> = Promise.resolve()

  /**
   * Opens the file, or makes it for its owner alone.
   *
   * @throws AuditError - `AUDIT_FILE_UNSAFE`, `AUDIT_FILE_UNUSABLE`
   */
  constructor(path: string, disk: Disk) {
    this.#disk = disk
    this.#fd = open(path)
    const stat = fstatSync(this.#fd)
    if (stat.isFile() && (stat.mode & OTHERS_WRITE) === 0) return
    closeSync(this.#fd)
    throw new AuditError('AUDIT_FILE_UNSAFE', stat.isFile() ? 'others can write the audit log (chmod go-w)' : 'the audit log is no regular file')
  }

  /** The last line, and what stands behind it: the beginning of one that was not finished. */
  tail(): { readonly line: Buffer | undefined; readonly torn: Buffer } {
    const { size } = fstatSync(this.#fd)
    const bytes = Buffer.alloc(Math.min(size, TAIL_BYTES))
    readSync(this.#fd, bytes, 0, bytes.length, size - bytes.length)
    const end = bytes.lastIndexOf(10)
    const line = end < 0 ? undefined : bytes.subarray(bytes.subarray(0, end).lastIndexOf(10) + 1, end)
    return { line, torn: bytes.subarray(end + 1) }
  }

  get empty(): boolean {
    return fstatSync(this.#fd).size === 0
  }

  /**
   * Appends lines. Where the disk takes not all of them, whole ones stay in the file, and the beginning of another is cut off.
   *
   * @returns The bytes that stand in the file, and what went wrong.
   */
  append(lines: Buffer): { readonly bytes: number; readonly error?: Error } {
    let written = 0
    try {
      // A write can be short without an error: the next one then tells why.
      while (written < lines.length) written += this.#disk.write(this.#fd, lines.subarray(written))
      return { bytes: written }
    } catch (error) {
      const whole = written === 0 ? 0 : lines.lastIndexOf(10, written - 1) + 1
      return { bytes: this.#cut(written - whole) ? whole : written, error: error as Error }
    }
  }

  sync(): Promise<void> {
    const synced = this.#disk.sync(this.#fd)
    this.#syncs = Promise.allSettled([this.#syncs, synced])
    return synced
  }

  /** Whether it was deleted: what is written now is nowhere. */
  get gone(): boolean {
    return fstatSync(this.#fd).nlink === 0
  }

  async close(): Promise<void> {
    await this.#syncs
    closeSync(this.#fd)
  }

  #cut(bytes: number): boolean {
    try {
      if (bytes > 0) ftruncateSync(this.#fd, fstatSync(this.#fd).size - bytes)
      return true
    } catch {
      // It can only be appended to (chattr +a).
      return false
    }
  }
}

function open(path: string): number {
  try {
    return openSync(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK | WAITS, 0o600)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ELOOP') throw new AuditError('AUDIT_FILE_UNSAFE', 'the audit log is a symbolic link')
    throw new AuditError('AUDIT_FILE_UNUSABLE', `the audit log cannot be opened (${code})`)
  }
}

import type { KeyObject } from 'node:crypto'
import { digest, type Event, FRAME_BYTES, type Head, putLine, readLine } from './chain.ts'
import { Lock, LockedError } from '../lock/index.ts'
import { membersOf } from '../log/index.ts'
import { AuditError } from './error.ts'
import { type Disk, LogFile } from './file.ts'

/** For some 160 lines; ten milliseconds rarely have more. */
const ROOM_BYTES = 128 * 1024
const NOTHING: Buffer = Buffer.alloc(0)

/** A file, or one after the other, that holds a chain of lines. */
export class ChainedFile {
  readonly #path: string
  readonly #key: KeyObject | undefined
  readonly #disk: Disk
  /** Two writers would make two chains of one. It is of the path: whoever moves the file away leaves it here. */
  readonly #lock: Lock
  #file: LogFile
  #written: Head
  /** What is to be written; it becomes lines on its way to the file, so that the chain is always that of the file. */
  #queue: string[] = []
  #queued = 0
  /** The lines of each write are made in the bytes of those before. */
  readonly #room = Buffer.allocUnsafeSlow(ROOM_BYTES)
  /** Whether the next line is the first of the file, and what finishes a line that stands in it. */
  #opens: boolean
  #rest = NOTHING
  /** The bytes of a line that a crash left unfinished. */
  readonly tornBytes: number

  /**
   * Opens the file; what a crash left unfinished in it is closed off by a line that says so.
   *
   * @param continued - Where the chain goes on, given the last line of the file.
   * @throws AuditError - `AUDIT_FILE_UNSAFE`, `AUDIT_FILE_UNUSABLE`, `AUDIT_FILE_LOCKED`, `AUDIT_FILE_FOREIGN`
   */
  constructor(path: string, key: KeyObject | undefined, disk: Disk, continued: (last: Head | undefined) => Head) {
    this.#path = path
    this.#key = key
    this.#disk = disk
    this.#file = new LogFile(path, disk)
    this.#lock = lockOf(path)
    try {
      const { line, torn } = this.#file.tail()
      // A line can be whole but for its end.
      const whole = lastLink(torn, key)
      const last = whole ?? lastLink(line, key)
      if (line !== undefined && last === undefined) throw new AuditError('AUDIT_FILE_FOREIGN', 'the last line of the audit log was changed, or written with another key; move the file and its head away to begin a new chain')
      this.#written = continued(last)
      this.#opens = last === undefined
      this.tornBytes = torn.length
      if (torn.length === 0) return
      this.#rest = Buffer.from('\n')
      if (whole === undefined) this.add('torn', membersOf({ bytes: torn.length, sha256: digest(torn, undefined) }))
    } catch (error) {
      this.#lock.release()
      throw error
    }
  }

  /** Whether no other process has taken it. */
  get held(): boolean {
    return this.#lock.held()
  }

  /** The last line in the file. */
  get written(): Head {
    return this.#written
  }

  /** Bytes that are to be written, about; 0 where nothing is. */
  get queued(): number {
    return this.#queued
  }

  /** Whether the file was deleted: what is written now is nowhere. */
  get gone(): boolean {
    return this.#file.gone
  }

  /**
   * Has a line written with the next `write()`.
   *
   * @param members - What it says, as `membersOf` puts it.
   */
  add(event: Event, members: string): void {
    const body = `"event":"${event}",${members}`
    this.#queue.push(body)
    this.#queued += roomFor(body)
  }

  /** Writes what was added. What is returned kept the rest of it from the file; it is written the next time. */
  write(): Error | undefined {
    const [rest, heads] = [this.#rest, [] as Head[]]
    const room = this.#room.length >= this.#queued ? this.#room : Buffer.allocUnsafeSlow(this.#queued)
    let [end, head] = [0, this.#written]
    for (const body of this.#queue) {
      const next = putLine(room, end, head, body, this.#opens && heads.length === 0, this.#key)
      heads.push(head = next.head)
      end = next.end
    }
    const lines = room.subarray(0, end)
    const { bytes, error } = this.#file.append(rest.length === 0 ? lines : Buffer.concat([rest, lines]))
    if (error === undefined) this.#advance(heads)
    else this.#rest = bytes < rest.length ? rest.subarray(bytes) : this.#advanceTo(bytes - rest.length, lines, heads)
    return error
  }

  sync(): Promise<void> {
    return this.#file.sync()
  }

  /** Goes on in a new file where the old one was moved away. What keeps it from that is returned, and the old one stays. */
  reopen(): string | undefined {
    if (!this.gone) this.write()
    try {
      const [old, file] = [this.#file, new LogFile(this.#path, this.#disk)]
      this.#file = file
      this.#opens = file.empty
      this.#rest = NOTHING
      old.sync().catch(() => undefined).finally(() => void old.close())
      return undefined
    } catch (error) {
      return (error as Error).message
    }
  }

  async close(): Promise<void> {
    await this.#file.close()
    this.#lock.release()
  }

  /** Everything is in the file. */
  #advance(heads: readonly Head[]): void {
    this.#rest = NOTHING
    if (heads.length === 0) return
    this.#written = heads.at(-1)!
    this.#opens = false
    this.#queue = []
    this.#queued = 0
  }

  /** So many bytes are in the file. @returns What is left of the line in which they end. */
  #advanceTo(bytes: number, lines: Buffer, heads: readonly Head[]): Buffer {
    const end = bytes === 0 ? 0 : lines.indexOf(10, bytes - 1) + 1
    const count = lines.toString('latin1', 0, end).split('\n').length - 1
    const waiting = this.#queue.slice(count)
    this.#advance(heads.slice(0, count))
    this.#queue = waiting
    this.#queued = waiting.reduce((sum, body) => sum + roomFor(body), 0)
    return Buffer.from(lines.subarray(bytes, end))
  }
}

const roomFor = (body: string): number => Buffer.byteLength(body) + FRAME_BYTES

function lockOf(path: string): Lock {
  try {
    return new Lock(`${path}.lock`)
  } catch (error) {
    if (error instanceof LockedError) throw new AuditError('AUDIT_FILE_LOCKED', `process ${error.pid} writes this audit log (${path}.lock): each needs a file of its own`)
    throw new AuditError('AUDIT_FILE_UNUSABLE', `the audit log cannot be locked (${(error as NodeJS.ErrnoException).code})`)
  }
}

function lastLink(line: Buffer | undefined, key: KeyObject | undefined): Head | undefined {
  const link = line && readLine(line, key)
  return link?.intact === true ? { seq: link.seq, hash: link.hash } : undefined
}

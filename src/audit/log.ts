import type { KeyObject } from 'node:crypto'
import { type Log, membersOf } from '../log/index.ts'
import { type Event, type Head, ORIGIN } from './chain.ts'
import { ChainedFile } from './chained.ts'
import { AuditError } from './error.ts'
import { type Disk, nodeDisk } from './file.ts'
import { headPath, keepHead, readHead } from './head.ts'
import type { CallRecord, IntentRecord } from './record.ts'

export interface AuditOptions {
  readonly path: string
  /**
   * How soon lines are safe from a power cut: after `every` write (what comes while the disk is busy is one), or within an
   * `interval` of a second. A write has the lines of ten milliseconds; that of an intent is made before its call goes up. The
   * end of this process alone, however sudden, costs the lines of ten milliseconds at most.
   */
  readonly fsync: 'every' | 'interval'
  /** Whether calls go on while the log cannot be written. */
  readonly fail: 'open' | 'closed'
  /** Whether `begin` writes a line, too. */
  readonly intent: boolean
  readonly key: KeyObject | undefined
}

/** What the log needs of the world. */
export interface AuditWorld {
  readonly log: Log
  /** Runs something again and again, until it is told to stop. */
  readonly each: (intervalMs: number, run: () => unknown) => () => void
  /** Runs something later. */
  readonly after: (delayMs: number, run: () => void) => unknown
  readonly disk?: Disk
}

/** Measured: a write a turn of the event loop took a third of what the log costs. */
const WRITE_MS = 10
const TICK_MS = 1000
/** Every so many ticks the head goes into the log of the proxy, out of reach of those who can write this one. */
const TICKS_PER_ANCHOR = 60
// Some 8,000 lines: longer than any disk should pause.
const MAX_QUEUED_BYTES = 8 * 1024 * 1024

/** The audit log: lines go to a file in one chain, which goes on over restarts and from file to file. */
export class AuditLog {
  readonly #options: AuditOptions
  readonly #log: Log
  readonly #after: AuditWorld['after']
  readonly #stopTicking: () => void
  readonly #file: ChainedFile
  /** The last line that a power cut leaves, and the last that `FILE.head` names. */
  #safe: Head
  #kept: Head = ORIGIN
  #trouble: string | undefined
  #lost = 0
  #lostBefore = 0
  #committing = false
  #settling: Promise<void> | undefined
  #ticks = 0
  #waiting: (() => void)[] = []
  readonly #groups = new WeakMap<readonly string[], string>()

  /**
   * Opens the log and goes on with its chain. A line that a crash left unfinished is closed off by one that says so.
   *
   * @throws AuditError - `AUDIT_FILE_UNSAFE`, `AUDIT_FILE_UNUSABLE`, `AUDIT_FILE_LOCKED`, `AUDIT_FILE_FOREIGN`, `AUDIT_HEAD_INVALID`
   */
  constructor(options: AuditOptions, { log, each, after, disk = nodeDisk }: AuditWorld) {
    this.#options = options
    this.#log = log
    this.#after = after
    this.#file = new ChainedFile(options.path, options.key, disk, (last) => this.#continued(last))
    this.#safe = this.#file.written
    if (this.#file.tornBytes > 0) log.warn('the last line of the audit log was torn', { bytes: this.#file.tornBytes })
    this.#write()
    this.#stopTicking = each(TICK_MS, () => this.#tick())
  }

  /** Whether calls may go on: not while the log fails and `fail` is `closed`. */
  writable(): boolean {
    return this.#options.fail === 'open' || (this.#trouble === undefined && !this.#full)
  }

  /** The last line in the file. */
  get head(): Head {
    return this.#file.written
  }

  /** Lines that were never written, since the start. */
  get lost(): number {
    return this.#lostBefore + this.#lost
  }

  /**
   * To be asked right before a call goes up: whether it may. With `intent` its line is then as safe as `fsync` says.
   *
   * @param intent - Made only where it is written.
   */
  begin(intent: () => IntentRecord): boolean | Promise<boolean> {
    if (!this.#options.intent || !this.writable()) return this.writable()
    this.#add('intent', membersOf(intent()))
    if (this.#options.fsync === 'every' && this.#trouble === undefined) {
      // One commit for all that wait at the end of this turn.
      if (this.#waiting.length === 0) setImmediate(this.#flush)
      return new Promise((resolve) => this.#waiting.push(() => resolve(this.writable())))
    }
    this.#flush()
    return this.writable()
  }

  /** Writes down a call at its end, with those of the next ten milliseconds. Never throws. */
  end({ time, groups, facts }: CallRecord): void {
    if (this.#file.queued === 0) this.#after(WRITE_MS, this.#flush)
    this.#add('call', `"time":"${time}",${facts.text}${groups === undefined ? '' : this.#groupsOf(groups)}`)
  }

  /** Goes on in a new file where the old one was moved away. What keeps it from that is returned, and the old one stays. */
  reopen(): string | undefined {
    return this.#isOurs() ? this.#file.reopen() : this.#trouble
  }

  /** Writes what is left. Lines that come later are lost. */
  async close(): Promise<void> {
    // The last answers may have ended in this very turn.
    await new Promise((resolve) => setImmediate(resolve))
    this.#stopTicking()
    await this.#settling
    if (this.#isOurs()) await this.#settle()
    this.#anchor()
    await this.#file.close()
  }

  /** Callers live as long as their tokens are remembered: so does what is said of their groups. */
  #groupsOf(groups: readonly string[]): string {
    let text = this.#groups.get(groups)
    if (text === undefined) this.#groups.set(groups, text = `,${membersOf({ groups })}`)
    return text
  }

  get #full(): boolean {
    return this.#file.queued > MAX_QUEUED_BYTES
  }

  #add(event: Event, members: string): void {
    if (this.#full) return void this.#lost++
    this.#noteLoss()
    this.#file.add(event, members)
  }

  #noteLoss(): void {
    if (this.#lost === 0) return
    this.#file.add('lost', membersOf({ lines: this.#lost }))
    this.#lostBefore += this.#lost
    this.#lost = 0
  }

  readonly #flush = (): void => {
    // In trouble the next try is the tick's. While a commit is under way, what many turns write is left to the next one.
    if (this.#trouble === undefined && this.#write() && this.#options.fsync === 'every' && !this.#committing) void this.#commit()
  }

  /** @returns Whether all lines are in the file. */
  #write(): boolean {
    const error = this.#file.write()
    return error === undefined || this.#fail(error)
  }

  async #commit(): Promise<void> {
    this.#committing = true
    const waiting = this.#waiting.splice(0)
    await this.#sync()
    this.#committing = false
    for (const go of waiting) go()
    if (this.#file.written !== this.#safe || this.#waiting.length > 0) this.#flush()
  }

  /** @returns Whether all lines in the file are safe. */
  async #sync(): Promise<boolean> {
    const { written } = this.#file
    if (written === this.#safe) return true
    try {
      await this.#file.sync()
      this.#safe = written
      return true
    } catch (error) {
      return this.#fail(error as Error)
    }
  }

  async #keep(): Promise<void> {
    const safe = this.#safe
    if (safe === this.#kept) return
    try {
      await keepHead(headPath(this.#options.path), safe, this.#options.key)
      this.#kept = safe
    } catch (error) {
      this.#log.error('the head of the audit log cannot be kept', { error: (error as NodeJS.ErrnoException).code })
    }
  }

  #tick(): Promise<void> {
    if (!this.#isOurs()) return Promise.resolve()
    if (this.#file.gone && !this.#replace()) return Promise.resolve()
    if (++this.#ticks % TICKS_PER_ANCHOR === 0) this.#anchor()
    // A disk may take longer than a tick.
    return this.#settling ??= this.#settle().finally(() => { this.#settling = undefined })
  }

  /** Brings all there is to the disk, and ends the trouble where that works again. */
  async #settle(): Promise<void> {
    const good = this.#write() && await this.#sync()
    if (good && this.#trouble !== undefined) {
      this.#trouble = undefined
      this.#log.warn('the audit log can be written again', { lost: this.lost })
      this.#noteLoss()
      this.#write()
    }
    await this.#keep()
  }

  #anchor(): void {
    const { seq, hash } = this.#file.written
    this.#log.info('audit head', { seq, hash, lost: this.lost })
  }

  /** The file was deleted. What was in it is lost; the gap shows where it was. */
  #replace(): boolean {
    this.#fail(Object.assign(new Error('the audit log was deleted'), { code: 'ENOENT' }))
    return this.reopen() === undefined
  }

  /** Whether no other process has taken the file: then this one must not write to it again. */
  #isOurs(): boolean {
    return this.#file.held || this.#fail(new Error('another process writes it'))
  }

  #fail(error: NodeJS.ErrnoException): false {
    if (this.#trouble === undefined) this.#log.error('the audit log cannot be written', { error: error.code ?? error.message, calls: this.#options.fail === 'open' ? 'go on' : 'are refused' })
    this.#trouble = error.code ?? error.message
    for (const go of this.#waiting.splice(0)) go()
    return false
  }

  #keptHead(): Head {
    try {
      return readHead(headPath(this.#options.path), this.#options.key)
    } catch (error) {
      if (error instanceof AuditError && error.code === 'AUDIT_FILE_UNUSABLE') return ORIGIN
      throw error
    }
  }

  /**
   * Where the chain goes on. The head is kept after the lines are safe, so a head beyond the last line means that lines were
   * taken away: to go on from it leaves the gap to be seen.
   */
  #continued(last: Head | undefined): Head {
    const kept = this.#kept = this.#keptHead()
    if (last === undefined || kept.seq < last.seq) return last ?? kept
    if (kept.hash !== last.hash) this.#log.error('the audit log does not reach to its head: lines were removed', { last: last.seq, head: kept.seq })
    return kept
  }
}

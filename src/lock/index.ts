import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

/** Another process has it. */
export class LockedError extends Error {
  override readonly name = 'LockedError'
  readonly pid: number

  constructor(pid: number) {
    super(`process ${pid} has it`)
    this.pid = pid
  }
}

/**
 * Keeps two processes from writing one file: a file beside it names who has it. A holder that was killed cannot take it away, so a lock counts only
 * while the process it names runs. Where that cannot be seen (another container, a system without /proc) the newcomer takes over, and the one before
 * finds out by `held`.
 *
 * @example const lock = new Lock('/var/log/audit.jsonl.lock')
 */
export class Lock {
  readonly #path: string
  readonly #holder: string
  #lost = false

  /** @throws LockedError; or what the file system says. */
  constructor(path: string) {
    this.#path = path
    this.#holder = `${process.pid} ${ownIdentity() ?? 'unseen'} ${process.hrtime.bigint()}`
    const [, pid, identity] = /^([1-9]\d*) (\S+)/.exec(textOf(path) ?? '') ?? []
    if (identity !== undefined && runs(Number(pid), identity)) throw new LockedError(Number(pid))
    rmSync(path, { force: true })
    this.#take()
  }

  /** Whether it is still ours: once lost it is not ours again, whatever has become of the other. One that was cleaned away is taken anew. */
  held(): boolean {
    this.#lost ||= !this.#isOurs()
    return !this.#lost
  }

  release(): void {
    if (textOf(this.#path) === this.#holder) rmSync(this.#path)
  }

  #isOurs(): boolean {
    try {
      if (!existsSync(this.#path)) this.#take()
      return readFileSync(this.#path, 'utf8') === this.#holder
    } catch (error) {
      // Whoever has no descriptor left cannot look, and has lost nothing by that. Else somebody was faster, or nothing can be written there.
      return NO_DESCRIPTOR.has((error as NodeJS.ErrnoException).code)
    }
  }

  // Of two that come at once, the second fails here, or the first will find that it lost.
  #take(): void {
    writeFileSync(this.#path, this.#holder, { flag: 'wx', mode: 0o600 })
  }
}

const NO_DESCRIPTOR: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE'])

/** Whether the process that a lock names still runs, as far as we can see. */
function runs(pid: number, identity: string): boolean {
  if (pid === process.pid) return identity === ownIdentity()
  try {
    return identity === identityOf(pid)
  } catch (error) {
    // The permission model of Node hides what others are, not that they are there.
    const isHidden = (error as NodeJS.ErrnoException).code === 'ERR_ACCESS_DENIED'
    return isHidden && identity.startsWith(`${boot()}/`) && isOfOurUser(pid)
  }
}

/** Whether we may send signals to a process with this number. Another user's is not the one that wrote the lock. */
function isOfOurUser(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

function ownIdentity(): string | undefined {
  try {
    return identityOf('self')
  } catch {
    return undefined
  }
}

/** A number is given to one process after another, in each container from 1. With the boot and the time of its start it is one of a kind. */
function identityOf(pid: number | 'self'): string {
  // proc_pid_stat(5): field 22; the name in field 2 may hold anything.
  const started = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)!.split(' ')[19]
  return `${boot()}/${started}`
}

// Of /proc a service may be shown no more than processes (systemd: `ProcSubset=pid`).
const boot = (): string => textOf('/proc/sys/kernel/random/boot_id')?.trim() ?? 'unseen'

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { LimitsError } from './errors.ts'

/**
 * Keeps two processes from one journal: a file that names who has it. A holder that was killed cannot take it away, so a lock counts only while
 * the process it names runs. Where that cannot be seen (another container, a system without /proc) the newcomer takes over, and the one before
 * finds out by `held`.
 */
export class Lock {
  readonly #path: string
  readonly #holder: string

  /** @throws LimitsError - `LIMITS_JOURNAL_LOCKED`; or what the file system says. */
  constructor(path: string) {
    this.#path = path
    this.#holder = `${process.pid} ${identityOf(process.pid) ?? 'unseen'} ${process.hrtime.bigint()}`
    const [pid = '', identity] = holderOf(path)?.split(' ', 2) ?? []
    if (identity !== undefined && identity === identityOf(Number(pid))) {
      throw new LimitsError('LIMITS_JOURNAL_LOCKED', `process ${pid} has the journal (${path})`)
    }
    rmSync(path, { force: true })
    // Of two that come at once, the second fails here, or the first will find that it lost.
    writeFileSync(path, this.#holder, { flag: 'wx', mode: 0o600 })
  }

  held(): boolean {
    return holderOf(this.#path) === this.#holder
  }

  release(): void {
    if (this.held()) rmSync(this.#path)
  }
}

function holderOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** A number is given to one process after another, in each container from 1. With the boot and the time of its start it is one of a kind. */
function identityOf(pid: number): string | undefined {
  try {
    // proc_pid_stat(5): field 22; the name in field 2 may hold anything.
    const started = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)!.split(' ')[19]
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()}/${started}`
  } catch {
    return undefined
  }
}

import { writeSync } from 'node:fs'

/** What the process that started this one hands to it. */
export interface Inherited {
  /** Descriptors of sockets that listen already, by what they are for. */
  readonly proxy: number | undefined
  readonly admin: number | undefined
  /** A descriptor that takes what sd_notify(3) would send. */
  readonly notify: number | undefined
  /** How often a sign of life is wanted. */
  readonly watchdogMs: number | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

const FIRST_DESCRIPTOR = 3
const PURPOSES: ReadonlySet<string> = new Set(['admin', 'notify'])

/**
 * Reads what systemd says of descriptors that it opened for us: sd_listen_fds(3), sd_watchdog_enabled(3), `OpenFile=` of systemd.service(5).
 * The first one that is named neither `admin` nor `notify` is the door. `NOTIFY_FD` is ours: for a systemd before 253, where a wrapper has
 * to connect to the socket of sd_notify, which Node cannot.
 */
export function inherit(env: Environment, pid: number): Inherited {
  const ours = env.LISTEN_PID === String(pid)
  const names = ours ? (env.LISTEN_FDNAMES ?? '').split(':') : []
  const count = ours ? Number(env.LISTEN_FDS ?? 0) : 0
  const named = Array.from({ length: count }, (_, i) => [names[i] ?? '', FIRST_DESCRIPTOR + i] as const)
  const find = (is: (name: string) => boolean) => named.find(([name]) => is(name))?.[1]
  const watched = env.WATCHDOG_USEC !== undefined && (env.WATCHDOG_PID ?? String(pid)) === String(pid)
  return {
    proxy: find((name) => !PURPOSES.has(name)),
    admin: find((name) => name === 'admin'),
    notify: find((name) => name === 'notify') ?? (env.NOTIFY_FD === undefined ? undefined : Number(env.NOTIFY_FD)),
    watchdogMs: watched ? Number(env.WATCHDOG_USEC) / 1000 : undefined,
  }
}

/** Tells the supervisor how we are; nobody where there is none. */
export class Supervisor {
  readonly #fd: number | undefined
  readonly #timer: NodeJS.Timeout | undefined

  constructor({ notify, watchdogMs }: Inherited) {
    this.#fd = notify
    // A sign of life comes from the event loop: where that stands still, none does.
    if (watchdogMs !== undefined) this.#timer = setInterval(() => this.#tell('WATCHDOG=1'), watchdogMs / 3).unref()
  }

  ready(status: string): void {
    this.#tell(`READY=1\nSTATUS=${status}`)
  }

  reloading(): void {
    // For Type=notify-reload: the time by the clock that Node measures with.
    this.#tell(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`)
  }

  stopping(): void {
    this.#tell('STOPPING=1\nSTATUS=draining')
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #tell(state: string): void {
    if (this.#fd === undefined) return
    try {
      writeSync(this.#fd, `${state}\n`)
    } catch {
      // It does not listen, or is slow: the next one will tell, or its own patience ends.
    }
  }
}

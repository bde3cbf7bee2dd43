/** What calls have used: whole tokens of each kind, and micro-dollars. */
export interface Spent {
  readonly input: number
  readonly output: number
  readonly cacheRead: number
  readonly cacheWrite: number
  readonly microUsd: number
}

export const NOTHING: Spent = Object.freeze({ input: 0, output: 0, cacheRead: 0, cacheWrite: 0, microUsd: 0 })

/** Where the calendar stands: a day or a month of UTC. */
export interface Calendar {
  readonly startMs: (nowMs: number) => number
  readonly endMs: (startMs: number) => number
}

const DAY_MS = 86_400_000

export const DAY: Calendar = {
  startMs: (nowMs) => Math.floor(nowMs / DAY_MS) * DAY_MS,
  endMs: (startMs) => startMs + DAY_MS,
}

export const MONTH: Calendar = { startMs: (nowMs) => monthMs(nowMs, 0), endMs: (startMs) => monthMs(startMs, 1) }

function monthMs(ms: number, later: number): number {
  const date = new Date(ms)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + later, 1)
}

/** A clock that is put back by no more does not open a day, and its budget, a second time. One that was further ahead was simply wrong. */
const PUT_BACK_MS = 3_600_000

/** The counters of one day or month, the last in which something was used. */
export class Period {
  readonly #calendar: Calendar
  startMs = 0
  #endMs = 0
  #spent = { ...NOTHING }

  constructor(calendar: Calendar) {
    this.#calendar = calendar
  }

  add(more: Spent, nowMs: number): void {
    if (!this.#covers(nowMs)) this.set(this.#calendar.startMs(nowMs), NOTHING)
    this.#spent.input += more.input
    this.#spent.output += more.output
    this.#spent.cacheRead += more.cacheRead
    this.#spent.cacheWrite += more.cacheWrite
    this.#spent.microUsd += more.microUsd
  }

  set(startMs: number, spent: Spent): void {
    this.startMs = startMs
    this.#endMs = this.#calendar.endMs(startMs)
    this.#spent = { ...spent }
  }

  /** What was used in the day or month that is now: nothing, as long as only an earlier one was used. */
  spentAt(nowMs: number): Spent {
    return this.#covers(nowMs) ? this.#spent : NOTHING
  }

  /** When the counters begin anew. */
  resetMs(nowMs: number): number {
    return this.#covers(nowMs) ? this.#endMs : this.#calendar.endMs(this.#calendar.startMs(nowMs))
  }

  #covers(nowMs: number): boolean {
    return nowMs < this.#endMs && nowMs >= this.startMs - PUT_BACK_MS
  }
}

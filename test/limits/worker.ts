import { writeSync } from 'node:fs'
import { openLimits, type Ticket } from '../../src/limits/index.ts'
import { createLog } from '../../src/log/index.ts'

/** How many calls end in one turn of the event loop. */
const PER_TURN = 7
const TURNS_PER_LINE = 10
/** How long what ended waits to be written at most, and the millisecond by which clocks may be apart. */
const WRITTEN_MS = 10 + 1

export function after(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, delayMs).unref()
  return () => clearTimeout(timer)
}

/**
 * A process that counts, as fast as it can, in the journal it is given; on its output how many calls have been written at least, and how many
 * end before the next line at most.
 */
function work(path: string, nowMs: number): void {
  const limits = openLimits({ default: { concurrent: 20 }, groups: new Map(), users: new Map(), issuers: [undefined] }, { path, fail: 'closed', maxAppendedBytes: 200_000 }, {
    nowMs: () => nowMs, after,
    log: createLog({ level: 'error', format: 'json', nowMs: () => nowMs, write: (line) => process.stderr.write(line) }),
  })
  const ann = { issuer: 'https://idp.example', user: 'ann', groups: [] }
  const live: Ticket[] = []
  const ends: { readonly atMs: number; readonly count: number }[] = []
  let [turns, ended, written] = [0, 0, 0]
  const turn = (): void => {
    // The timers of this turn ran after the last one's end.
    while (ends.length > 0 && ends[0]!.atMs + WRITTEN_MS <= ends.at(-1)!.atMs) written = ends.shift()!.count
    if (turns++ % TURNS_PER_LINE === 0) writeSync(1, `${written} ${ended + TURNS_PER_LINE * PER_TURN}\n`)
    for (let i = 0; i < PER_TURN; i++, ended++) {
      while (live.length < 20) live.push(limits.admit(ann, { tokens: 10, microUsd: 10 }, nowMs) as Ticket)
      live.shift()!.settle({ input: 1, output: 10, cacheRead: 100, cacheWrite: 1000, microUsd: 10_000 }, nowMs)
    }
    ends.push({ atMs: performance.now(), count: ended })
    setImmediate(turn)
  }
  turn()
}

if (process.argv[2] === 'work') work(process.argv[3]!, Number(process.argv[4]))

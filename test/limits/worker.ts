import { writeSync } from 'node:fs'
import { openLimits, type Ticket } from '../../src/limits/index.ts'
import { createLog } from '../../src/log/index.ts'

/** How many calls end in one turn of the event loop. */
export const PER_TURN = 7

/** A process that counts, as fast as it can, in the journal it is given; on its output how many calls have ended, before and after each turn. */
function work(path: string, nowMs: number): void {
  const limits = openLimits({ default: { concurrent: 20 }, groups: new Map(), users: new Map(), issuers: [undefined] }, { path, fail: 'closed', maxAppendedBytes: 5000 }, {
    nowMs: () => nowMs, soon: setImmediate, after: (ms, run) => {
      const timer = setTimeout(run, ms).unref()
      return () => clearTimeout(timer)
    },
    log: createLog({ level: 'error', format: 'json', nowMs: () => nowMs, write: (line) => process.stderr.write(line) }),
  })
  const ann = { issuer: 'https://idp.example', user: 'ann', groups: [] }
  const live: Ticket[] = []
  let ended = 0
  const turn = (): void => {
    // Of a turn earlier all is written: only what this turn ends can be lost.
    writeSync(1, `${ended} ${ended + PER_TURN}\n`)
    for (let i = 0; i < PER_TURN; i++, ended++) {
      while (live.length < 20) live.push(limits.admit(ann, { tokens: 10, microUsd: 10 }, nowMs) as Ticket)
      live.shift()!.settle({ input: 1, output: 10, cacheRead: 100, cacheWrite: 1000, microUsd: 10_000 }, nowMs)
    }
    setImmediate(turn)
  }
  turn()
}

if (process.argv[2] === 'work') work(process.argv[3]!, Number(process.argv[4]))

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLimits, type Ticket } from '../../src/limits/index.ts'
import { createLog } from '../../src/log/index.ts'
import { after } from './worker.ts'

/** Prints what a request costs: `node --import tsx test/limits/cost.ts`. CPU time of the process, which other load hardly disturbs. */
const ROUNDS = 20_000
const folder = mkdtempSync(join(tmpdir(), 'limits-cost-'))
const world = { nowMs: Date.now, after, log: createLog({ level: 'error', format: 'json', nowMs: Date.now, write: (line) => process.stderr.write(line) }) }
const everything = {
  requests_per_minute: 1e6, concurrent: 1e6, tokens_per_minute: 1e9, tokens_per_day: 1e12, tokens_per_month: 1e12, usd_per_day: 1e15, usd_per_month: 1e15,
}
const people = Array.from({ length: 100 }, (_, i) => ({ issuer: 'https://idp.example', user: `user ${i}`, groups: ['a', 'b', 'c'] }))

async function measure(name: string, row: object, path: string | undefined, perTurn: number, fields = false): Promise<void> {
  const limits = openLimits({ default: row, groups: new Map(), users: new Map(), issuers: [undefined] }, path === undefined ? undefined : { path, fail: 'closed' }, world)
  for (const phase of ['warm', 'measured']) {
    const began = process.cpuUsage()
    for (let i = 0; i < ROUNDS; i += perTurn) {
      for (let j = 0; j < perTurn; j++) {
        const ticket = limits.admit(people[(i + j) % people.length]!, { tokens: 1000, microUsd: 3000 }, Date.now()) as Ticket
        if (fields) ticket.fields(Date.now(), true)
        ticket.settle({ input: 300, output: 100, cacheRead: 0, cacheWrite: 0, microUsd: 2000 }, Date.now())
        ticket.release(Date.now())
      }
      await new Promise(setImmediate)
    }
    const { user, system } = process.cpuUsage(began)
    if (phase === 'measured') console.log(`${name.padEnd(60)} ${((user + system) / ROUNDS).toFixed(2)} µs`)
  }
  limits.close()
}

await measure('the turn itself, one request in each: about', {}, undefined, 1)
await measure('memory, no limits, 20 requests per turn', {}, undefined, 20)
await measure('memory, all seven limits, 20 per turn', everything, undefined, 20)
await measure('memory, all seven limits, 20 per turn, with headers', everything, undefined, 20, true)
await measure('journal, all seven limits, 1 per turn', everything, join(folder, 'a'), 1)
await measure('journal, all seven limits, 20 per turn', everything, join(folder, 'b'), 20)
rmSync(folder, { recursive: true })

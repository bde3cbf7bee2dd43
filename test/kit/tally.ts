import { readFileSync } from 'node:fs'
import { TALLIED } from './tallied.ts'

/** `tally.ts FILE`: what all runs of a suite connected to, by purpose; ends with 1 where something is listed that no run ever did. */
const lines = readFileSync(process.argv[2]!, 'utf8').split('\n')
for (const purpose of TALLIED) {
  const runs = lines.filter((line) => line === purpose).length
  process.stdout.write(`${String(runs).padStart(4)}  ${purpose}\n`)
  if (runs === 0) process.exitCode = 1
}

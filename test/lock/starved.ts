import { closeSync, openSync } from 'node:fs'
import { Lock } from '../../src/lock/index.ts'

/** A process that takes the lock it is given, runs out of descriptors, and says whether it still has the lock: meanwhile, and afterwards. */
const lock = new Lock(process.argv[2]!)
const held: boolean[] = []
const open: number[] = []
try {
  for (;;) open.push(openSync('/dev/null', 'r'))
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error
  held.push(lock.held())
}
for (const descriptor of open) closeSync(descriptor)
held.push(lock.held())
console.log(JSON.stringify(held))

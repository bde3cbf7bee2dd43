import { Lock } from '../../src/lock/index.ts'

/** A process that takes the lock it is given, says what came of it, and stays. */
try {
  new Lock(process.argv[2]!)
  console.log('taken')
  setInterval(() => undefined, 60_000)
} catch (error) {
  console.log((error as Error).message)
}

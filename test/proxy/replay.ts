import { openLimits } from '../../src/limits/index.ts'
import { createLog } from '../../src/log/index.ts'

/** A process that opens a journal and says what each user has used, as JSON. */
function replay(path: string, users: readonly string[]): void {
  const log = createLog({ level: 'warn', format: 'json', nowMs: Date.now, write: (line) => process.stderr.write(line) })
  const limits = openLimits({ default: {}, groups: new Map(), users: new Map(), issuers: [undefined] }, { path, fail: 'closed' }, { nowMs: Date.now, after: () => () => undefined, log })
  process.stdout.write(JSON.stringify(users.map((user) => limits.usage({ issuer: '', user }, Date.now()))))
  void limits.close()
}

replay(process.argv[2]!, process.argv.slice(3))

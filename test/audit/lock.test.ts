import assert from 'node:assert/strict'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { call, linesIn, TestLog } from './kit.ts'

test('two do not write one log; who comes after a close, a rename and reopen, or a refused start is not held up', async () => {
  const first = new TestLog()
  const refused = () => assert.throws(() => new TestLog({ path: first.path }), { code: 'AUDIT_FILE_LOCKED', message: `process ${process.pid} writes this audit log (${first.path}.lock): each needs a file of its own` })
  refused()
  renameSync(first.path, `${first.path}.1`)
  assert.equal(first.log.reopen(), undefined)
  refused()
  await first.log.close()
  writeFileSync(first.path, 'nonsense\n')
  assert.throws(() => new TestLog({ path: first.path }), { code: 'AUDIT_FILE_FOREIGN' })
  assert.equal(existsSync(`${first.path}.lock`), false)
})

test('who loses the log to a process it cannot see writes no more, not at the end either, and refuses or goes on as `fail` says', async () => {
  for (const [fail, mayGoOn] of [['closed', false], ['open', true]] as const) {
    const test = new TestLog({ fail })
    const { log, path } = test
    log.end(call())
    await test.second()
    const head = readFileSync(`${path}.head`)
    writeFileSync(`${path}.lock`, 'somebody else')
    await test.second()
    assert.deepEqual([log.writable(), test.said], [mayGoOn, [['the audit log cannot be written', { error: 'another process writes it', calls: mayGoOn ? 'go on' : 'are refused' }]]])
    assert.equal(log.reopen(), 'another process writes it')
    rmSync(`${path}.lock`)
    log.end(call())
    await test.second()
    await log.close()
    assert.deepEqual([linesIn(path).length, readFileSync(`${path}.head`)], [1, head])
  }
})

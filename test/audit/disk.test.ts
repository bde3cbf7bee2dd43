import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { test } from 'node:test'
import { verify } from '../../src/audit/index.ts'
import { nodeDisk } from '../../src/audit/file.ts'
import { call, freshPath, intent, linesIn, TestLog, turn } from './kit.ts'

const none = { key: undefined, head: undefined }
const full = () => Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })

/** A disk with room for so many bytes. */
function diskWith(left: number) {
  return {
    ...nodeDisk, left, refused: false,
    write(fd: number, bytes: Buffer) {
      if (this.left <= 0) {
        this.refused = true
        throw full()
      }
      const count = writeSync(fd, bytes.subarray(0, this.left))
      this.left -= count
      return count
    },
  }
}

for (const fail of ['closed', 'open'] as const) {
  test(`a disk that is full after any byte: fail ${fail}, nothing is torn, and what waited is written later`, async () => {
    for (let room = 0; room < 1600; room++) {
      const disk = diskWith(room)
      const { log, path, said } = new TestLog({ fail }, disk)
      log.end(call())
      log.end(call())
      await turn()
      log.end(call())
      await turn()
      assert.ok(!existsSync(path) || readFileSync(path, 'utf8') === '' || readFileSync(path, 'utf8').endsWith('}\n'), 'no torn line')
      assert.equal(log.writable(), fail === 'open' || !disk.refused, String(room))
      disk.left = Infinity
      await log.close()
      const { problems, last } = verify([path], none)
      assert.deepEqual([problems, last?.seq], [[], 3])
      assert.equal(said.some(([msg]) => msg === 'the audit log cannot be written'), disk.refused, String(room))
    }
  })
}

const appendOnly = (path: string, on: boolean) => spawnSync('chattr', [on ? '+a' : '-a', path]).status === 0
const canBe = (path: string) => {
  writeFileSync(path, '')
  return appendOnly(path, true) && appendOnly(path, false)
}

test('a disk that is full amid a line of a file that cannot be cut (chattr +a): the line is finished where it broke off', { skip: !canBe(freshPath()) && 'chattr +a is not for this user or file system' }, async () => {
  for (let room = 1; room < 1600; room += 13) {
    const disk = diskWith(room)
    const test = new TestLog({ fail: 'open' }, disk)
    assert.ok(appendOnly(test.path, true))
    try {
      for (let i = 0; i < 4; i++) {
        test.log.end(call({ bytes_in: i }))
        await turn()
      }
      disk.left = Infinity
      await test.log.close()
      const { problems, last } = verify([test.path], none)
      assert.deepEqual([problems, last?.seq], [[], 4], String(room))
    } finally {
      appendOnly(test.path, false)
    }
  }
})

test('trouble is logged once, tried again each second, and its end is told', async () => {
  let bad = true
  const test = new TestLog({}, { ...nodeDisk, write: (fd, bytes) => { if (bad) throw full(); return writeSync(fd, bytes) } })
  assert.equal(test.log.writable(), true)
  test.log.end(call())
  await turn()
  await test.second()
  test.log.end(call())
  await turn()
  assert.equal(test.log.writable(), false)
  assert.equal(test.log.begin(intent), false)
  assert.deepEqual(test.said, [['the audit log cannot be written', { error: 'ENOSPC', calls: 'are refused' }]])
  bad = false
  await test.second()
  assert.equal(test.log.writable(), true)
  assert.equal(test.messages.at(-1), 'the audit log can be written again')
  assert.equal(linesIn(test.path).length, 2)
})

test('memory is bounded while the log cannot be written; what was lost is counted, logged and written down', async () => {
  let bad = true
  const test = new TestLog({ fail: 'open' }, { ...nodeDisk, write: (fd, bytes) => { if (bad) throw full(); return writeSync(fd, bytes) } })
  const big = call({ model: 'm'.repeat(1024), session_id: 's'.repeat(1024) })
  for (let i = 0; i < 5000; i++) test.log.end(big)
  const { lost } = test.log
  assert.ok(lost > 500 && lost < 4000, String(lost))
  assert.equal(test.log.writable(), true)
  bad = false
  await turn()
  await test.second()
  test.log.end(call())
  await test.log.close()
  const { problems, notes, last } = verify([test.path], none)
  assert.deepEqual([problems, last!.seq], [[], 5000 - lost + 2])
  assert.equal(notes[0]!.what, `${lost} lines were never written: the log says so itself`)
  assert.equal(test.log.lost, lost)
})

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { LimitsError } from '../../src/limits/index.ts'
import { encodeRecord } from '../../src/limits/record.ts'
import { freshFolder, journal, left, reopened, TestWorld, used } from './kit.ts'

test('a torn end is cut, wherever it is torn, and said in the log; what the file had when it got its name is never cut', () => {
  const folder = freshFolder()
  const { file, bytes, states } = left(folder, 2)
  const lines = bytes.toString().split('\n').slice(0, -1)
  const ends = lines.map((_, i) => Buffer.byteLength(lines.slice(0, i + 1).join('\n')) + 1)
  // Head, accounts, then one record for each write.
  assert.equal(lines.length, 2 + states.length - 1)
  for (let length = 0; length < bytes.length; length++) {
    writeFileSync(file, bytes.subarray(0, length))
    const world = new TestWorld()
    const found = reopened(folder, world)
    const whole = ends.filter((end) => end <= length).length
    if (length === 0) assert.deepEqual(found, used(journal(freshFolder(), world), world.timeMs))
    else if (whole < 2) assert.equal((found as LimitsError).code, 'LIMITS_JOURNAL_CORRUPT', `cut at ${length}`)
    else {
      assert.deepEqual(found, states[whole - 2], `cut at ${length}`)
      const torn = length > ends[whole - 1]! ? [ends[whole - 1]] : []
      assert.deepEqual(world.lines.filter(({ level }) => level === 'warn').map(({ offset }) => offset), torn)
    }
  }
})

test('a byte that changes, anywhere, is found: the file is refused, with its name and the offset of the record', () => {
  const folder = freshFolder()
  const { file, bytes } = left(folder, 2)
  const starts = [0, ...[...bytes].flatMap((byte, i) => (byte === 0x0a ? [i + 1] : []))]
  for (let at = 0; at < bytes.length; at++) {
    for (const flip of [0x01, 0x80, bytes[at]! ^ 0x0a]) {
      if (flip === 0) continue
      const changed = Buffer.from(bytes)
      changed[at]! ^= flip
      writeFileSync(file, changed)
      const found = reopened(folder) as LimitsError
      assert.equal(found.code, 'LIMITS_JOURNAL_CORRUPT', `byte ${at} ^ ${flip}`)
      const start = starts.filter((one) => one <= at).at(-1)
      assert.ok(found.message.includes(`${file} is damaged at byte ${start}:`), found.message)
      assert.deepEqual(readFileSync(file), changed)
    }
  }
})

test('records that are missing, doubled or swapped are found', () => {
  const folder = freshFolder()
  const { file, bytes } = left(folder)
  const lines = bytes.toString().split('\n')
  const [a, b, ...rest] = lines as [string, string, ...string[]]
  for (const other of [[b, ...rest], [a, ...rest], [a, b, ...rest.slice(1)], [a, b, rest[0]!, ...rest], [a, b, rest[1]!, rest[0]!, ...rest.slice(2)], [a, a, b, ...rest]]) {
    writeFileSync(file, other.join('\n'))
    assert.equal((reopened(folder) as LimitsError).code, 'LIMITS_JOURNAL_CORRUPT')
  }
})

test('what is no journal is refused, and left as it is', () => {
  for (const content of ['hello\n', '\n', '{}\n', '\0\0\0\0', '00000000 \n', 'a'.repeat(5000)]) {
    const folder = freshFolder()
    writeFileSync(join(folder, 'journal'), content)
    assert.equal((reopened(folder) as LimitsError).code, 'LIMITS_JOURNAL_CORRUPT')
    assert.equal(readFileSync(join(folder, 'journal'), 'utf8'), content)
  }
})

test('zeros behind the last record, as a power failure leaves them, are a torn end', () => {
  const folder = freshFolder()
  const { file, bytes, states } = left(folder, 2)
  writeFileSync(file, Buffer.concat([bytes, Buffer.alloc(4096)]))
  assert.deepEqual(reopened(folder), states.at(-1))
})

test('a journal of another version is refused', () => {
  for (const head of ['{"journal":2,"accounts":0}', '{"accounts":0}', '{"charges":[]}', '[]', 'null', '7']) {
    const folder = freshFolder()
    writeFileSync(join(folder, 'journal'), encodeRecord(head, 0).line)
    assert.equal((reopened(folder) as LimitsError).code, 'LIMITS_JOURNAL_CORRUPT', head)
  }
})

import assert from 'node:assert/strict'
import { readFileSync, renameSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Limits, LimitsError } from '../../src/limits/index.ts'
import { admit, ANN, caller, chance, codeOf, crash, DAY_MS, freshFolder, HOUR_MS, journal, outcome, spent, TestWorld } from './kit.ts'

const PEOPLE = ['ann', 'bob', 'Zoë "|" \u{1f600}'].map((user) => caller(user))
const APRIL_MS = Date.UTC(2026, 3, 1)

const used = (limits: Limits, nowMs: number) => PEOPLE.map((who) => limits.usage(who, nowMs))
const call = (limits: Limits, who: (typeof PEOPLE)[number], nowMs: number, amounts = spent(1, 2, 3, 4, 5)): void => admit(limits, who, nowMs, 9, 9).settle(amounts, nowMs)

/** A journal of several records, whose process was killed; and what it counted, turn by turn. */
function left(folder: string, turns = 4): { readonly file: string; readonly bytes: Buffer; readonly states: ReturnType<typeof used>[] } {
  const world = new TestWorld()
  const before = journal(folder, world)
  call(before, PEOPLE[0]!, world.timeMs, spent(1000, 100, 10, 1))
  before.close()
  const limits = journal(folder, world)
  const states = [used(limits, world.timeMs)]
  for (let i = 0; i < turns; i++) {
    for (const who of PEOPLE) call(limits, who, world.timeMs)
    world.turn()
    states.push(used(limits, world.timeMs))
  }
  crash(folder)
  const file = join(folder, 'journal')
  return { file, bytes: readFileSync(file), states }
}

/** The journal as it is opened after the kill; or the error that refuses it. */
function reopened(folder: string, world = new TestWorld()): ReturnType<typeof used> | LimitsError {
  try {
    const limits = journal(folder, world)
    const state = used(limits, world.timeMs)
    limits.close()
    return state
  } catch (error) {
    return error as LimitsError
  }
}

test('a journal gives the same numbers after a close, after a kill, and after ten of them', () => {
  const folder = freshFolder()
  const { states } = left(folder)
  for (let i = 0; i < 10; i++) assert.deepEqual(reopened(folder), states.at(-1))
})

test('what ended in earlier turns survives a kill; of the turn that was cut short, and of calls in flight, nothing does', () => {
  const folder = freshFolder()
  const world = new TestWorld()
  const limits = journal(folder, world, { tokens_per_day: 100, concurrent: 2 })
  call(limits, ANN, world.timeMs, spent(40))
  world.turn()
  call(limits, ANN, world.timeMs, spent(20))
  admit(limits, ANN, world.timeMs, 40)
  crash(folder)
  const again = journal(folder, world, { tokens_per_day: 100, concurrent: 2 })
  assert.equal(outcome(again, ANN, world.timeMs, 61), 'tokens_per_day')
  assert.equal(outcome(again, ANN, world.timeMs, 60), 'admitted')
  again.close()
})

test('days and months go on where they were, and end where they would have', () => {
  const folder = freshFolder()
  const world = new TestWorld()
  const limits = journal(folder, world)
  for (let day = 0; day < 40; day++) {
    call(limits, ANN, world.timeMs, spent(1))
    world.turn()
    world.timeMs += DAY_MS
  }
  world.timeMs -= DAY_MS
  const state = used(limits, world.timeMs)
  assert.deepEqual(state[0], { day: spent(1), month: spent(23) })
  crash(folder)
  assert.deepEqual(reopened(folder, world), state)
  world.timeMs = Date.UTC(2026, 4, 1)
  assert.deepEqual(reopened(folder, world)[0 as keyof object], { day: spent(0), month: spent(0) })
})

test('a torn end is cut, wherever it is torn, and said in the log; what the file had when it got its name is never cut', () => {
  const folder = freshFolder()
  const { file, bytes, states } = left(folder)
  const lines = bytes.toString().split('\n').slice(0, -1)
  const ends = lines.map((_, i) => Buffer.byteLength(lines.slice(0, i + 1).join('\n')) + 1)
  // Head, accounts, then one record for each turn.
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
    for (const flip of [0x01, 0x20, 0x80, 0xff, bytes[at]! ^ 0x0a, bytes[at]!]) {
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
  const { file, bytes, states } = left(folder)
  writeFileSync(file, Buffer.concat([bytes, Buffer.alloc(4096)]))
  assert.deepEqual(reopened(folder), states.at(-1))
})

test('the file is written anew when much was appended: it stays small, and its numbers stay the same', () => {
  const folder = freshFolder()
  const world = new TestWorld()
  const limits = journal(folder, world, {}, { maxAppendedBytes: 2000 })
  const random = chance(1)
  for (let i = 0; i < 2000; i++) {
    call(limits, PEOPLE[random(3)]!, world.timeMs, spent(random(100), random(100), random(100), random(100), random(100)))
    if (random(3) === 0) world.turn()
    world.timeMs += random(1000)
    assert.ok(statSync(join(folder, 'journal')).size < 4000)
  }
  world.turn()
  const state = used(limits, world.timeMs)
  crash(folder)
  assert.deepEqual(reopened(folder, world), state)
})

test('a file that was being written anew when the process was killed is no harm', () => {
  const folder = freshFolder()
  const { bytes, states } = left(folder)
  for (const draft of ['', bytes.subarray(0, 40), bytes, 'rubbish']) {
    writeFileSync(join(folder, 'journal.new'), draft)
    assert.deepEqual(reopened(folder), states.at(-1))
  }
})

test('callers whose month is over are not carried along', () => {
  const folder = freshFolder()
  const world = new TestWorld()
  const limits = journal(folder, world)
  for (let i = 0; i < 500; i++) call(limits, caller(`user ${i}`), world.timeMs)
  limits.close()
  world.timeMs = APRIL_MS
  journal(folder, world).close()
  assert.ok(statSync(join(folder, 'journal')).size < 100)
})

test('thousands of callers go through a new file and back', () => {
  const folder = freshFolder()
  const world = new TestWorld()
  const limits = journal(folder, world)
  for (let i = 0; i < 3456; i++) call(limits, caller(`user ${i}`), world.timeMs, spent(i))
  limits.close()
  journal(folder, world).close()
  const again = journal(folder, world)
  for (let i = 0; i < 3456; i++) assert.deepEqual(again.usage(caller(`user ${i}`), world.timeMs), { day: spent(i), month: spent(i) })
  again.close()
})

test('two do not share a journal; the one after a close or a kill gets it', () => {
  const folder = freshFolder()
  const world = new TestWorld()
  const first = journal(folder, world)
  call(first, ANN, world.timeMs)
  const refused = (): void => assert.throws(() => journal(folder, new TestWorld()), { code: 'LIMITS_JOURNAL_LOCKED', message: `process ${process.pid} has the journal (${join(folder, 'journal.lock')})` })
  refused()
  refused()
  world.turn()
  call(first, ANN, world.timeMs)
  first.close()
  const second = journal(folder, world)
  assert.deepEqual(second.usage(ANN, world.timeMs), { day: spent(2, 4, 6, 8, 10), month: spent(2, 4, 6, 8, 10) })
  refused()
  second.close()
})

test('a lock of a process that is gone, or whose number was given to another, or that was torn, counts for nothing', () => {
  const folder = freshFolder()
  for (const lock of ['', '1', `${process.pid} somebody-else/1`, `${process.pid}`, '4194305 x/1', '../../etc/passwd x', '\0']) {
    writeFileSync(join(folder, 'journal.lock'), lock)
    assert.ok(Array.isArray(reopened(folder)), lock)
  }
})

test('who loses the journal to another process writes no more, says so, and refuses or goes on as `fail` says', () => {
  for (const [fail, expected] of [['closed', 'LIMITS_STORE_UNAVAILABLE'], ['open', 'none']] as const) {
    const folder = freshFolder()
    const [world, other] = [new TestWorld(), new TestWorld()]
    const first = journal(folder, world, {}, { fail })
    // As from another container, where this process cannot be seen.
    crash(folder)
    const second = journal(folder, other)
    call(second, ANN, other.timeMs)
    other.turn()
    const state = used(second, other.timeMs)
    call(first, ANN, world.timeMs)
    world.turn()
    world.pass(1000)
    assert.deepEqual(world.lines.filter(({ level }) => level === 'error').map(({ why }) => why), ['another process has taken the journal'])
    assert.equal(codeOf(() => call(first, ANN, world.timeMs)), expected)
    for (let i = 0; i < 5; i++) world.pass(1000)
    first.close()
    second.close()
    assert.deepEqual(reopened(folder), state)
  }
})

test('a disk that is full: `closed` refuses with its own code, `open` admits and limits from memory; both say so once, and record again when it can be', { skip: process.platform !== 'linux' && '/dev/full is of Linux' }, () => {
  for (const [fail, expected] of [['closed', 'LIMITS_STORE_UNAVAILABLE'], ['open', 'none']] as const) {
    const folder = freshFolder()
    const world = new TestWorld()
    const limits = journal(folder, world, { tokens_per_day: 1000 }, { fail, maxAppendedBytes: 1 })
    const running = admit(limits, ANN, world.timeMs, 100)
    symlinkSync('/dev/full', join(folder, 'journal.new'))
    call(limits, ANN, world.timeMs, spent(100))
    world.turn()
    assert.equal(codeOf(() => call(limits, ANN, world.timeMs, spent(100))), expected)
    // What ends meanwhile is counted all the same.
    running.settle(spent(50), world.timeMs)
    for (let i = 0; i < 3; i++) world.pass(1000)
    if (fail === 'open') assert.equal(outcome(limits, ANN, world.timeMs, 900), 'tokens_per_day')
    assert.deepEqual(world.lines.map(({ level, msg, why }) => [level, msg, why?.slice(0, 6)]), [['error', 'limits are not recorded', 'ENOSPC']])
    rmSync(join(folder, 'journal.new'))
    world.pass(1000)
    assert.deepEqual(world.lines.slice(1).map(({ level, msg }) => [level, msg]), [['info', 'limits are recorded again']])
    const state = used(limits, world.timeMs)
    assert.equal(codeOf(() => admit(limits, caller('bob'), world.timeMs)), 'none')
    crash(folder)
    assert.deepEqual(reopened(folder, world), state)
  }
})

test('a journal that is moved away, deleted or cut while it is written is written anew within a second', () => {
  const harms: readonly ((file: string) => void)[] = [(file) => rmSync(file), (file) => truncateSync(file, 10), (file) => renameSync(file, `${file}.1`), (file) => writeFileSync(file, '')]
  for (const harm of harms) {
    const folder = freshFolder()
    const world = new TestWorld()
    const limits = journal(folder, world)
    call(limits, ANN, world.timeMs)
    world.turn()
    harm(join(folder, 'journal'))
    call(limits, ANN, world.timeMs)
    world.turn()
    world.pass(1000)
    const state = used(limits, world.timeMs)
    crash(folder)
    assert.deepEqual(reopened(folder), state)
  }
})

test('what is not yet appended when the file is written anew is not counted twice', () => {
  const folder = freshFolder()
  const world = new TestWorld()
  const limits = journal(folder, world)
  call(limits, ANN, world.timeMs)
  world.turn()
  rmSync(join(folder, 'journal'))
  call(limits, ANN, world.timeMs)
  world.pass(1000)
  limits.close()
  assert.deepEqual((reopened(folder) as ReturnType<typeof used>)[0], { day: spent(2, 4, 6, 8, 10), month: spent(2, 4, 6, 8, 10) })
})

test('a journal in a folder that is not there, or that is a folder, is refused at the start', () => {
  const folder = freshFolder()
  assert.equal(codeOf(() => journal(join(folder, 'nowhere'), new TestWorld())), 'LIMITS_JOURNAL_UNUSABLE')
  assert.equal(codeOf(() => journal(join(folder, '..'), new TestWorld(), {}, { path: folder })), 'LIMITS_JOURNAL_UNUSABLE')
})

test('only its owner can read it', () => {
  const folder = freshFolder()
  journal(folder, new TestWorld()).close()
  assert.equal(statSync(join(folder, 'journal')).mode & 0o777, 0o600)
})

test('a second close, and what ends after it, do nothing', () => {
  const folder = freshFolder()
  const world = new TestWorld()
  const limits = journal(folder, world)
  const late = admit(limits, ANN, world.timeMs)
  limits.close()
  const bytes = readFileSync(join(folder, 'journal'))
  late.settle(spent(5), world.timeMs)
  world.pass(HOUR_MS)
  limits.close()
  assert.deepEqual(readFileSync(join(folder, 'journal')), bytes)
  assert.deepEqual(world.lines, [])
})

import assert from 'node:assert/strict'
import { readFileSync, renameSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { admit, ANN, call, caller, chance, codeOf, crash, DAY_MS, freshFolder, HOUR_MS, journal, left, outcome, PEOPLE, reopened, spent, TestWorld, used, WRITE_MS } from './kit.ts'

const APRIL_MS = Date.UTC(2026, 3, 1)

test('a journal gives the same numbers after a close, after a kill, and after ten of them', () => {
  const folder = freshFolder()
  const { states } = left(folder)
  for (let i = 0; i < 10; i++) assert.deepEqual(reopened(folder), states.at(-1))
})

test('what ended ten milliseconds before a kill survives it; what ended later, and calls in flight, do not', () => {
  const folder = freshFolder()
  const world = new TestWorld()
  const limits = journal(folder, world, { tokens_per_day: 100, concurrent: 2 })
  call(limits, ANN, world.timeMs, spent(40))
  world.pass(WRITE_MS)
  call(limits, ANN, world.timeMs, spent(20))
  world.pass(WRITE_MS - 1)
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
    world.pass(WRITE_MS)
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

test('the file is written anew when much was appended: it stays small, and its numbers stay the same', () => {
  const folder = freshFolder()
  const world = new TestWorld()
  const limits = journal(folder, world, {}, { maxAppendedBytes: 2000 })
  const random = chance(1)
  for (let i = 0; i < 2000; i++) {
    call(limits, PEOPLE[random(3)]!, world.timeMs, spent(random(100), random(100), random(100), random(100), random(100)))
    if (random(3) === 0) world.pass(WRITE_MS)
    world.timeMs += random(1000)
    assert.ok(statSync(join(folder, 'journal')).size < 4000)
  }
  world.pass(WRITE_MS)
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
  world.pass(WRITE_MS)
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
    const first = journal(folder, world, {}, { fail, maxAppendedBytes: 1 })
    // As from another container, where this process cannot be seen.
    crash(folder)
    const second = journal(folder, other)
    call(second, ANN, other.timeMs)
    other.pass(WRITE_MS)
    const state = used(second, other.timeMs)
    call(first, ANN, world.timeMs)
    world.pass(WRITE_MS)
    world.pass(1000)
    assert.deepEqual(world.lines.map(({ msg, why }) => [msg, why?.startsWith('another process has taken the journal')]).slice(0, 1), [['limits are not recorded', true]])
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
    world.pass(WRITE_MS)
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
    world.pass(WRITE_MS)
    harm(join(folder, 'journal'))
    call(limits, ANN, world.timeMs)
    world.pass(WRITE_MS)
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
  world.pass(WRITE_MS)
  rmSync(join(folder, 'journal'))
  world.pass(1000 - WRITE_MS / 2)
  call(limits, ANN, world.timeMs)
  world.pass(WRITE_MS / 2)
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

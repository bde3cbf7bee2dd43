import assert from 'node:assert/strict'
import { createSecretKey, randomBytes } from 'node:crypto'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { readHead, verify } from '../../src/audit/index.ts'
import { call, described, freshPath, intent, linesIn, problemsIn, TestLog, turn, written } from './kit.ts'

const key = createSecretKey(randomBytes(32))
const PATH = await written(10)
const LINES = linesIn(PATH)
const HEAD = readHead(`${PATH}.head`, undefined)
const at = (n: number) => LINES[n - 1]!
const without = (...n: number[]) => LINES.filter((_, i) => !n.includes(i + 1))
const swapped = (a: number, b: number) => LINES.map((line, i) => (i + 1 === a ? at(b) : i + 1 === b ? at(a) : line))
const replaced = (n: number, line: string) => LINES.map((one, i) => (i + 1 === n ? line : one))
const CHANGED = 'the line was changed, or was written with another key'
const NO_LINE = 'this is no whole line of the log: foreign, changed, or left unfinished by a crash'

const ROWS: readonly (readonly [name: string, lines: readonly string[] | string, problems: readonly string[]])[] = [
  ['nothing', LINES, []],
  ['a changed user', replaced(4, at(4).replace('alice', 'alicf')), [`4 ${CHANGED}`]],
  ['a changed number', replaced(4, at(4).replace('"seq":4', '"seq":5')), [`4 ${CHANGED}`]],
  ['a changed hash', replaced(4, at(4).replace(/.{66}$/, `${'a'.repeat(64)}"}`)), [`4 ${CHANGED}`]],
  ['a changed last line', replaced(10, at(10).replace('alice', 'alicf')), [`10 ${CHANGED}`]],
  ['a changed first line', replaced(1, at(1).replace('alice', 'alicf')), [`1 ${CHANGED}`]],
  ['a space more', replaced(4, at(4).replace('{', '{ ')), [`4 ${NO_LINE}`, '5 line 4 of the chain is missing before this one']],
  ['a removed line', without(5), ['5 line 5 of the chain is missing before this one']],
  ['a removed first line', without(1), ['1 the file did not begin with this line: line 1 of the chain is missing before it']],
  ['three removed lines', without(5, 6, 7), ['5 lines 5 to 7 of the chain are missing before this one']],
  ['two neighbours swapped', swapped(5, 6), ['5 line 5 of the chain is missing before this one', '6 line 5 of the chain stands here after line 6: it was moved or repeated']],
  ['two lines swapped', swapped(3, 8), [
    '3 lines 3 to 7 of the chain are missing before this one', '4 line 4 of the chain stands here after line 8: it was moved or repeated',
    '5 line 5 of the chain stands here after line 8: it was moved or repeated', '6 line 6 of the chain stands here after line 8: it was moved or repeated',
    '7 line 7 of the chain stands here after line 8: it was moved or repeated', '8 line 3 of the chain stands here after line 8: it was moved or repeated',
  ]],
  ['a line twice', [...LINES.slice(0, 5), at(5), ...LINES.slice(5)], ['6 line 5 of the chain stands here after line 5: it was moved or repeated']],
  ['a foreign line', [...LINES.slice(0, 5), '{"hello":1}', ...LINES.slice(5)], [`6 ${NO_LINE}`]],
  ['an empty line', [...LINES.slice(0, 5), '', ...LINES.slice(5)], [`6 ${NO_LINE}`]],
  ['two foreign lines at the end', [...LINES, 'x', 'y'], [`11 ${NO_LINE}`, `12 ${NO_LINE}`]],
  ['a torn last line', LINES.join('\n').slice(0, -20), [`10 ${NO_LINE}`]],
  ['a last line without its end', LINES.join('\n'), [`10 ${NO_LINE}`]],
  ['line ends of Windows', LINES.join('\r\n'), LINES.map((_, i) => `${i + 1} ${NO_LINE}`)],
  ['a line of two megabytes', [...LINES.slice(0, 5), 'x'.repeat(2_000_000), ...LINES.slice(5)], [`6 ${NO_LINE}`]],
]

for (const [name, lines, problems] of ROWS) {
  test(`verify() finds ${name}`, () => assert.deepEqual(problemsIn(lines), problems))
}

test('verify() finds a line of another chain in its place', async () => {
  const other = linesIn(await written(10, { key: undefined }))
  const foreign = linesIn(await written(4)).concat(linesIn(PATH).slice(4))
  assert.deepEqual(problemsIn(foreign), [], 'the same calls make the same chain')
  const { log, path } = new TestLog()
  for (let i = 0; i < 10; i++) log.end(call({ user: 'mallory' }))
  await log.close()
  const mixed = [...other.slice(0, 4), ...linesIn(path).slice(4)]
  assert.deepEqual(problemsIn(mixed), ['5 the line does not follow the one before: one of them is of another chain'])
})

test('10,000 random changes of one byte are all found, and 1,000 of lines', () => {
  const bytes = readFileSync(PATH)
  for (let i = 0; i < 10_000; i++) {
    const changed = Buffer.from(bytes)
    const place = Math.floor(Math.random() * bytes.length)
    changed[place]! ^= 1 + Math.floor(Math.random() * 255)
    assert.notEqual(findings(changed), 0, `byte ${place} to ${changed[place]}`)
  }
  for (let i = 0; i < 1000; i++) {
    const lines = [...LINES]
    const from = Math.floor(Math.random() * 9)
    const [taken] = lines.splice(from, 1)
    const how = i % 3
    if (how > 0) lines.splice((from + 1 + Math.floor(Math.random() * 8)) % 9 === from ? from + 1 : (from + 1 + Math.floor(Math.random() * 8)) % 9, 0, taken!)
    if (how === 2) lines.splice(Math.floor(Math.random() * 9), 0, taken!)
    if (lines.join() === LINES.join()) continue
    assert.notEqual(problemsIn(lines).length, 0, lines.join('\n'))
  }
})

const SCRATCH = freshPath()
function findings(bytes: Buffer): number {
  writeFileSync(SCRATCH, bytes)
  return verify([SCRATCH], { key: undefined, head: undefined }).problemCount
}

test('a cut tail is seen with a head, in whichever form; without one verify says that it cannot', () => {
  const cut = LINES.slice(0, 7)
  assert.deepEqual(problemsIn(cut), [])
  const path = freshPath()
  writeFileSync(path, `${cut.join('\n')}\n`)
  assert.deepEqual(verify([path], { key: undefined, head: undefined }).notes.map(({ what }) => what), ['without a head (--head) it cannot be seen whether the tail was cut'])
  assert.deepEqual(problemsIn(cut, { head: HEAD }), ['7 the tail was cut: lines 8 to 10 of the chain are missing'])
  for (const head of [HEAD.hash, HEAD.hash.slice(0, 12)]) assert.deepEqual(problemsIn(cut, { head }), ['7 the line that the head names is not there: the tail was cut, or this is another chain'])
  for (const head of [HEAD, HEAD.hash, HEAD.hash.slice(0, 12)]) assert.deepEqual(problemsIn(LINES, { head }), [])
  assert.deepEqual(problemsIn([], { head: HEAD }), ['0 the tail was cut: lines 1 to 10 of the chain are missing'])
})

test('a chain made anew is found by its head, and without a key by nothing else', async () => {
  const { log, path } = new TestLog()
  for (let i = 0; i < 10; i++) log.end(call({ user: 'mallory' }))
  await log.close()
  assert.deepEqual(problemsIn(linesIn(path)), [])
  assert.deepEqual(problemsIn(linesIn(path), { head: HEAD }), ['10 the head names another line in this place'])
})

test('with a key a chain made without it, or with another, fails on every line', async () => {
  assert.equal(problemsIn(LINES, { key }).length, 10)
  const path = await written(3, { key })
  assert.deepEqual(described(verify([path], { key, head: readHead(`${path}.head`, key) })), [])
  const { problems, notes } = verify([path], { key: undefined, head: undefined })
  assert.equal(problems.length, 3)
  assert.ok(notes.some(({ what }) => what === 'not one line fits: is this the key that the log was written with?'))
})

test('a thousand problems are counted, and a hundred of them told', () => {
  const { problems, problemCount } = (() => {
    const path = freshPath()
    writeFileSync(path, 'x\n'.repeat(1000))
    return verify([path], { key: undefined, head: undefined })
  })()
  assert.deepEqual([problemCount, problems.length, problems.at(-1)!.what], [1000, 101, '900 more problems'])
})

test('files are read in the order of their lines, whatever the order of their names', async () => {
  const path = await written(3)
  renameSync(path, `${path}.2`)
  await written(3, { path })
  renameSync(path, `${path}.1`)
  await written(3, { path })
  const { problems, last } = verify([path, `${path}.1`, `${path}.2`], { key: undefined, head: undefined })
  assert.deepEqual([problems, last!.seq], [[], 9])
  assert.deepEqual(described(verify([path, `${path}.2`], { key: undefined, head: undefined })), ['1 lines 4 to 6 of the chain are missing before this one'])
})

test('a call that was begun and never ended is told', async () => {
  const { log, path } = new TestLog({ intent: true })
  log.begin(() => intent('one'))
  log.begin(() => intent('two'))
  log.end(call({ request_id: 'one' }))
  await turn()
  const { problems, notes } = verify([path], { key: undefined, head: undefined })
  assert.deepEqual(problems, [])
  assert.equal(notes.at(-1)!.what, 'call two was begun here and never ended: it may have reached AWS')
  assert.equal(notes.at(-1)!.line, 2)
})

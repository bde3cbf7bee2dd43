import assert from 'node:assert/strict'
import { createHash, createHmac, createSecretKey } from 'node:crypto'
import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, rmdirSync, statSync, symlinkSync, writeFileSync, writeSync } from 'node:fs'
import { test } from 'node:test'
import { type AuditError, readHead, verify } from '../../src/audit/index.ts'
import { nodeDisk } from '../../src/audit/file.ts'
import { call, described, freshPath, intent, linesIn, TestLog, turn, written } from './kit.ts'

const none = { key: undefined, head: undefined }
const key = createSecretKey(Buffer.from('a key of the audit log, 32 bytes at least'))
const code = (expected: string) => (error: AuditError) => error.code === expected

test('a line holds its number, the hash of the line before and its own, which sha256sum can check', async () => {
  const path = await written(2)
  const [first, second] = linesIn(path)
  assert.match(first!, /^\{"seq":1,"prev":"0{64}","opens":true,"event":"call","time":"2026-03-04T05:06:07\.000Z","request_id":"id-1","user":"alice",.*,"hash":"[0-9a-f]{64}"\}$/)
  const { hash } = JSON.parse(first!) as { hash: string }
  assert.equal(hash, createHash('sha256').update(first!.slice(0, first!.indexOf(',"hash":'))).digest('hex'))
  assert.equal((JSON.parse(second!) as { prev: string }).prev, hash)
})

test('with a key the hash is an HMAC', async () => {
  const [line] = linesIn(await written(1, { key }))
  assert.equal((JSON.parse(line!) as { hash: string }).hash, createHmac('sha256', key).update(line!.slice(0, line!.indexOf(',"hash":'))).digest('hex'))
})

test('the lines of ten milliseconds leave in one write', async () => {
  const writes: number[] = []
  const { log, path, delaysMs } = new TestLog({}, { ...nodeDisk, write: (fd, bytes) => writes.push(bytes.length) && writeSync(fd, bytes) })
  for (let i = 0; i < 10; i++) log.end(call())
  assert.deepEqual(linesIn(path), [])
  await turn()
  assert.equal(linesIn(path).length, 10)
  assert.equal(writes.length, 1)
  assert.deepEqual(delaysMs, [10])
})

test('no text can split a line, steer a terminal or make a line long', async () => {
  const { log, path } = new TestLog()
  for (const hostile of ['a\nb', 'a\r\nb', '\u2028\u2029\x85', '\x7f', '\x1b[2J', '"}\n{"seq":1', '\ud800', 'x'.repeat(100_000), '","hash":"']) {
    log.end(call({ model: hostile, session_id: hostile, groups: Array.from({ length: 200 }, () => hostile) }))
  }
  await log.close()
  for (const line of readFileSync(path, 'utf8').slice(0, -1).split('\n')) assert.match(line, /^[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,60000}$/)
  assert.deepEqual(described(verify([path], none)), [])
  assert.equal((JSON.parse(linesIn(path)[0]!) as { model: string }).model, 'a\nb')
})

test('what a line says can be read back, in whatever script it is written', async () => {
  const { log, path } = new TestLog()
  const names = ['é€🌍'.repeat(100), '\x7f\x85', '日本語', 'ordinary']
  for (const user of names) log.end(call({ user, groups: [user] }))
  await log.close()
  const lines = linesIn(path).map((line) => JSON.parse(line) as { user: string; groups: string[] })
  assert.deepEqual(lines.map(({ user, groups }) => [user, ...groups]), names.map((name) => [name, name.length > 256 ? `${name.slice(0, 256)}…` : name]))
  assert.deepEqual(described(verify([path], none)), [])
})

test('the file and its head are for their owner alone', async () => {
  const path = await written(1)
  assert.deepEqual([path, `${path}.head`].map((one) => statSync(one).mode & 0o777), [0o600, 0o600])
})

test('a symbolic link, a file that others can write, a folder and a device are refused', async () => {
  const [link, open, folder] = [freshPath(), await written(1), freshPath()]
  symlinkSync(open, link)
  mkdirSync(folder)
  assert.throws(() => new TestLog({ path: link }), code('AUDIT_FILE_UNSAFE'))
  chmodSync(open, 0o620)
  assert.throws(() => new TestLog({ path: open }), code('AUDIT_FILE_UNSAFE'))
  assert.throws(() => new TestLog({ path: '/dev/full' }), code('AUDIT_FILE_UNSAFE'))
  assert.throws(() => new TestLog({ path: folder }), code('AUDIT_FILE_UNUSABLE'))
  assert.throws(() => new TestLog({ path: `${folder}/none/audit.jsonl` }), code('AUDIT_FILE_UNUSABLE'))
})

test('the chain goes on after a restart, and in a new file after a rename and reopen', async () => {
  const path = await written(3)
  const again = new TestLog({ path })
  again.log.end(call())
  await turn()
  renameSync(path, `${path}.1`)
  again.log.end(call({ user: 'renamed' }))
  await turn()
  assert.equal(again.log.reopen(), undefined)
  again.log.end(call({ user: 'reopened' }))
  await again.log.close()
  assert.deepEqual([linesIn(`${path}.1`).length, linesIn(path).length], [5, 1])
  assert.deepEqual(described(verify([path, `${path}.1`], { key: undefined, head: readHead(`${path}.head`, undefined) })), [])
})

test('moved away while the process was down, the chain goes on from the head', async () => {
  const path = await written(3)
  renameSync(path, `${path}.1`)
  await written(1, { path })
  const { problems, last } = verify([`${path}.1`, path], none)
  assert.deepEqual([problems, last?.seq], [[], 4])
})

test('a file that cannot be opened anew leaves the old one in use', async () => {
  const { log, path } = new TestLog()
  renameSync(path, `${path}.1`)
  mkdirSync(path)
  assert.match(log.reopen()!, /cannot be opened \(EISDIR\)/)
  log.end(call())
  await turn()
  assert.equal(linesIn(`${path}.1`).length, 1)
  rmdirSync(path)
})

test('a line torn at any byte is closed off at the start, and verify accepts and names exactly that', async () => {
  const whole = readFileSync(await written(2))
  const start = whole.indexOf(10) + 1
  for (let end = start + 1; end < whole.length - 1; end += 7) {
    const path = freshPath()
    writeFileSync(path, whole.subarray(0, end), { mode: 0o600 })
    assert.deepEqual(described(verify([path], none)), ['2 this is no whole line of the log: foreign, changed, or left unfinished by a crash'])
    await written(2, { path })
    const { problems, notes, last } = verify([path], none)
    assert.deepEqual(problems, [], String(end))
    assert.equal(last!.seq, 4)
    assert.equal(notes[0]!.what, 'a crash left the line unfinished; the next one says so')
    const forged = readFileSync(path)
    forged[start] = 88
    writeFileSync(path, forged)
    assert.match(described(verify([path], none))[0]!, /^2 this is no whole line/)
  }
})

test('a line that lacks only its end is whole', async () => {
  const path = await written(2)
  writeFileSync(path, readFileSync(path).subarray(0, -1))
  await written(1, { path })
  const { problems, last } = verify([path], none)
  assert.deepEqual([problems, last!.seq, linesIn(path).length], [[], 3, 3])
})

test('a log whose last line is not of this key is refused at the start', async () => {
  const path = await written(2)
  assert.throws(() => new TestLog({ path, key }), code('AUDIT_FILE_FOREIGN'))
  appendFileSync(path, 'something else\n')
  assert.throws(() => new TestLog({ path }), code('AUDIT_FILE_FOREIGN'))
})

test('a head that was made up is refused at the start where there is a key', async () => {
  const path = await written(2, { key })
  const { seq, hash } = readHead(`${path}.head`, key)
  writeFileSync(`${path}.head`, JSON.stringify({ seq, hash, seal: hash }))
  assert.throws(() => new TestLog({ path, key }), code('AUDIT_HEAD_INVALID'))
})

test('lines cut from the end while the process was down are told at the start, and leave a gap that stays', async () => {
  const path = await written(5)
  writeFileSync(path, linesIn(path).slice(0, 3).map((line) => `${line}\n`).join(''))
  const { log, said } = new TestLog({ path })
  assert.deepEqual(said, [['the audit log does not reach to its head: lines were removed', { last: 3, head: 5 }]])
  log.end(call())
  await log.close()
  assert.deepEqual(described(verify([path], none)), ['4 lines 4 to 5 of the chain are missing before this one'])
})

test('a log that was deleted is made anew within a second; the gap is to be seen', async () => {
  const test = new TestLog()
  test.log.end(call())
  await turn()
  rmSync(test.path)
  mkdirSync(test.path)
  await test.second()
  assert.equal(test.log.writable(), false)
  rmdirSync(test.path)
  await test.second()
  assert.equal(test.log.writable(), true)
  test.log.end(call())
  await test.log.close()
  const { notes } = verify([test.path], none)
  assert.equal(notes[0]!.what, 'the chain begins before these files: this is its line 2')
})

test('fsync every: one sync at a time, for all lines that waited for it', async () => {
  const syncs: (() => void)[] = []
  const test = new TestLog({ fsync: 'every', intent: true }, { write: writeSync, sync: () => new Promise((resolve) => syncs.push(resolve)) })
  let safe = 0
  const begin = () => void Promise.resolve(test.log.begin(intent)).then((may) => { assert.equal(may, true); safe++ })
  begin()
  await turn()
  assert.equal(syncs.length, 1)
  for (let i = 0; i < 5; i++) begin()
  await turn()
  assert.deepEqual([syncs.length, safe, linesIn(test.path).length], [1, 0, 6])
  syncs[0]!()
  await turn()
  assert.deepEqual([syncs.length, safe, linesIn(test.path).length], [2, 1, 6])
  syncs[1]!()
  await turn()
  assert.equal(safe, 6)
})

test('fsync every: where the disk does not say that a line is safe, no call goes up', async () => {
  const test = new TestLog({ fsync: 'every', intent: true }, { write: writeSync, sync: () => Promise.reject(Object.assign(new Error(), { code: 'EIO' })) })
  assert.equal(await test.log.begin(intent), false)
  assert.equal(test.log.writable(), false)
  const open = new TestLog({ fsync: 'every', intent: true, fail: 'open' }, { write: writeSync, sync: () => Promise.reject(Object.assign(new Error(), { code: 'EIO' })) })
  assert.equal(await open.log.begin(intent), true)
})

test('fsync interval: an intent is in the file before the call goes up', () => {
  const test = new TestLog({ intent: true })
  assert.equal(test.log.begin(intent), true)
  assert.match(linesIn(test.path)[0]!, /"event":"intent"/)
})

test('fsync interval: each second what was written is synced, then the head is kept; never the other way round', async () => {
  const order: string[] = []
  const test = new TestLog({}, { write: writeSync, sync: async (fd) => { await nodeDisk.sync(fd); order.push(existsSync(`${test.path}.head`) ? 'head first' : 'sync') } })
  test.log.end(call())
  await turn()
  assert.equal(existsSync(`${test.path}.head`), false)
  await test.second()
  assert.deepEqual(order, ['sync'])
  assert.deepEqual(readHead(`${test.path}.head`, undefined), test.log.head)
})

test('the head goes into the log of the proxy each minute and at the end', async () => {
  const test = new TestLog()
  test.log.end(call())
  for (let i = 0; i < 60; i++) await test.second()
  await test.log.close()
  assert.deepEqual(test.said, Array.from({ length: 2 }, () => ['audit head', { ...test.log.head, lost: 0 }]))
})

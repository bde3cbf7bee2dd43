import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Lock, LockedError } from '../../src/lock/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'lock-'))
after(() => rmSync(folder, { recursive: true }))
let made = 0
const freshPath = (): string => join(folder, `${++made}.lock`)

const ROOT = join(import.meta.dirname, '..', '..')
const STRIPS_TYPES = process.features.typescript !== undefined && process.features.typescript !== false
const children: ChildProcess[] = []
after(() => { for (const child of children) child.kill('SIGKILL') })

/** Another process that takes a lock, and what it says of that. */
async function holder(path: string, options: readonly string[] = STRIPS_TYPES ? [] : ['--import', 'tsx']): Promise<{ said: string; child: ChildProcess }> {
  const child = spawn(process.execPath, [...options, join(import.meta.dirname, 'holder.ts'), path], { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'], env: { PATH: process.env.PATH, NODE_V8_COVERAGE: undefined } })
  children.push(child)
  const [said] = await once(child.stdout, 'data') as [Buffer]
  return { said: String(said).trimEnd(), child }
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'close')
}

test('a lock is refused while somebody has it, this process too, and given back once', () => {
  const path = freshPath()
  const first = new Lock(path)
  assert.throws(() => new Lock(path), (error: LockedError) => error instanceof LockedError && error.pid === process.pid)
  assert.deepEqual([first.held(), statSync(path).mode & 0o777], [true, 0o600])
  first.release()
  assert.equal(existsSync(path), false)
  const second = new Lock(path)
  first.release()
  assert.equal(second.held(), true)
})

test('a lock of another process is refused; once that is killed, it is not', async () => {
  const path = freshPath()
  const { said, child } = await holder(path)
  assert.equal(said, 'taken')
  assert.throws(() => new Lock(path), { message: `process ${child.pid} has it` })
  await kill(child)
  assert.equal(new Lock(path).held(), true)
})

test('under the permission model, where nobody sees what another process is, that it runs is enough', { skip: STRIPS_TYPES ? false : 'this Node strips no types' }, async () => {
  const path = freshPath()
  const reads = [`${ROOT}/*`, `${folder}/*`, '/proc/self/stat', '/proc/sys/kernel/random/boot_id']
  const sealed = ['--permission', `--allow-fs-write=${folder}/*`, ...reads.map((one) => `--allow-fs-read=${one}`)]
  const first = await holder(path, sealed)
  assert.equal(first.said, 'taken')
  assert.equal((await holder(path, sealed)).said, `process ${first.child.pid} has it`)
  await kill(first.child)
  assert.equal((await holder(path, sealed)).said, 'taken')
})

test('a lock that names no process of now counts for nothing', () => {
  for (const text of ['', '1', `${process.pid} somebody-else/1 0`, `${process.pid}`, '4194305 x/1 0', '-1 x/1 0', '0 x/1 0', '../../etc/passwd x 0', '\0']) {
    const path = freshPath()
    writeFileSync(path, text)
    assert.equal(new Lock(path).held(), true, JSON.stringify(text))
  }
})

test('one that was cleaned away is taken anew; one that another took is lost for good', () => {
  const path = freshPath()
  const lock = new Lock(path)
  rmSync(path)
  assert.deepEqual([lock.held(), existsSync(path)], [true, true])
  writeFileSync(path, 'somebody else')
  assert.equal(lock.held(), false)
  rmSync(path)
  assert.deepEqual([lock.held(), existsSync(path)], [false, false])
})

test('who has no descriptor left to look with has not lost it', () => {
  const args = [...(STRIPS_TYPES ? [] : ['--import', 'tsx']), join(import.meta.dirname, 'starved.ts'), freshPath()]
  const { stdout, stderr } = spawnSync('/bin/sh', ['-c', 'ulimit -n 256; exec "$@"', 'sh', process.execPath, ...args], { cwd: ROOT, encoding: 'utf8', env: { PATH: process.env.PATH } })
  assert.equal(stdout, '[true,true]\n', stderr)
})

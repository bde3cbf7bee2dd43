import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { test } from 'node:test'
import { ANN, chance, codeOf, freshFolder, journal, spent, START_MS, TestWorld } from './kit.ts'

const TIMES = 50
const NODE_ARGS = process.features.typescript === undefined || process.features.typescript === false ? ['--import', 'tsx'] : []

/** A process that counts. */
function counting(path: string): ChildProcessByStdio<null, Readable, Readable> {
  return spawn(process.execPath, [...NODE_ARGS, join(import.meta.dirname, 'worker.ts'), 'work', path, String(START_MS)], { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env['PATH'], NODE_V8_COVERAGE: undefined } })
}

/** Kills it once it has said something and then some, and tells the last it said. */
async function killed(path: string, lines: number): Promise<{ readonly least: number; readonly most: number; readonly errors: string }> {
  const child = counting(path)
  let [output, errors] = ['', '']
  child.stderr.on('data', (data: Buffer) => { errors += data })
  child.stdout.on('data', (data: Buffer) => {
    output += data
    if (output.split('\n').length > lines) child.kill('SIGKILL')
  })
  await once(child, 'close')
  const last = output.slice(0, output.lastIndexOf('\n')).split('\n').at(-1) ?? ''
  const [least, most] = last.split(' ').map(Number)
  return { least: least!, most: most!, errors }
}

test(`a process that is killed ${TIMES} times while it counts loses what ended in the last ten milliseconds, no more, and nothing is ever wrong`, { timeout: 240_000 }, async () => {
  const folder = freshFolder()
  const path = join(folder, 'journal')
  const random = chance(Date.now())
  let [before, promised] = [0, 0]
  for (let i = 0; i < TIMES; i++) {
    const { least, most, errors } = await killed(path, 1 + random(400))
    assert.equal(errors, '')
    const world = new TestWorld()
    const limits = journal(folder, world, {})
    const { month } = limits.usage(ANN, world.timeMs) as { month: ReturnType<typeof spent> }
    limits.close()
    const count = month.input - before
    assert.deepEqual(month, spent(month.input, 10 * month.input, 100 * month.input, 1000 * month.input, 10_000 * month.input))
    assert.ok(count >= least && count <= most, `${count} of ${least} to ${most}`)
    before = month.input
    promised += least
  }
  // Else nothing had to be written yet, and nothing was shown.
  assert.ok(promised > 0)
})

test('the journal of a process that runs is refused; once that is killed, it is not', async () => {
  const folder = freshFolder()
  const child = counting(join(folder, 'journal'))
  await once(child.stdout, 'data')
  assert.equal(codeOf(() => journal(folder, new TestWorld())), 'LIMITS_JOURNAL_LOCKED')
  child.stdout.resume()
  child.kill('SIGKILL')
  await once(child, 'close')
  assert.equal(codeOf(() => journal(folder, new TestWorld()).close()), 'none')
})

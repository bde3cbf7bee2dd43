import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Turn } from '../../src/turn/index.ts'

test('what is added in one turn is done at its end, once, in its order', () => {
  const ends: (() => void)[] = []
  const done: (readonly number[])[] = []
  const turn = new Turn<number>((run) => ends.push(run), (all) => done.push(all))
  turn.add(1)
  turn.add(2)
  assert.deepEqual(done, [])
  assert.equal(ends.length, 1)
  ends[0]!()
  assert.deepEqual(done, [[1, 2]])
})

test('what is added while a turn ends is left to the next', () => {
  const ends: (() => void)[] = []
  const done: (readonly number[])[] = []
  const turn = new Turn<number>((run) => ends.push(run), (all) => {
    done.push(all)
    if (all[0] === 1) turn.add(2)
  })
  turn.add(1)
  ends[0]!()
  assert.deepEqual(done, [[1]])
  ends[1]!()
  assert.deepEqual(done, [[1], [2]])
  assert.equal(ends.length, 2)
})

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { optionsTable } from '../../src/config/index.ts'
import { ALGORITHMS } from '../../src/jwt/index.ts'

const TABLE = optionsTable()
const ROWS = TABLE.trimEnd().split('\n').map((row) => row.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim()))

test('the README has the table of options as the program makes it', () => {
  const readme = readFileSync(join(import.meta.dirname, '..', '..', 'README.md'), 'utf8')
  const [, table] = /<!-- options -->\n+([^]*?)\n*<!-- \/options -->/.exec(readme) ?? []
  assert.equal(`${table}\n`, TABLE)
})

test('every option says in sentences what it is and what goes wrong when it is wrong', () => {
  const [head, , ...options] = ROWS
  assert.ok(options.length > 30)
  assert.deepEqual(head!.slice(-2), ['What it is', 'When it is wrong'])
  for (const cells of options) {
    assert.equal(cells.length, head!.length, cells[0]!)
    for (const sentence of cells.slice(-2)) assert.match(sentence, /^[A-Z`].{10,}\.$/, cells[0]!)
  }
})

test('jwt.algorithms knows the algorithms that tokens can be verified with', () => {
  const kind = ROWS.find(([name]) => name === '`jwt.algorithms`')![2]!
  assert.deepEqual(kind.replace('list of ', '').split(String.raw` \| `).toSorted(), ALGORITHMS.toSorted())
})

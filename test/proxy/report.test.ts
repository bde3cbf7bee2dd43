import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallFacts } from '../../src/audit/index.ts'
import { createLog } from '../../src/log/index.ts'
import { Reporter } from '../../src/proxy/index.ts'

test('a witness that fails at one call hears of the others, and so do the other witnesses; the log says where it failed', () => {
  const lines: Record<string, unknown>[] = []
  const seen: string[] = []
  let end = (): void => assert.fail('nothing is told')
  const observe = ({ request_id: id }: CallFacts): void => {
    if (id === 'two') throw new Error('no room')
    seen.push(id)
  }
  const log = createLog({ level: 'info', format: 'json', nowMs: () => 0, write: (line) => lines.push(JSON.parse(line)) })
  const reporter = new Reporter({ log, audit: undefined, observe, nowMs: () => 0 }, (run) => { end = run })
  for (const id of ['one', 'two', 'three']) reporter.unheard({ id, source: '192.0.2.1' }, 'UNREADABLE')
  assert.deepEqual(lines, [])
  end()
  assert.deepEqual(seen, ['one', 'three'])
  assert.match(String(lines[0]!['stack']), /^Error: no room\n/)
  assert.deepEqual(lines.map(({ msg, request_id: id }) => [msg, id]), [['a call is not told of', undefined], ['request', 'one'], ['request', 'two'], ['request', 'three']])
})

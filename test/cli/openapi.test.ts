import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openApi } from '../../src/proxy/index.ts'
import { Program } from '../kit/program.ts'

test('openapi prints what /openapi.json serves', async () => {
  const program = new Program(['openapi'])
  assert.equal(await program.ended(), 0)
  assert.deepEqual(JSON.parse(program.stdout.join('\n')), openApi())
})

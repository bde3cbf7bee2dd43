import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compile } from '../../deploy/build/build.ts'

test('the program compiles to modules that link into one file, which needs nothing but modules of Node', () => {
  const program = compile()
  const required = [...program.matchAll(/\brequire\("([^"]+)"\)/g)].map(([, name]) => name!)
  assert.ok(required.length > 10)
  assert.deepEqual(required.filter((name) => !/^node:[a-z0-9_/]+$/.test(name)), [])
})

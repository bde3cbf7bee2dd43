import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isPrivate } from '../../src/upstream/index.ts'

test("isPrivate() knows the networks of one's own", () => {
  for (const address of ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1', '127.0.0.1', '169.254.1.1', 'fd00::1', 'fe80::1', '::1']) assert.ok(isPrivate(address), address)
  for (const address of ['11.0.0.1', '172.32.0.1', '192.169.0.1', '100.128.0.1', '3.5.140.2', '2600:1f00::1', '2001:db8::1']) assert.ok(!isPrivate(address), address)
})

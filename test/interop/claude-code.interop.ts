import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { text } from 'node:stream/consumers'
import { CLAUDE } from './kit/claude.ts'

/*
 * Claude Code itself, tried by claude-code.alone.ts in a network of its own: there is nothing in it but loopback, whatever it would like to reach.
 */

/** SIOCSIFFLAGS of `lo`: up and running. Not everybody has `ip`. */
const RAISE = "import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh', b'lo', 0x41))"
/** As somebody who may do that: root, or root of a space of their own. */
const ALONE = [['unshare', '--net'], ['unshare', '--map-root-user', '--net']].find(([program, ...args]) => spawnSync(program!, [...args, 'true']).status === 0)

const reason = process.platform !== 'linux' ? 'there is no such network but on Linux' : ALONE === undefined && process.env.CI !== 'true' && 'nobody may make a network here'

test('Claude Code, where there is nothing but loopback', { skip: reason, timeout: 120_000 }, async () => {
  assert.ok(ALONE !== undefined, 'nobody may make a network here')
  assert.ok(existsSync(CLAUDE), `${CLAUDE} is not there: run test/interop/install`)
  const run = [process.execPath, ...process.execArgv.filter((arg) => !arg.startsWith('--test')), '--test', '--test-reporter=spec', join(import.meta.dirname, 'claude-code.alone.ts')]
  const [program, ...args] = ALONE
  // Told of an outer run, the inner one would speak to that in place of people.
  const child = spawn(program!, [...args, 'sh', '-c', 'python3 -c "$0" && exec "$@"', RAISE, ...run], { env: { ...process.env, NODE_TEST_CONTEXT: undefined }, stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = new Promise((resolve) => { child.once('close', resolve) })
  const said = await text(child.stdout)
  console.log(said)
  assert.equal(await closed, 0, said)
})

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { COMMAND } from './kit/command.ts'

const ANSWER = 'This is not a model. It only looks like one, so that you can try the proxy without an AWS account.'

test('the script for people talks with the stand-in of the demo, both ways', { timeout: 120_000 }, async () => {
  const env = { PATH: process.env.PATH }
  const demo = spawn(COMMAND[0]!, [...COMMAND.slice(1), 'demo', '--port', '0'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    let printed = ''
    for await (const chunk of demo.stdout.iterator({ destroyOnReturn: false })) {
      printed += String(chunk)
      if (printed.includes('Ctrl-C')) break
    }
    const [url, TOKEN] = [/A proxy on (\S+),/.exec(printed)![1]!, /TOKEN=(\S+)/.exec(printed)![1]!]
    const script = [...COMMAND.slice(1, -1), join(import.meta.dirname, 'talk.ts'), url, '--say', 'Who are you?']
    const { status, stdout, stderr } = spawnSync(COMMAND[0]!, script, { env: { ...env, TOKEN }, encoding: 'utf8', timeout: 60_000 })
    assert.equal(status, 0, stderr)
    const ways = stdout.split(/^(.*): Who are you\?$/m)
    assert.deepEqual([ways[1], ways[3]], ['the AWS SDK', 'a WebSocket'])
    for (const heard of [ways[2]!, ways[4]!]) {
      assert.equal([...heard.matchAll(/^ {2}(.*)$/gm)].map(([, text]) => text).join(''), ANSWER)
      assert.match(heard, /^contentEnd END_TURN\ncompletionEnd END_TURN\n/m)
    }
    assert.match(ways[4]!, /^closed with 1000$/m)
  } finally {
    demo.kill('SIGINT')
  }
})

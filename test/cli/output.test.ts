import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { plainAnswer } from '../kit/bedrock.ts'
import { ask } from '../kit/client.ts'
import { authorization, bedrock, serve } from './kit.ts'

test('a log that nobody reads any more costs no request', async () => {
  const program = serve()
  const port = await program.port()
  bedrock.script = plainAnswer
  program.child.stdout!.destroy()
  for (let i = 0; i < 3; i++) assert.equal((await ask('HTTP/1.1', port, '/model/x/invoke', { headers: { authorization: authorization() }, body: '{}' })).status, 200)
  program.child.kill('SIGTERM')
  const [code] = await once(program.child, 'exit') as [number]
  assert.equal(code, 0)
})

/** Has some lines written of more than a thousand bytes each. */
async function fillLog(port: number, lines: number): Promise<void> {
  const bad = `POST /model/${'x'.repeat(1500)}/invoke HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a.b.c\r\nContent-Length: 0\r\n\r\n`
  const socket = connect(port, '127.0.0.1')
  let answers = 0
  socket.on('data', (part) => { answers += String(part).split('HTTP/1.1 401').length - 1 })
  for (let asked = 50; asked <= lines; asked += 50) {
    socket.write(bad.repeat(50))
    while (answers < asked) await once(socket, 'data')
  }
  socket.destroy()
}

test('a log that is not read for a while loses lines, never memory without end, and says how many once it is read', { timeout: 120_000 }, async () => {
  const program = serve()
  const port = await program.port()
  program.child.stdout!.pause()
  await Promise.all(Array.from({ length: 8 }, () => fillLog(port, 2000)))
  program.child.stdout!.resume()
  const { lost } = JSON.parse(await program.line(/"msg":"lines of this log are lost/)) as { lost: number }
  const kept = program.stdout.filter((line) => line.includes('"msg":"request"')).length
  assert.ok(lost > 0 && kept > 0)
  assert.equal(kept + lost, 16_000)
  program.child.kill('SIGTERM')
  assert.equal(await program.ended(), 0)
  assert.match(program.stdout.at(-1)!, /"msg":"stopped"/)
})

test('a log that nobody reads does not hold up the end of the program', async () => {
  const program = serve()
  const port = await program.port()
  program.child.stdout!.pause()
  await fillLog(port, 1000)
  program.child.kill('SIGTERM')
  const [code] = await once(program.child, 'exit') as [number]
  assert.equal(code, 0)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Seen } from '../kit/bedrock.ts'
import { invoke, Line, openHouse, statuses } from './kit.ts'

const WAIT = { timeout: 15_000 }
const MOST = 5
const house = await openHouse({ SERVER__MAX_CONNECTIONS: `${MOST}` })

test('connections beyond the most are closed unheard, those within are served, and places that come free are taken', WAIT, async () => {
  house.bedrock.script = () => undefined
  const held: { line: Line; seen: Seen }[] = []
  for (let i = 0; i < MOST; i++) {
    const next = house.bedrock.next()
    const line = Line.to(house.proxy.port)
    line.write(invoke('held'))
    held.push({ line, seen: await next })
  }
  for (let i = 0; i < 100; i++) assert.deepEqual(await house.send(invoke('beyond')), [])
  assert.deepEqual(house.seenOf('beyond'), [])

  held[0]!.line.socket.resetAndDestroy()
  await held[0]!.seen.over
  house.bedrock.script = (_seen, response) => void response.end('{}')
  assert.deepEqual(statuses(await house.send(invoke('again'))), [200])
  for (const { line } of held) line.socket.destroy()
  await Promise.all(held.map(({ seen }) => seen.over))
})

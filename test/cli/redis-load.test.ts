import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Script } from '../kit/bedrock.ts'
import { ask, type Got } from '../kit/client.ts'
import type { Program } from '../kit/program.ts'
import { token } from '../kit/proxy.ts'
import { withRedis } from '../kit/redis.ts'
import { emptied, Share } from '../limits/redis-kit.ts'
import { bedrock, serve } from './kit.ts'

const folder = mkdtempSync(join(tmpdir(), 'redis-load-'))
after(() => rmSync(folder, { recursive: true }))

const PROXIES = 3
const USERS = Array.from({ length: 200 }, (_, i) => `user-${i}`)
const tokens = new Map(USERS.map((user) => [user, token({ sub: user })]))
const call = (port: number, user: string): Promise<Got> => ask('HTTP/1.1', port, '/model/amazon.nova-pro-v1:0/converse', {
  headers: { authorization: `Bearer ${tokens.get(user)}`, 'x-user': user }, body: '{"inferenceConfig":{"maxTokens":20}}',
})
const answer = (n: number): string => JSON.stringify({ output: {}, usage: { inputTokens: 3 + n, outputTokens: 5 } })

async function stopped(programs: readonly Program[]): Promise<void> {
  for (const program of programs) program.child.kill('SIGTERM')
  for (const program of programs) assert.equal(await program.ended(), 0)
}

// Valkey has shown elsewhere that it is one; what is shown here is of the proxies.
await withRedis((server) => {
  test(`${server.program}: ${USERS.length} callers at once through ${PROXIES} proxies, each with two limits: as many as allowed, and not one more, in all and at once`, { timeout: 120_000 }, async () => {
    await emptied(server)
    const [AT_ONCE, BURST] = [2, 6]
    const programs = Array.from({ length: PROXIES }, () => serve({
      LIMITS__STORE: 'redis', LIMITS__URL: server.url, LIMITS__TIMEOUT: '10s',
      LIMITS__DEFAULT__CONCURRENT: String(AT_ONCE), LIMITS__DEFAULT__REQUESTS_PER_MINUTE: '1', LIMITS__DEFAULT__BURST: String(BURST),
    }))
    const ports = await Promise.all(programs.map((program) => program.port()))
    const seen = new Map(USERS.map((user) => [user, { now: 0, most: 0, all: 0 }]))
    bedrock.script = ({ headers }, response) => {
      const mine = seen.get(String(headers['x-user']))!
      mine.all++
      mine.most = Math.max(mine.most, ++mine.now)
      setTimeout(() => {
        mine.now--
        response.writeHead(200, { 'Content-Type': 'application/json' }).end(answer(mine.all))
      }, 20)
    }
    const began = Date.now()
    const refusals = await Promise.all(USERS.map(async (user, i) => {
      let refused = 0
      // Three at once, to all three proxies, until the rate has refused a round of them.
      for (let isOver = false; !isOver;) {
        const got = await Promise.all(ports.map((_, n) => call(ports[(i + n) % PROXIES]!, user)))
        assert.ok(got.every(({ status }) => status === 200 || status === 429), JSON.stringify(got.map(({ status }) => status)))
        refused += got.filter(({ status }) => status === 429).length
        isOver = got.every(({ status, body }) => status === 429 && /requests_per_minute/.test(body.toString()))
      }
      return refused
    }))
    const refill = Math.ceil((Date.now() - began) / 60_000)
    for (const [user, { most, all }] of seen) {
      assert.ok(most <= AT_ONCE, `${user}: ${most} at once`)
      assert.ok(all >= BURST && all <= BURST + refill, `${user}: ${all}`)
    }
    assert.ok([...seen.values()].some(({ most }) => most === AT_ONCE) && refusals.every((count) => count >= PROXIES))
    await stopped(programs)
  })

  for (const fail of ['closed', 'open'] as const) {
    test(`${server.program}: kill -9 and restart of it under load, limits.fail ${fail}: each call is answered, all that was reserved is settled, and its counters are the sums of the audit logs`, { timeout: 120_000 }, async () => {
      await emptied(server)
      const files = Array.from({ length: PROXIES }, (_, i) => join(folder, `${server.program}-${fail}-${i}`))
      const programs = files.map((file) => serve({
        LIMITS__STORE: 'redis', LIMITS__URL: server.url, LIMITS__FAIL: fail, AUDIT__FILE: file, LIMITS__DEFAULT__CONCURRENT: '50', LIMITS__DEFAULT__TOKENS_PER_DAY: '100000000',
      }))
      const ports = await Promise.all(programs.map((program) => program.port()))
      const script: Script = (_seen, response) => void setTimeout(() => response.writeHead(200, { 'Content-Type': 'application/json' }).end(answer(1)), 5)
      bedrock.script = script
      const statuses = new Map<number, number>()
      let isOver = false
      let calls = 0
      const people = USERS.slice(0, 12)
      const clients = people.map(async (user, i) => {
        while (!isOver) {
          const { status } = await call(ports[(i + calls++) % PROXIES]!, user)
          statuses.set(status, (statuses.get(status) ?? 0) + 1)
        }
      })
      const reached = async (count: number): Promise<void> => { while (calls < count) await new Promise((resolve) => { setTimeout(resolve, 10) }) }
      await reached(150)
      await server.kill()
      for (const program of programs) await program.line(/"limits are not counted in Redis"/)
      await reached(calls + 150)
      await server.start()
      for (const program of programs) await program.line(/"limits are counted in Redis again"/)
      await reached(calls + 150)
      isOver = true
      await Promise.all(clients)
      await stopped(programs)
      assert.deepEqual([...statuses.keys()].sort(), fail === 'closed' ? [200, 503] : [200], JSON.stringify([...statuses]))

      const lines = files.flatMap((file) => readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>))
      const { limits } = new Share(server.url, {}, { clock: 'redis' })
      for (const user of people) {
        const mine = lines.filter((line) => line.user === user)
        const sum = (field: string): number => mine.reduce((all, line) => all + Number(line[field] ?? 0), 0)
        const { month } = await limits.usage({ issuer: String(mine[0]!.issuer ?? ''), user }, Date.now())
        assert.deepEqual([month.input, month.output], [sum('input_tokens'), sum('output_tokens')], user)
        assert.ok(month.input > 0)
      }
      const leases = (await server.command('KEYS', '*:leases') as readonly Buffer[]).map(String)
      assert.deepEqual(leases, [], 'an empty set is none')
    })
  }
}, ['redis-server'])

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { Ticket } from '../../src/limits/index.ts'
import { withRedis } from '../kit/redis.ts'
import { ANN, caller, DAY_MS, spent, START_MS } from './kit.ts'
import { admit, asked, COUNTED_AGAIN, emptied, LEASE_MS, NOT_COUNTED, Share, usage } from './redis-kit.ts'

await withRedis((server) => {
  const name = server.program
  const keys = async (): Promise<string[]> => (await server.command('KEYS', '*') as readonly Buffer[]).map(String)
  /** What is held of calls in flight, whoever made them: leases, tokens, micro-dollars. */
  const held = async (): Promise<string[]> => {
    const [leases] = (await keys()).filter((key) => key.endsWith(':leases'))
    const [account] = (await keys()).filter((key) => /\}$/.test(key) && !key.includes('probe'))
    const fields = await server.command('HMGET', account ?? 'none', 'held.tokens', 'held.money') as readonly (Buffer | null)[]
    return [leases === undefined ? 0 : await server.command('ZCARD', leases), ...fields.map((field) => field ?? 0)].map(String)
  }

  test(`${name}: three proxies have one count of everything`, async () => {
    await emptied(server)
    const row = { concurrent: 3, tokens_per_day: 1000, usd_per_month: 1000 }
    const shares = [new Share(server.url, row), new Share(server.url, row), new Share(server.url, row)] as const
    const [a, b, c] = [shares[0].limits, shares[1].limits, shares[2].limits]
    const tickets = [await admit(a, ANN, START_MS, 300, 10), await admit(b, ANN, START_MS, 300, 10), await admit(c, ANN, START_MS, 300, 10)]
    for (const limits of [a, b, c]) assert.equal(await asked(limits, ANN, START_MS), 'concurrent')
    for (const ticket of tickets) ticket.settle(spent(100, 200, 0, 0, 10), START_MS)
    for (const share of shares) await share.settled()
    for (const limits of [a, b, c]) assert.deepEqual(await usage(limits, ANN, START_MS), { day: spent(300, 600, 0, 0, 30), month: spent(300, 600, 0, 0, 30) })
    assert.equal(await asked(b, ANN, START_MS, 101), 'tokens_per_day')
    assert.deepEqual((await c.standings(ANN, START_MS)).map(({ limit, left }) => [limit, left]), [['usd_per_month', 970], ['tokens_per_day', 100], ['concurrent', 3]])
    assert.deepEqual(await held(), ['0', '0', '0'])
  })

  test(`${name}: callers whose names hold anything at all do not meet, nothing of a name stands in a key, and every key ends`, async () => {
    await emptied(server)
    const { limits } = new Share(server.url, { concurrent: 1, tokens_per_minute: 1000 })
    const people = [ANN, caller('ann:leases'), caller('{ann}'), caller('*'), caller(`ann\u{1f600}`), { ...ANN, issuer: 'https://idp.example|ann', user: '' }, { ...ANN, issuer: '', user: 'https://idp.example' }]
    const tickets = await Promise.all(people.map((who) => admit(limits, who, START_MS, 10)))
    for (const who of people) assert.equal(await asked(limits, who, START_MS), 'concurrent')
    for (const ticket of tickets) ticket.settle(spent(5), START_MS)
    await usage(limits, ANN, START_MS)
    const all = await keys()
    assert.equal(all.filter((key) => /^bedrock-sso-proxy:\{[0-9a-f]{64}\}$/.test(key)).length, people.length)
    assert.ok(all.every((key) => !/ann|idp/.test(key)))
    assert.ok(all.includes(`bedrock-sso-proxy:{${createHash('sha256').update(`${ANN.issuer}\nann`).digest('hex')}}`))
    for (const key of all) assert.ok(Number(await server.command('PTTL', key)) > 0, key)
  })

  test(`${name}: the leases of a process that is gone end; those of one that lives are renewed, and given back when its calls end`, async () => {
    await emptied(server)
    const row = { concurrent: 2, tokens_per_day: 100 }
    const [dead, alive, other] = [new Share(server.url, row), new Share(server.url, row), new Share(server.url, row)]
    await admit(dead.limits, ANN, START_MS, 40)
    const ticket = await admit(alive.limits, ANN, START_MS, 30)
    alive.timeMs += LEASE_MS - 1
    alive.tick()
    await alive.settled()
    assert.equal(await asked(other.limits, ANN, START_MS + LEASE_MS - 1), 'concurrent')
    assert.deepEqual(await held(), ['2', '70', '0'])
    assert.equal(await asked(other.limits, ANN, START_MS + LEASE_MS, 71), 'tokens_per_day')
    assert.deepEqual(await held(), ['1', '30', '0'])
    ticket.settle(spent(25), START_MS + LEASE_MS)
    await alive.settled()
    assert.deepEqual(await held(), ['0', '0', '0'])
  })

  test(`${name}: a lease that ended too early is taken anew by the next renewal, and what its call used is counted all the same`, async () => {
    await emptied(server)
    const row = { concurrent: 1 }
    const [slow, other] = [new Share(server.url, row), new Share(server.url, row)]
    const ticket = await admit(slow.limits, ANN, START_MS, 7, 7)
    const second = await admit(other.limits, ANN, START_MS + LEASE_MS, 1, 1)
    assert.deepEqual(await held(), ['1', '1', '1'])
    slow.timeMs += LEASE_MS
    slow.tick()
    await slow.settled()
    assert.deepEqual(await held(), ['2', '8', '8'])
    for (const one of [ticket, second]) one.settle(spent(5), START_MS + LEASE_MS)
    await slow.settled()
    await other.settled()
    assert.deepEqual(await held(), ['0', '0', '0'])
    assert.deepEqual((await usage(other.limits, ANN, START_MS + LEASE_MS)).day, spent(10))
  })

  test(`${name}: a process that ends tells all it has to tell before, and says what it could not`, async () => {
    await emptied(server)
    const [one, other] = [new Share(server.url, {}), new Share(server.url, {}, { fail: 'open' })]
    const tickets = await Promise.all(Array.from({ length: 50 }, () => admit(one.limits, ANN, START_MS, 5)))
    for (const ticket of tickets) ticket.settle(spent(2), START_MS)
    await one.limits.close()
    assert.deepEqual(one.lines.map(({ level }) => level), ['info'])
    assert.deepEqual((await usage(other.limits, ANN, START_MS)).day, spent(100))
    assert.deepEqual(await held(), ['0', '0', '0'])
    const down = other.said(NOT_COUNTED)
    await server.kill()
    await down
    await admit(other.limits, ANN, START_MS, 5).then((ticket) => ticket.settle(spent(1), START_MS))
    await other.limits.close()
    assert.equal(other.lines.at(-1)!.msg, 'what calls have used is lost: Redis could not be told')
    await server.start()
  })

  test(`${name}: where the leases are lost alone, what they held does not stay behind`, async () => {
    await emptied(server)
    const { limits } = new Share(server.url, { tokens_per_day: 100 })
    await admit(limits, ANN, START_MS, 90)
    await server.command('DEL', (await keys()).find((key) => key.endsWith(':leases'))!)
    await admit(limits, ANN, START_MS, 80)
    assert.deepEqual(await held(), ['1', '80', '0'])
  })

  test(`${name}: a server that is told to forget its scripts, again and again, refuses nobody and loses nothing`, async () => {
    await emptied(server)
    const share = new Share(server.url, { tokens_per_day: 1_000_000 })
    for (let round = 0; round < 20; round++) {
      const flushed = server.command('SCRIPT', 'FLUSH', 'SYNC')
      const tickets = await Promise.all(Array.from({ length: 20 }, () => admit(share.limits, ANN, START_MS, 10)))
      await flushed
      void server.command('SCRIPT', 'FLUSH', 'SYNC')
      for (const ticket of tickets) ticket.settle(spent(3, 4, 0, 0, 1), START_MS)
      await share.settled()
    }
    assert.deepEqual((await usage(share.limits, ANN, START_MS)).day, spent(1200, 1600, 0, 0, 400))
    assert.deepEqual(await held(), ['0', '0', '0'])
    assert.equal(share.lines.some(({ level }) => level === 'error'), false)
  })

  test(`${name}: what a process does by a number behind which it has ended something does nothing`, async () => {
    await emptied(server)
    const { limits } = new Share(server.url, { concurrent: 5 })
    await admit(limits, ANN, START_MS, 5).then((ticket) => ticket.settle(spent(1), START_MS))
    await usage(limits, ANN, START_MS)
    const ended = (await keys()).find((key) => key.includes(':ended:') && !key.includes('probe'))
    await server.command('SET', ended!, '1000')
    assert.equal(await asked(limits, ANN, START_MS), 'LIMITS_STORE_UNAVAILABLE')
    assert.deepEqual(await held(), ['0', '0', '0'])
    assert.deepEqual((await server.command('HGET', ended!.replace(/:ended:.*/, ''), 'day.input'))?.toString(), '1')
  })

  for (const [what, break_, mend] of [
    ['is out of memory', ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']],
    ['has become a replica', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']],
  ] as const) {
    test(`${name}: a server that ${what} counts as down until it is mended; what was used meanwhile is told then`, async () => {
      await emptied(server)
      const share = new Share(server.url, { tokens_per_day: 1000 })
      const ticket = await admit(share.limits, ANN, START_MS, 100)
      const down = share.said(NOT_COUNTED)
      await server.command(...break_)
      assert.equal(await asked(share.limits, ANN, START_MS), 'LIMITS_STORE_UNAVAILABLE')
      assert.match((await down).why!, /^(?:OOM|READONLY)$/)
      assert.equal(share.limits.available, false)
      ticket.settle(spent(60), START_MS)
      const again = share.said(COUNTED_AGAIN)
      await server.command(...mend)
      await again
      assert.deepEqual((await usage(share.limits, ANN, START_MS)).day, spent(60))
      assert.deepEqual(await held(), ['0', '0', '0'])
      assert.equal(share.limits.available, true)
    })
  }

  test(`${name}: fail open counts on from what it last heard, each proxy for itself; when Redis is back it is told all of it, once`, async () => {
    await emptied(server)
    const row = { tokens_per_day: 100, concurrent: 2 }
    const [one, other] = [new Share(server.url, row, { fail: 'open' }), new Share(server.url, row, { fail: 'open' })]
    const before = await admit(one.limits, ANN, START_MS, 20)
    await admit(one.limits, ANN, START_MS, 60).then((ticket) => ticket.settle(spent(60), START_MS))
    await usage(one.limits, ANN, START_MS)
    await admit(one.limits, ANN, START_MS, 1).then((ticket) => ticket.release(START_MS))
    const down = [one.said(NOT_COUNTED), other.said(NOT_COUNTED)]
    await server.kill()
    await Promise.all(down)
    assert.equal(await asked(one.limits, ANN, START_MS, 41), 'tokens_per_day', 'of 100 it knows 60 to be used')
    await admit(one.limits, ANN, START_MS, 40).then((ticket) => ticket.settle(spent(30), START_MS))
    await admit(other.limits, ANN, START_MS, 100).then((ticket) => ticket.settle(spent(9), START_MS))
    assert.ok(await asked(other.limits, ANN, START_MS + DAY_MS, 100) instanceof Ticket, 'the day after')
    assert.deepEqual((await usage(one.limits, ANN, START_MS)).day, spent(90))
    before.settle(spent(1), START_MS)
    const again = [one.said(COUNTED_AGAIN), other.said(COUNTED_AGAIN)]
    await server.start()
    await Promise.all(again)
    await other.settled()
    assert.deepEqual((await usage(one.limits, ANN, START_MS)).day, spent(100))
    assert.deepEqual(await held(), ['0', '0', '0'])
  })
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { after, test } from 'node:test'
import { Ticket } from '../../src/limits/index.ts'
import { secret } from '../kit/leaks.ts'
import { withRedis } from '../kit/redis.ts'
import { ANN, caller, chance, PEOPLE, spent, START_MS } from './kit.ts'
import { asked, COUNTED_AGAIN, emptied, NOT_COUNTED, Share, usage, Wire } from './redis-kit.ts'

await withRedis((server) => {
  const name = server.program

  /** Every caller's calls in flight, as Redis has them. */
  const held = async (): Promise<number> => {
    const keys = (await server.command('KEYS', '*:leases') as readonly Buffer[]).map(String)
    const counts = await Promise.all(keys.map((key) => server.command('ZCARD', key)))
    return counts.reduce<number>((sum, count) => sum + Number(count), 0)
  }

  test(`${name}: answers that never come: what was taken is given back, what was used is counted once`, async () => {
    for (let round = 0; round < 5; round++) {
      await emptied(server)
      const wire = await Wire.to(server.port)
      const share = new Share(wire.url, { concurrent: 100, tokens_per_day: 1_000_000 }, { timeoutMs: 100 })
      const tickets = await Promise.all(Array.from({ length: 10 }, () => asked(share.limits, ANN, START_MS, 10)))
      wire.answers = () => undefined
      const down = share.said(NOT_COUNTED)
      for (const ticket of tickets) (ticket as Ticket).settle(spent(3, 0, 0, 0, 2), START_MS)
      const unanswered = await Promise.all(Array.from({ length: 10 }, () => asked(share.limits, ANN, START_MS, 10)))
      assert.deepEqual(new Set(unanswered), new Set(['LIMITS_STORE_UNAVAILABLE']))
      assert.equal((await down).why, 'no answer in time')
      const again = share.said(COUNTED_AGAIN)
      wire.answers = (bytes) => bytes
      await again
      assert.deepEqual((await usage(share.limits, ANN, START_MS)).day, spent(30, 0, 0, 0, 20))
      assert.equal(await held(), 0)
    }
  })

  test(`${name}: commands that arrive after their connection was given up take nothing, and count nothing again`, async () => {
    await emptied(server)
    const share = new Share(server.url, { concurrent: 100, tokens_per_day: 1_000_000 }, { timeoutMs: 100 })
    const tickets = await Promise.all(Array.from({ length: 10 }, () => asked(share.limits, ANN, START_MS, 10)))
    const down = share.said(NOT_COUNTED)
    // It takes bytes, and will read them when it goes on.
    server.signal('SIGSTOP')
    for (const ticket of tickets) (ticket as Ticket).settle(spent(3), START_MS)
    const unanswered = Promise.all(Array.from({ length: 10 }, () => asked(share.limits, ANN, START_MS, 10)))
    await down
    await unanswered
    const again = share.said(COUNTED_AGAIN)
    server.signal('SIGCONT')
    await again
    assert.deepEqual((await usage(share.limits, ANN, START_MS)).day, spent(30))
    assert.equal(await held(), 0)
  })

  test(`${name}: a connection that is cut again and again under load: nothing is held, and what was used is counted to the last token`, async () => {
    await emptied(server)
    const random = chance(7)
    const wire = await Wire.to(server.port)
    const share = new Share(wire.url, { concurrent: 50, tokens_per_month: 1_000_000_000 })
    const used = new Map(PEOPLE.map((who) => [who, 0]))
    const live: (() => void)[] = []
    const all: Promise<void>[] = []
    for (let i = 0; i < 3000; i++) {
      if (i % 100 === 99) {
        const down = share.said(NOT_COUNTED)
        const again = share.said(COUNTED_AGAIN)
        wire.cut()
        await down
        // Some end while it is away.
        for (const end of live.splice(0, 3)) end()
        await again
      }
      const who = PEOPLE[random(PEOPLE.length)]!
      const asking = asked(share.limits, who, START_MS, random(100)).then((given) => {
        if (!(given instanceof Ticket)) return
        live.push(() => {
          const amount = random(1000)
          given.settle(spent(amount), START_MS)
          used.set(who, used.get(who)! + amount)
        })
      })
      all.push(asking)
      if (random(3) === 0) await asking
      if (random(3) > 0) live.splice(random(live.length), 1)[0]?.()
    }
    await Promise.all(all)
    for (const end of live.splice(0)) end()
    await share.settled()
    for (const [who, amount] of used) {
      assert.ok(amount > 10_000)
      assert.equal((await usage(share.limits, who, START_MS)).month.input, amount)
    }
    assert.equal(await held(), 0)
  })

  test(`${name}: kill -9 of the server, again and again under load: what it had written down is there, and nothing is counted twice`, async () => {
    await emptied(server)
    const share = new Share(server.url, { tokens_per_month: 1_000_000_000 })
    let used = 0
    const live: Ticket[] = []
    for (let round = 0; round < 6; round++) {
      const given = await Promise.all(Array.from({ length: 40 }, () => asked(share.limits, ANN, START_MS, 10)))
      live.push(...given.filter((one) => one instanceof Ticket))
      const [down, again] = [share.said(NOT_COUNTED), share.said(COUNTED_AGAIN)]
      const killed = server.kill()
      while (live.length > 15) {
        live.pop()!.settle(spent(1 + round), START_MS)
        used += 1 + round
      }
      await Promise.all([killed, down])
      await server.start()
      await again
    }
    for (const ticket of live) ticket.release(START_MS)
    await share.settled()
    assert.equal((await usage(share.limits, ANN, START_MS)).month.input, used)
    assert.equal(await held(), 0)
  })

  test(`${name}: a server that has lost everything is told what runs, and counts on`, async () => {
    await emptied(server)
    const wire = await Wire.to(server.port)
    const share = new Share(wire.url, { concurrent: 2, tokens_per_day: 100 })
    const tickets = [await asked(share.limits, ANN, START_MS, 30), await asked(share.limits, ANN, START_MS, 30)] as Ticket[]
    const again = share.said(COUNTED_AGAIN)
    await server.command('FLUSHALL')
    wire.cut()
    await again
    assert.equal(await asked(share.limits, ANN, START_MS), 'concurrent')
    tickets[0]!.settle(spent(20), START_MS)
    assert.equal(await asked(share.limits, ANN, START_MS, 51), 'tokens_per_day')
    tickets[1]!.settle(spent(20), START_MS)
    assert.deepEqual((await usage(share.limits, ANN, START_MS)).day, spent(40))
  })

  test(`${name}: a key that somebody has put in the way stops its caller, and nobody else`, async () => {
    await emptied(server)
    const share = new Share(server.url, { concurrent: 5 })
    await asked(share.limits, ANN, START_MS)
    const key = (await server.command('KEYS', '*}') as readonly Buffer[]).map(String).find((one) => !one.includes('probe'))!
    await server.command('SET', key, 'x')
    assert.equal(await asked(share.limits, ANN, START_MS), 'LIMITS_STORE_UNAVAILABLE')
    assert.ok(await asked(share.limits, caller('bob'), START_MS) instanceof Ticket)
    assert.equal(share.limits.available, true)
  })
})

/** What the fake says to each connection; and what the log says of that. */
const HOSTILE: readonly (readonly [what: string, bytes: string, why: string])[] = [
  ['another protocol', 'HTTP/1.1 400 Bad Request\r\n\r\n', 'RESP_TYPE'],
  ['more answers than questions', '+OK\r\n'.repeat(40), 'an answer to nothing'],
  ['a length without end', '$999999999999\r\n', 'RESP_BULK_TOO_LONG'],
  ['arrays in arrays', '*1\r\n'.repeat(1000), 'RESP_TOO_DEEP'],
  ['what it was sent, as an error', "-ERR unknown command 'AUTH', with args beginning with: 'sesame-open'\r\n", 'AUTH: ERR'],
  ['the end', '', 'closed by the server'],
]

for (const [what, bytes, why] of HOSTILE) {
  test(`a server that says ${what} is one that is down, said by a word, and tried again`, async () => {
    let thrice = (): void => undefined
    const tried = new Promise<void>((resolve) => { thrice = resolve })
    let connections = 0
    const fake = createServer((socket: Socket) => {
      if (++connections === 3) thrice()
      socket.on('error', () => undefined).once('data', () => { bytes === '' ? socket.end() : socket.write(bytes) })
    })
    after(() => fake.close())
    await once(fake.listen(0, '127.0.0.1'), 'listening')
    const share = new Share(`redis://:${secret('a password', 'sesame-open')}@127.0.0.1:${(fake.address() as AddressInfo).port}`, { concurrent: 1 })
    assert.equal(await asked(share.limits, ANN, START_MS), 'LIMITS_STORE_UNAVAILABLE')
    await tried
    assert.equal(share.lines.find(({ msg }) => msg === NOT_COUNTED)!.why, why)
  })
}

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Seen } from '../kit/bedrock.ts'
import { ConfigFile } from '../kit/config.ts'
import { token } from '../kit/proxy.ts'
import { bedrock, proxyWith } from './hall.ts'
import { Clients, type Outcome } from './mixture.ts'

const CALLERS = 200
const EACH = 6
const MODEL = 'amazon.nova-pro-v1:0'

/** Calls that Bedrock has taken and holds, by whose they are. */
class Held {
  readonly #finish: (() => void)[] = []
  readonly counts = new Map<string, number>()
  #told = (): void => undefined

  constructor() {
    bedrock.script = ({ headers }: Seen, response) => {
      const who = String(headers['x-who'])
      this.counts.set(who, (this.counts.get(who) ?? 0) + 1)
      const usage = { inputTokens: 10, outputTokens: 20 }
      this.#finish.push(() => response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ usage })))
      this.#told()
    }
  }

  /** Resolves when all of these have come to Bedrock or been refused. */
  async decided(calls: readonly Promise<Outcome>[]): Promise<void> {
    let refused = 0
    await new Promise<void>((resolve) => {
      this.#told = () => { if (this.#finish.length + refused === calls.length) resolve() }
      for (const one of calls) void one.then(() => { refused++; this.#told() })
    })
    this.#told = () => undefined
  }

  finish(): void {
    for (const finish of this.#finish.splice(0)) finish()
    this.counts.clear()
  }
}

function caller(port: number) {
  const clients = new Clients(port)
  after(() => clients.close())
  return (user: string, bearer: string, n: number): Promise<Outcome> => {
    const headers = { authorization: bearer, 'x-who': user }
    const call = { method: 'POST', path: `/model/${MODEL}/converse`, headers, body: '{"inferenceConfig":{"maxTokens":20},"a":1}', leave: undefined }
    return n % 2 === 0 ? clients.overH1(call) : clients.overH2(call, n >> 1)
  }
}

test(`${CALLERS} callers with ${EACH} requests each at once, and two limits: nobody has more at Bedrock than one allows, nor altogether more than the other`, async () => {
  const began = Date.now()
  const { port } = await proxyWith(new ConfigFile({ limits: { default: { concurrent: 3, requests_per_minute: 1, burst: 4 } } }).env)
  const ask = caller(port)
  const users = Array.from({ length: CALLERS }, (_, i) => [`user ${i}`, `Bearer ${token({ sub: `user ${i}` })}`] as const)
  const held = new Held()
  const admitted = new Map<string, number>()
  for (const most of [3, 1]) {
    const calls = Array.from({ length: EACH }, (_, n) => users.map(([user, bearer]) => ask(user, bearer, n))).flat()
    await held.decided(calls)
    const perMinute = Math.floor((Date.now() - began) / 60_000)
    for (const [user] of users) {
      const live = held.counts.get(user) ?? 0
      assert.ok(live >= most && live <= Math.min(3, most + perMinute), `${live} of ${user} at once`)
      admitted.set(user, (admitted.get(user) ?? 0) + live)
    }
    held.finish()
    for (const { status } of await Promise.all(calls)) assert.ok(status === 200 || status === 429, String(status))
  }
  for (const [user] of users) assert.ok(admitted.get(user)! <= 4 + Math.floor((Date.now() - began) / 60_000))
})

test('200 requests of one caller at once: as many as the smaller of two limits allows, and afterwards what was used is what both say', async () => {
  // Eleven tokens for 42 bytes, and twenty for the answer; thirty are used.
  const limits = { default: { concurrent: 40, tokens_per_day: 1000 } }
  const { port } = await proxyWith(new ConfigFile({ limits }).env)
  const ask = caller(port)
  const held = new Held()
  const bearer = `Bearer ${token()}`
  const calls = Array.from({ length: 200 }, (_, n) => ask('alice', bearer, n))
  await held.decided(calls)
  assert.equal(held.counts.get('alice'), 32)
  held.finish()
  const outcomes = await Promise.all(calls)
  assert.deepEqual([200, 400].map((wanted) => outcomes.filter(({ status }) => status === wanted).length), [32, 168])
  const again = Array.from({ length: 200 }, (_, n) => ask('alice', bearer, n))
  await held.decided(again)
  assert.equal(held.counts.get('alice'), 1)
  held.finish()
})

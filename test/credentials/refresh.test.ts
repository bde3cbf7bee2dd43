import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { RefreshingCredentials } from '../../src/credentials/refresh.ts'
import { type Credentials, CredentialsError } from '../../src/credentials/source.ts'
import { createLog } from '../../src/log/index.ts'
import { Secret } from '../../src/secret/index.ts'
import { output, secret } from '../kit/leaks.ts'
import { Clock, failure, MINUTE, settle } from './kit.ts'

const SECRET = secret('a secret', 'refreshsecret')
const DOWN = new CredentialsError('CREDENTIALS_UNREACHABLE', 'the connection failed')

/** A provider whose next answer the test chooses: minutes to live, none for keys that last, or an error. */
function provider({ stable = false, minutes = 60 as number | null, held = false } = {}) {
  const clock = new Clock()
  const state = { asked: 0, key: 1, minutes, error: undefined as Error | undefined, release: () => undefined as void }
  const lines: Record<string, unknown>[] = []
  const write = (line: string) => {
    output(line)
    lines.push(JSON.parse(line) as Record<string, unknown>)
  }
  const find = async () => {
    state.asked++
    if (held) await new Promise<void>((resolve) => { state.release = resolve })
    if (state.error !== undefined) throw state.error
    const expiresMs = state.minutes === null ? undefined : clock.now + state.minutes * MINUTE
    return { accessKeyId: `K${state.key}`, secretAccessKey: new Secret(SECRET), expiresMs, provider: 'test', stable }
  }
  const log = createLog({ level: 'debug', format: 'json', nowMs: clock.nowMs, write })
  const source = new RefreshingCredentials({ find, nowMs: clock.nowMs, random: () => 0.5, sleep: clock.sleep, log })
  after(() => source.close())
  return { source, clock, state, lines }
}

/** What get() gives at once. */
function atOnce(source: RefreshingCredentials): string {
  const given = source.get()
  assert.ok(!(given instanceof Promise), 'get() made its caller wait')
  return given.accessKeyId
}

const later = async (given: Credentials | Promise<Credentials>): Promise<string> => {
  assert.ok(given instanceof Promise, 'get() made nobody wait')
  return (await given).accessKeyId
}

test('the first search begins at once, and all who come before its end share it', async () => {
  const { source, state } = provider({ held: true })
  assert.equal(source.name, 'none')
  const waiting = [source.get(), source.get(), source.get()]
  assert.equal(state.asked, 1)
  state.release()
  assert.deepEqual(await Promise.all(waiting.map(later)), ['K1', 'K1', 'K1'])
  assert.equal(state.asked, 1)
  assert.deepEqual([source.name, atOnce(source)], ['test', 'K1'])
})

test('they are refreshed behind the scenes between 15 and 10 minutes before they expire', async () => {
  const { source, clock, state } = provider()
  await settle()
  assert.equal(clock.nextMs, 60 * MINUTE - 15 * MINUTE + 0.5 * 5 * MINUTE)
  state.key = 2
  await clock.advance(47 * MINUTE)
  assert.deepEqual([atOnce(source), state.asked], ['K1', 1])
  await clock.advance(MINUTE)
  assert.deepEqual([atOnce(source), state.asked], ['K2', 2])
  assert.equal(source.expiresMs, clock.now - MINUTE / 2 + 60 * MINUTE)
})

test('a refresh that fails is repeated after 30 to 60 seconds, and nobody waits for it', async () => {
  const { source, clock, state } = provider()
  await settle()
  state.error = DOWN
  await clock.advance(48 * MINUTE)
  assert.deepEqual([atOnce(source), state.asked], ['K1', 2])
  assert.equal(clock.nextMs, 15_000)
  await clock.advance(MINUTE / 2)
  assert.deepEqual([atOnce(source), state.asked], ['K1', 3])
  state.error = undefined
  state.key = 2
  await clock.advance(MINUTE)
  assert.deepEqual([atOnce(source), state.asked], ['K2', 4])
})

test('with five minutes left get() waits for a refresh; where it fails the old ones serve until they expire, without a wait for each', async () => {
  const { source, clock, state } = provider()
  await settle()
  state.error = DOWN
  await clock.advance(55 * MINUTE - 1)
  const asked = state.asked
  clock.now += 40_000
  assert.equal(await later(source.get()), 'K1')
  assert.equal(state.asked, asked + 1)
  for (let i = 0; i < 100; i++) assert.equal(atOnce(source), 'K1')
  assert.equal(state.asked, asked + 1)
})

test('expired credentials are never given, and the provider is asked once in five seconds at most', async () => {
  const { source, clock, state } = provider()
  await settle()
  state.error = DOWN
  await clock.advance(61 * MINUTE)
  clock.now += 5000
  const asked = state.asked
  await failure(() => source.get(), 'CREDENTIALS_UNREACHABLE')
  for (let i = 0; i < 100; i++) assert.throws(() => source.get(), { code: 'CREDENTIALS_UNREACHABLE' })
  assert.equal(state.asked, asked + 1)
  clock.now += 5000
  state.error = undefined
  state.key = 2
  assert.equal(await later(source.get()), 'K2')
})

test('an answer that has expired already is refused, and the last good one kept', async () => {
  const { source, clock, state } = provider()
  await settle()
  state.minutes = -1
  state.key = 2
  await clock.advance(48 * MINUTE)
  assert.deepEqual([atOnce(source), state.asked], ['K1', 2])
  await failure(() => provider({ minutes: 0 }).source.get(), 'CREDENTIALS_EXPIRED')
})

test('credentials that are short-lived when they come are not asked for by each request', async () => {
  const { source, clock, state } = provider({ minutes: 4 })
  await settle()
  for (let second = 0; second < 29; second++) {
    assert.equal(atOnce(source), 'K1')
    await clock.advance(1000)
  }
  assert.equal(state.asked, 1)
  await clock.advance(16_000)
  assert.equal(state.asked, 2)
})

test('keys that do not expire set no timer; an expiry far away sets one that Node can hold', async () => {
  const lasting = provider({ minutes: null })
  await settle()
  assert.deepEqual([atOnce(lasting.source), lasting.clock.nextMs, lasting.source.expiresMs], ['K1', undefined, undefined])
  const far = provider({ minutes: 1e9 })
  await settle()
  assert.equal(far.clock.nextMs, 24 * 60 * MINUTE)
})

test('a stable provider may give expired ones and go silent: what it gave last is kept, and asked about every 5 to 10 minutes', async () => {
  const { source, clock, state } = provider({ stable: true, minutes: -60 })
  await settle()
  assert.deepEqual([atOnce(source), clock.nextMs], ['K1', 7.5 * MINUTE])
  state.error = DOWN
  await clock.advance(8 * MINUTE)
  assert.deepEqual([atOnce(source), state.asked], ['K1', 2])
  await clock.advance(7 * MINUTE)
  assert.deepEqual([atOnce(source), state.asked], ['K1', 3])
  state.error = undefined
  state.minutes = 60
  state.key = 2
  await clock.advance(8 * MINUTE)
  assert.deepEqual([atOnce(source), state.asked], ['K2', 4])
})

test('a stable provider that fails over the expiry of its credentials keeps them', async () => {
  const { source, clock, state } = provider({ stable: true })
  await settle()
  state.error = DOWN
  await clock.advance(3 * 60 * MINUTE)
  assert.equal(atOnce(source), 'K1')
  assert.ok(state.asked < 60, `asked ${state.asked} times`)
})

test('a stable provider that gives expired ones does not replace those that still live', async () => {
  const { source, clock, state } = provider({ stable: true })
  await settle()
  state.minutes = -1
  state.key = 2
  await clock.advance(48 * MINUTE)
  assert.deepEqual([atOnce(source), state.asked], ['K1', 2])
})

test('renew() refreshes once for many callers', async () => {
  const { source, state } = provider()
  const refused = await source.get()
  state.key = 2
  const renewed = await Promise.all(Array.from({ length: 50 }, () => source.renew(refused)))
  assert.deepEqual([...new Set(renewed.map((given) => given?.accessKeyId))], ['K2'])
  assert.equal(state.asked, 2)
  assert.equal((await source.renew(refused))?.accessKeyId, 'K2')
  assert.equal(state.asked, 2, 'they had been renewed already')
})

test('renew() gives nothing where the same keys come back or none do, and does not ask at the pace of the requests', async () => {
  for (const error of [undefined, DOWN]) {
    const { source, clock, state } = provider()
    const refused = await source.get()
    state.error = error
    assert.deepEqual(await Promise.all([source.renew(refused), source.renew(refused)]), [undefined, undefined])
    for (let i = 0; i < 100; i++) assert.equal(await source.renew(refused), undefined)
    assert.equal(state.asked, 2)
    assert.equal(atOnce(source), 'K1')
    clock.now += 5000
    state.error = undefined
    state.key = 2
    assert.equal((await source.renew(refused))?.accessKeyId, 'K2')
  }
})

test('renew() is bounded where AWS refuses each new key too', async () => {
  const { source, state } = provider()
  let refused: Credentials | undefined = await source.get()
  for (let i = 0; i < 100; i++) {
    state.key++
    refused = (await source.renew(refused!)) ?? refused
  }
  assert.equal(state.asked, 2)
})

test('renew() puts the next refresh off: there is one timer', async () => {
  const { source, clock, state } = provider()
  const refused = await source.get()
  await clock.advance(20 * MINUTE)
  state.key = 2
  await source.renew(refused)
  await clock.advance(40 * MINUTE)
  assert.equal(state.asked, 2)
  await clock.advance(10 * MINUTE)
  assert.equal(state.asked, 3)
})

test('close() while a refresh is under way: nothing follows it, whatever its end, and no line complains', async () => {
  for (const error of [undefined, DOWN]) {
    const { source, clock, state, lines } = provider({ held: true })
    const first = source.get()
    state.release()
    await first
    await clock.advance(48 * MINUTE)
    source.close()
    state.error = error
    state.key = 2
    state.release()
    await settle()
    assert.equal(atOnce(source), error === undefined ? 'K2' : 'K1')
    assert.equal(clock.nextMs, undefined)
    assert.ok(lines.every(({ level }) => level === 'info'))
  }
})

test('close() ends the timer, and what is held is still given', async () => {
  const { source, clock, state } = provider()
  await settle()
  source.close()
  assert.equal(clock.nextMs, undefined)
  await clock.advance(59 * MINUTE)
  assert.equal(state.asked, 1)
  state.error = DOWN
  assert.equal(await later(source.get()), 'K1')
  assert.equal(clock.nextMs, undefined, 'a timer began after close()')
})

test('a failure that nobody waits for reaches the log, without a secret, and no further', async () => {
  const { lines, clock, state } = provider()
  await settle()
  state.error = DOWN
  await clock.advance(48 * MINUTE)
  assert.deepEqual(lines.map(({ level, msg, code, why, kept }) => ({ level, msg, code, why, kept })), [
    { level: 'info', msg: 'aws credentials', code: undefined, why: undefined, kept: undefined },
    { level: 'warn', msg: 'aws credentials not refreshed', code: 'CREDENTIALS_UNREACHABLE', why: 'the connection failed', kept: true },
  ])
})

test('a fault of our own is told as such, and does not end the refreshing', async () => {
  const { lines, source, clock, state } = provider()
  await settle()
  state.error = new TypeError('a mistake')
  await clock.advance(48 * MINUTE)
  assert.equal(lines.at(-1)?.code, 'INTERNAL')
  state.error = undefined
  state.key = 2
  await clock.advance(MINUTE)
  assert.equal(atOnce(source), 'K2')
})

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { readHead, verify } from '../../src/audit/index.ts'
import { bedrock } from '../cli/kit.ts'
import { plainAnswer } from '../kit/bedrock.ts'
import { ask, type Got } from '../kit/client.ts'
import { ConfigFile } from '../kit/config.ts'
import { lastingPort } from '../kit/port.ts'
import { chance } from '../limits/kit.ts'
import { type Life, type Line, Lives } from './lives.ts'
import { bearer, callOf, Clients, fateful, numberOf, USERS } from './mixture.ts'
import { chargeOf, checkEnd, checkMetrics, countOf, type Fared, figures, isCharged, usageOf } from './witnesses.ts'

const REQUESTS = 10_000
const AT_ONCE = 36
/** In each of the first so many thousands the program is killed once; what is left is its longest life. */
const KILLS = 6
const PLACES = 5
const NODE_ARGS = process.features.typescript === undefined || process.features.typescript === false ? ['--import', 'tsx'] : []

const folder = mkdtempSync(join(tmpdir(), 'settling-'))
after(() => rmSync(folder, { recursive: true }))
const [audit, journal, revoked] = ['audit.jsonl', 'journal', 'revoked.yaml'].map((name) => join(folder, name)) as [string, string, string]
writeFileSync(revoked, '[]')

const limits = (more: object) => ({ store: 'journal', path: journal, reserve_tokens: 50, ...more })
const mixed = (round: number) => ({
  limits: limits({
    default: { concurrent: PLACES, requests_per_minute: 20_000, tokens_per_minute: 10_000_000, tokens_per_day: 50_000_000, usd_per_month: 10_000 },
    users: { narrow: { concurrent: 1 }, slow: { requests_per_minute: 100, burst: 10 }, poor: { usd_per_day: 0.2 * 2 ** round }, short: { tokens_per_day: 20_000 * (round + 1) } },
  }),
  pricing: [{ models: ['anthropic.*'], input: 3 + round / 8, output: 15, cache_read: 0.3, cache_write: 3.75 }, { models: ['amazon.*'], input: 0.8, output: 3.2 }],
  policy: { default: 'allow', rules: [{ models: ['*opus*'], effect: 'deny' }, ...(round % 2 === 0 ? [] : [{ users: ['gus'], operations: ['Converse'], effect: 'deny' }])] },
})
const BIG = 1_000_000_000
/** Whose answer says what is left of all limits. */
const SMALL = '{"model":"openai.gpt-oss-20b-1:0","max_tokens":7}'
const quiet = { ...mixed(0), limits: limits({ default: { concurrent: PLACES, tokens_per_day: BIG, usd_per_day: BIG } }) }

test(`${REQUESTS} requests that end in every way there is, the program killed ${KILLS} times amid them: all that was taken is given back; limits, audit log, metrics and journal count the same, less the last ten milliseconds before a kill; and what a kill cut has a line`, { timeout: 280_000 }, async (t) => {
  const seed = Date.now() % 1_000_000
  t.diagnostic(`seed ${seed}`)
  const random = chance(seed)
  bedrock.script = fateful
  const config = new ConfigFile(mixed(0))
  const [port, admin] = [await lastingPort(), await lastingPort()]
  const lives = new Lives({
    ...config.env, SERVER__PORT: String(port), ADMIN__PORT: String(admin), SERVER__TRUSTED_PROXIES: '127.0.0.1', AUDIT__INTENT: 'true', JWT__REVOCATION_FILE: revoked, SERVER__MAX_BODY: '64KiB',
    AWS__TIMEOUTS__FIRST_BYTE: '2s', AWS__TIMEOUTS__IDLE: '2s',
  }, audit, journal)
  await lives.listening()
  const metrics = async () => (await ask('HTTP/1.1', admin, '/metrics', { method: 'GET' })).body.toString()

  const past: { readonly life: Life; readonly counted: string }[] = []
  let restart: Promise<unknown> | undefined
  let answered = (): void => {}
  const crash = async (): Promise<void> => {
    const counted = await metrics()
    const count = countOf(counted)
    while (lives.soFar().calls.length < count) await metrics()
    await (random(2) === 0 ? setTimeout(random(30)) : new Promise<void>((resolve) => { answered = resolve }))
    restart = lives.kill().then((life) => {
      past.push({ life, counted })
      restart = undefined
    })
    await restart
  }

  const kills = Array.from({ length: KILLS }, (_, i) => 1000 * i + random(1000))
  let crashes = Promise.resolve()
  const clients = new Clients(port)
  const fared: Fared[] = []
  let begun = 0
  const client = async (): Promise<void> => {
    for (;;) {
      while (restart !== undefined) await restart
      if (begun === REQUESTS) return
      const [n, life, isH1, beganMs] = [begun++, past.length, random(2) === 0, Date.now()]
      if (kills.includes(n)) crashes = crashes.then(crash)
      if (n % 1000 === 500) {
        config.write(mixed(Math.floor(n / 1000)))
        lives.reload().catch(() => undefined)
      }
      if (n % 700 === 300) writeFileSync(revoked, n % 1400 === 300 ? '- user: mallory\n' : '[]')
      const call = callOf(n, random)
      const outcome = isH1 ? await clients.overH1(call) : await clients.overH2(call, n)
      fared[n] = { ...outcome, n, life, isH1, beganMs, endedMs: Date.now(), left: call.leave !== undefined && !outcome.complete }
      answered()
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, client))
  await crashes
  clients.close()

  const ends = past.map(({ life, counted }, at) => {
    checkMetrics(counted, life.calls)
    return checkEnd(life, fared.filter((one) => one.life === at))
  })
  t.diagnostic(`at the kills: ${JSON.stringify(ends.map(({ charges: _, ...end }) => end))}`)
  const carried = ends.flatMap(({ charges }) => charges)

  bedrock.script = plainAnswer
  config.write(quiet)
  writeFileSync(revoked, '[]\n')
  await lives.reload()
  const small = (user: string, name = ''): Promise<Got> => ask('HTTP/1.1', port, '/openai/v1/chat/completions', { headers: { ...bearer(user), 'x-claude-code-session-id': name }, body: SMALL })
  const remaining = ({ headers }: Got, limit: string) => Number(new RegExp(`\\b${limit}=([\\d.]+)`).exec(String(headers['x-ratelimit-remaining']))?.[1])
  for (const user of USERS) {
    // Of a client that left, the last is heard when its connection is gone.
    for (let tries = 1; remaining(await small(user), 'concurrent') !== PLACES - 1; tries++) assert.ok(tries < 500, `places of ${user} are still taken`)
    const held: (() => void)[] = []
    const full = new Promise<void>((resolve) => {
      bedrock.script = (seen, response) => {
        held.push(() => plainAnswer(seen, response))
        if (held.length === PLACES) resolve()
      }
    })
    const open = Array.from({ length: PLACES }, () => small(user))
    await full
    assert.equal((await small(user)).status, 429)
    bedrock.script = plainAnswer
    for (const release of held) release()
    assert.deepEqual((await Promise.all(open)).map(({ status }) => status), open.map(() => 200))
  }

  for (const user of USERS) {
    const got = await small(user, 'last')
    const { day } = usageOf([...carried, ...lives.soFar().calls.filter((line) => isCharged(line) && line.session_id !== 'last').map(chargeOf)], user)
    // Of the call itself a token for each four bytes and seven for the answer are held; its model has no price.
    assert.deepEqual([BIG - remaining(got, 'tokens_per_day') - Math.ceil(SMALL.length / 4) - 7, Math.round((BIG - remaining(got, 'usd_per_day')) * 1e6)], [day.input + day.output, day.microUsd], user)
  }

  const counted = await metrics()
  assert.equal(figures(counted, 'live_streams').get(''), 0)
  const life = await lives.end('SIGTERM')
  assert.equal(checkMetrics(counted, life.calls), life.calls.length)
  const { charges, ...end } = checkEnd(life, fared.filter((one) => one.life === KILLS))
  assert.deepEqual([life.requests.length, end], [life.calls.length, { open: 0, unrecorded: 0, unaudited: 0 }])
  assert.deepEqual(verify([audit], { key: undefined, head: readHead(`${audit}.head`, undefined) }).problems, [])

  const all = [...past.map(({ life }) => life), life]
  const lines = all.flatMap(({ calls }) => calls)
  const byNumber = new Map<unknown, Line[]>()
  for (const line of lines) byNumber.set(numberOf(line), [...byNumber.get(numberOf(line)) ?? [], line])
  for (const { n, status, complete, life: lived } of fared) {
    const mine = byNumber.get(n) ?? []
    assert.ok(mine.length === 1 || (mine.length === 0 && (status === undefined || lived < KILLS)), `request ${n}`)
    if (complete && mine.length === 1) assert.equal(mine[0]!.status, status, `request ${n}`)
  }
  const begins = new Set(all.flatMap(({ intents }) => intents.map(numberOf)))
  for (const { headers } of bedrock.seen) {
    const number = headers['x-number']
    if (number !== undefined) assert.ok(begins.has(Number(number)), `call ${String(number)} went up without a line`)
  }

  const replayed = spawnSync(process.execPath, [...NODE_ARGS, join(import.meta.dirname, 'replay.ts'), journal, ...USERS], { encoding: 'utf8' })
  assert.deepEqual([replayed.stderr, JSON.parse(replayed.stdout)], ['', USERS.map((user) => usageOf([...carried, ...charges], user))])

  // The mixture would prove little if some of it never came.
  const errors = new Set(lines.map(({ error }) => error))
  for (const code of [
    undefined, 'TOKEN_INVALID', 'TOKEN_REVOKED', 'UNKNOWN_OPERATION', 'UNKNOWN_METHOD', 'MODEL_NOT_ALLOWED', 'TWO_MODELS', 'BODY_TOO_LARGE', 'RATE_LIMITED', 'BUDGET_SPENT', 'CLIENT_GONE',
    'AWS_CREDENTIALS_REFUSED', 'UPSTREAM_RESET', 'UPSTREAM_BROKE', 'UPSTREAM_SILENT', 'UPSTREAM_STALLED', 'UPSTREAM_BAD_ANSWER',
  ]) assert.ok(errors.has(code), String(code))
  assert.ok(lines.filter(({ status }) => status === 200).length > REQUESTS / 4)
  assert.ok(ends.some(({ open }) => open > 0))
})

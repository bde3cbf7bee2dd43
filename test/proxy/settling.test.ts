import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readHead, verify } from '../../src/audit/index.ts'
import { FakeBedrock, plainAnswer } from '../kit/bedrock.ts'
import { ask, type Got } from '../kit/client.ts'
import { ConfigFile } from '../kit/config.ts'
import { startWithAdmin, token } from '../kit/proxy.ts'
import { chance } from '../limits/kit.ts'
import { type Call, Clients, FATES, fateful, oneOf, type Outcome, type Random, TOPICS } from './mixture.ts'

const REQUESTS = 10_000
const AT_ONCE = 36
const PLACES = 5
const USERS = ['ann', 'bob', 'cyd', 'dan', 'eve', 'fay', 'gus', 'narrow', 'slow', 'poor', 'short', 'mallory']
const MODELS = ['anthropic.claude-haiku-4-5-v1:0', 'us.anthropic.claude-sonnet-4-v1:0', 'amazon.nova-pro-v1:0', 'meta.llama3-8b-instruct-v1:0']
const NODE_ARGS = process.features.typescript === undefined || process.features.typescript === false ? ['--import', 'tsx'] : []

const folder = mkdtempSync(join(tmpdir(), 'settling-'))
after(() => rmSync(folder, { recursive: true }))
const [auditFile, journal, revoked] = ['audit.jsonl', 'journal', 'revoked.yaml'].map((name) => join(folder, name)) as [string, string, string]
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
const quiet = { ...mixed(0), limits: limits({ default: { concurrent: PLACES, tokens_per_day: BIG, usd_per_day: BIG } }) }

const GOOD_FATES = ['well', 'measured', 'slowly', 'late']
const BAD_FATES = Object.keys(FATES).filter((fate) => ![...GOOD_FATES, 'silent', 'stalls'].includes(fate))

const tokens = new Map(USERS.map((user) => [user, token({ sub: user })]))
const bearer = (user: string) => ({ authorization: `Bearer ${tokens.get(user)}` })

/** What most go through, and now and then what goes wrong on either side. */
function callOf(n: number, random: Random): Call {
  const topic = oneOf(random, TOPICS)
  const [model, user] = [oneOf(random, MODELS), oneOf(random, USERS)]
  // Silence takes its time.
  const fate = random(150) === 0 ? oneOf(random, ['silent', 'stalls']) : oneOf(random, random(10) < 6 ? GOOD_FATES : BAD_FATES)
  const headers = {
    ...bearer(user), 'x-claude-code-session-id': `n${n}`, 'x-topic': String(TOPICS.indexOf(topic)), 'x-fate': fate, 'content-type': 'application/json',
    'x-counts': [random(2000), random(500), random(3) * 1000, random(3) * 100].join(), ...(random(4) === 0 && { accept: 'text/event-stream' }),
  }
  const body = topic.body?.(model, 'x'.repeat(random(3) === 0 ? random(20_000) : 20))
  const call: Call = { method: topic.method ?? 'POST', path: topic.path(model), headers, body, leave: undefined }
  return random(10) < 7 ? call : oneOf(random, SPOILED)(call, random)
}

const SPOILED: readonly ((call: Call, random: Random) => Call)[] = [
  (call, random) => ({ ...call, leave: random(20) }), (call, random) => ({ ...call, leave: random(60) }), (call) => ({ ...call, leave: 'amid' }),
  (call) => (call.body === undefined ? call : { ...call, leave: 'in its body' }),
  (call) => ({ ...call, headers: { ...call.headers, authorization: 'Bearer no.token.atall' } }),
  (call) => ({ ...call, path: '/nowhere' }), (call) => ({ ...call, method: 'DELETE' }),
  (call) => ({ ...call, path: '/model/anthropic.claude-opus-4-1-v1:0/converse' }),
  (call) => ({ ...call, path: '/openai/v1/chat/completions', body: '{"model":"a.b","model":"c.d"}' }),
  (call) => ({ ...call, body: call.body && 'y'.repeat(70_000) }), (call) => ({ ...call, body: call.body && '{"max_tokens":' }),
  (call) => ({ ...call, headers: { ...call.headers, 'x-fate': 'our keys' } }),
]

type Line = Readonly<Record<string, unknown>>
const auditLines = (event = 'call'): Line[] => readFileSync(auditFile, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line) as Line).filter((line) => line.event === event)

/** What the audit log says that a user has used, in the day in which it is now. */
function sumOf(lines: readonly Line[], user: string) {
  const today = new Date().toISOString().slice(0, 10)
  const ended = ({ time, duration_ms: durationMs }: Line) => new Date(Date.parse(String(time)) + Number(durationMs)).toISOString().slice(0, 10)
  const mine = lines.filter((line) => line.user === user && ended(line) === today)
  const sum = (field: string) => mine.reduce((all, line) => all + Number(line[field] ?? 0), 0)
  return { input: sum('input_tokens'), output: sum('output_tokens'), cacheRead: sum('cache_read_tokens'), cacheWrite: sum('cache_write_tokens'), microUsd: mine.reduce((all, line) => all + Math.round(Number(line['cost_usd'] ?? 0) * 1e6), 0) }
}

/** The figures of a metric, by its labels. */
const figures = (text: string, name: string): Map<string, number> =>
  new Map([...text.matchAll(new RegExp(`^bedrock_sso_proxy_${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm'))].map(([, labels, value]) => [labels ?? '', Number(value)]))

function countBy(lines: readonly Line[], key: (line: Line) => string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const line of lines) counts.set(key(line), (counts.get(key(line)) ?? 0) + 1)
  return counts
}

test(`${REQUESTS} requests that end in every way there is: all that was taken is given back, and limits, audit log, metrics and journal have counted the same`, { timeout: 280_000 }, async (t) => {
  const seed = Date.now() % 1_000_000
  t.diagnostic(`seed ${seed}`)
  const random = chance(seed)
  const bedrock = await FakeBedrock.start()
  t.after(() => bedrock.close())
  bedrock.script = fateful
  const config = new ConfigFile(mixed(0))
  const proxy = await startWithAdmin(bedrock, {
    ...config.env, AUDIT__FILE: auditFile, AUDIT__INTENT: 'true', JWT__REVOCATION_FILE: revoked, SERVER__MAX_BODY: '64KiB',
    AWS__TIMEOUTS__FIRST_BYTE: '2s', AWS__TIMEOUTS__IDLE: '2s',
  })
  let stopped: Promise<unknown> | undefined
  t.after(() => stopped ?? proxy.stop())
  const { port } = proxy
  const clients = new Clients(port)
  const outcomes: Outcome[] = []
  let begun = 0
  const client = async (): Promise<void> => {
    while (begun < REQUESTS) {
      const n = begun++
      if (n % 1000 === 500) {
        config.write(mixed(Math.floor(n / 1000)))
        proxy.reload()
      }
      if (n % 700 === 300) writeFileSync(revoked, n % 1400 === 300 ? '- user: mallory\n' : '[]')
      const call = callOf(n, random)
      outcomes[n] = random(2) === 0 ? await clients.overH1(call) : await clients.overH2(call, n)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, client))
  clients.close()

  bedrock.script = plainAnswer
  config.write(quiet)
  const pardoned = proxy.nextLine(({ msg }) => msg === 'revocations')
  writeFileSync(revoked, '[]\n')
  await pardoned
  proxy.reload()
  const small = (user: string, name = ''): Promise<Got> => ask('HTTP/1.1', port, '/model/meta.llama3-8b-instruct-v1:0/converse', { headers: { ...bearer(user), 'x-claude-code-session-id': name }, body: '{"maxTokens":7}' })
  const remaining = ({ headers }: Got, what: string) => Number(headers[`x-ratelimit-remaining-${what}`])
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
    const sum = sumOf(auditLines().filter(({ session_id: name }) => name !== 'last'), user)
    // Of the call itself four tokens for its fifteen bytes and seven for the answer are held; its model has no price.
    assert.deepEqual([BIG - remaining(got, 'tokens-day') - 11, Math.round((BIG - remaining(got, 'usd-day')) * 1e6)], [sum.input + sum.output, sum.microUsd], user)
  }

  const metrics = (await ask('HTTP/1.1', proxy.admin, '/metrics', { method: 'GET' })).body.toString()
  await (stopped = proxy.stop())
  const lines = auditLines()
  assert.deepEqual(verify([auditFile], { key: undefined, head: readHead(`${auditFile}.head`, undefined) }).problems, [])
  const requests = proxy.log.filter(({ msg }) => msg === 'request')
  assert.equal(new Set(lines.map(({ request_id: id }) => id)).size, lines.length)
  assert.deepEqual(lines.map(({ request_id: id }) => id).sort(), requests.map(({ request_id: id }) => id).sort())
  assert.deepEqual(requests.filter(({ error }) => error === 'INTERNAL'), [])

  const byNumber = new Map<unknown, Line[]>()
  for (const line of lines) byNumber.set(line.session_id, [...byNumber.get(line.session_id) ?? [], line])
  for (const [n, { status, complete }] of outcomes.entries()) {
    const mine = byNumber.get(`n${n}`) ?? []
    if (status !== undefined || mine.length > 0) assert.equal(mine.length, 1, `request ${n}`)
    if (complete) assert.equal(mine[0]!.status, status, `request ${n}`)
  }
  const begins = new Set(auditLines('intent').map(({ request_id: id }) => id))
  for (const { headers } of bedrock.seen) {
    const number = headers['x-claude-code-session-id']
    if (number !== undefined) assert.ok(begins.has(byNumber.get(String(number))?.[0]?.request_id), `call ${String(number)} went up without a line`)
  }

  assert.deepEqual(sumsOf(figures(metrics, 'requests_total'), /status="(\w+)",failed="(\w+)"/), countBy(lines, ({ status, failed = 'none' }) => `${status} ${failed}`))
  assert.deepEqual(figures(metrics, 'errors_total'), countBy(lines.filter(({ error }) => error !== undefined), ({ error }) => `error="${error}"`))
  assert.equal(figures(metrics, 'live_streams').get(''), 0)
  const all = USERS.map((user) => sumOf(lines, user))
  const total = (counter: keyof (typeof all)[number]) => all.reduce((sum, one) => sum + one[counter], 0)
  assert.deepEqual(sumsOf(figures(metrics, 'tokens_total'), /kind="(\w+)"/), new Map([['input', total('input')], ['output', total('output')], ['cache_read', total('cacheRead')], ['cache_write', total('cacheWrite')]]))
  assert.equal(Math.round([...figures(metrics, 'cost_usd_total').values()].reduce((a, b) => a + b, 0) * 1e6), total('microUsd'))

  const replayed = spawnSync(process.execPath, [...NODE_ARGS, join(import.meta.dirname, 'replay.ts'), journal, ...USERS], { encoding: 'utf8' })
  assert.deepEqual([replayed.stderr, JSON.parse(replayed.stdout)], ['', all.map((sum) => ({ day: sum, month: sum }))])

  // The mixture would prove little if some of it never came.
  const errors = new Set(lines.map(({ error }) => error))
  for (const code of [
    undefined, 'TOKEN_INVALID', 'TOKEN_REVOKED', 'UNKNOWN_OPERATION', 'UNKNOWN_METHOD', 'MODEL_NOT_ALLOWED', 'TWO_MODELS', 'BODY_TOO_LARGE', 'RATE_LIMITED', 'BUDGET_SPENT', 'CLIENT_GONE',
    'AWS_CREDENTIALS_REFUSED', 'UPSTREAM_RESET', 'UPSTREAM_BROKE', 'UPSTREAM_SILENT', 'UPSTREAM_STALLED', 'UPSTREAM_BAD_ANSWER',
  ]) assert.ok(errors.has(code), String(code))
  assert.ok(lines.filter(({ status }) => status === 200).length > REQUESTS / 4)
})

function sumsOf(figures: ReadonlyMap<string, number>, key: RegExp): Map<string, number> {
  const sums = new Map<string, number>()
  for (const [labels, value] of figures) {
    const name = key.exec(labels)!.slice(1).join(' ')
    sums.set(name, (sums.get(name) ?? 0) + value)
  }
  return sums
}

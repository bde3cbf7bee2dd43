import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readHead, verify } from '../../src/audit/index.ts'
import { openLimits } from '../../src/limits/index.ts'
import { createLog } from '../../src/log/index.ts'
import { ConfigFile } from '../kit/config.ts'
import { token } from '../kit/proxy.ts'
import { bedrock, serve } from './kit.ts'

// Through tsx a start costs a second of both cores.
const TIMES = process.features.typescript === 'strip' ? 50 : 10
/** Machines that are killed, each again and again, at the same time. */
const HOSTS = ['one', 'two']
const CLIENTS = 8
/** Longer than what ended waits to be written: in that time one call of each client can end, no more. */
const APART_MS = 16
const TORN = 'this is no whole line of the log: foreign, changed, or left unfinished by a crash'

const folder = mkdtempSync(join(tmpdir(), 'kill-'))
after(() => rmSync(folder, { recursive: true }))
const BEARER = `Bearer ${token()}`

/** What reached Bedrock: each call has a model of its own. */
const arrived = new Set<string>()
bedrock.script = ({ target }, response) => {
  arrived.add(target.split('/')[2]!)
  setTimeout(() => {
    response.writeHead(200, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify({ usage: { inputTokens: 1, outputTokens: 10, cacheReadInputTokens: 100, cacheWriteInputTokens: 1000 } }))
  }, APART_MS + Math.random() * 8)
}

/** Whether a whole answer came. */
function call(port: number, agent: Agent, model: string): Promise<boolean> {
  return new Promise((resolve) => {
    const sent = request({ host: '127.0.0.1', port, path: `/model/${model}/converse`, method: 'POST', headers: { authorization: BEARER, 'content-length': 2 }, agent }, (answer) => {
      answer.resume().on('error', () => undefined).on('close', () => resolve(answer.complete && answer.statusCode === 200))
    })
    sent.on('error', () => resolve(false)).end('{}')
  })
}

/** A host whose program is killed, and what is left of it then. */
class Host {
  readonly name: string
  readonly #audit: string
  readonly #journal: string
  readonly #env: Readonly<Record<string, string>>
  #asked = 0
  #charged = 0
  #recorded = 0

  constructor(name: string) {
    this.name = name
    this.#audit = join(folder, `${name}.jsonl`)
    this.#journal = join(folder, `${name}.journal`)
    const limits = { store: 'journal', path: this.#journal, default: { tokens_per_day: 1_000_000_000, concurrent: 100 } }
    const config = new ConfigFile({ limits, pricing: [{ models: ['*'], input: 1, output: 1, cache_read: 1, cache_write: 1 }] })
    this.#env = { ...config.env, AUDIT__FILE: this.#audit, AUDIT__INTENT: 'true', LOGGING__LEVEL: 'info' }
  }

  async killOnce(): Promise<void> {
    const program = serve(this.#env)
    const port = await program.port()
    const agent = new Agent({ keepAlive: true })
    const answered: string[] = []
    const [first, enough] = [this.#asked, 1 + Math.floor(Math.random() * 60)]
    const client = async () => {
      for (;;) {
        const model = `${this.name}.m${this.#asked++}`
        if (!await call(port, agent, model)) return
        answered.push(model)
        if (answered.length === enough) setTimeout(() => program.child.kill('SIGKILL'), Math.random() * 6)
      }
    }
    await Promise.all(Array.from({ length: CLIENTS }, client))
    await program.ended()
    agent.destroy()
    assert.equal(program.child.signalCode, 'SIGKILL')
    assert.ok(answered.length >= enough)
    const asked = Array.from({ length: this.#asked - first }, (_, i) => `${this.name}.m${first + i}`)
    this.#checkJournal(answered, asked, this.#checkAudit(answered, asked))
  }

  /** @returns How many calls have a line of their end. */
  #checkAudit(answered: readonly string[], asked: readonly string[]): number {
    const head = existsSync(`${this.#audit}.head`) ? readHead(`${this.#audit}.head`, undefined) : undefined
    const { problems, lines } = verify([this.#audit], { key: undefined, head })
    assert.deepEqual(problems.filter(({ line, what }) => line !== lines || what !== TORN), [])
    const whole = readFileSync(this.#audit, 'utf8').split('\n').slice(0, -1).flatMap((line) => {
      try {
        return [JSON.parse(line) as { event: string; model: string }]
      } catch {
        // Torn by a kill before; the verdict says whether the line after it says so.
        return []
      }
    })
    const [intents, calls] = ['intent', 'call'].map((event) => new Set(whole.filter((line) => line.event === event).map(({ model }) => model))) as [Set<string>, Set<string>]
    assert.deepEqual(asked.filter((model) => arrived.has(model) && !intents.has(model)), [], 'went up without a line')
    const lost = answered.filter((model) => !calls.has(model))
    assert.ok(lost.length <= CLIENTS, `the audit log lost ${lost.length}`)
    const recorded = calls.size - this.#recorded
    this.#recorded = calls.size
    return recorded
  }

  #checkJournal(answered: readonly string[], asked: readonly string[], recorded: number): void {
    const log = createLog({ level: 'error', format: 'json', nowMs: Date.now, write: (line) => assert.fail(line) })
    const limits = openLimits({ default: {}, groups: new Map(), users: new Map(), issuers: [undefined] }, { path: this.#journal, fail: 'closed' }, { nowMs: Date.now, after: () => () => undefined, log })
    const { month } = limits.usage({ issuer: '', user: 'alice' }, Date.now()) as { month: { input: number } }
    void limits.close()
    const n = month.input
    assert.deepEqual(month, { input: n, output: 10 * n, cacheRead: 100 * n, cacheWrite: 1000 * n, microUsd: 1111 * n })
    const charged = n - this.#charged
    this.#charged = n
    assert.ok(charged >= answered.length - CLIENTS && charged <= asked.filter((model) => arrived.has(model)).length, `${charged} charged of ${answered.length} answered`)
    assert.ok(Math.abs(charged - recorded) <= CLIENTS, `${charged} charged, ${recorded} in the audit log`)
  }
}

test(`the program is killed ${TIMES} times under load: journal and audit log open each time, have lost no more than a turn, or ten milliseconds, and every call that went up has a line`, { timeout: 300_000 }, async () => {
  await Promise.all(HOSTS.map(async (name) => {
    const host = new Host(name)
    for (let i = 0; i < TIMES / HOSTS.length; i++) await host.killOnce()
  }))
  assert.ok(arrived.size > TIMES * 20, String(arrived.size))
})

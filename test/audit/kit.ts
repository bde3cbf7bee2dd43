import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { type AuditWorld, AuditLog, type AuditOptions, type CallFacts, type CallRecord, type Expected, type IntentRecord, type Verdict, verify } from '../../src/audit/index.ts'
import { Facts, type LogFields } from '../../src/log/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'audit-'))
after(() => rmSync(folder, { recursive: true }))
let made = 0

/** A path where nothing is yet. */
export const freshPath = (): string => join(folder, `audit-${++made}.jsonl`)

type Parts = Partial<Omit<CallRecord, 'facts'> & CallFacts>

const TIME = '2026-03-04T05:06:07.000Z'

export function call(more: Parts = {}): CallRecord {
  const { time, groups, ...facts } = {
    time: TIME, groups: ['engineering'], request_id: `id-${made}`, user: 'alice', issuer: 'https://login.example/', source: '10.0.0.1',
    method: 'POST', operation: 'InvokeModel', model: 'anthropic.claude-3-haiku-20240307-v1:0', status: 200, failed: undefined, error: undefined, retried: undefined,
    bytes_in: 100, bytes_out: 2000, duration_ms: 12, aws_request_id: 'aws-1', session_id: undefined, ...more,
  }
  return { time, groups, facts: new Facts(facts) }
}

export const intent = (id = `id-${made}`): IntentRecord => ({ time: TIME, request_id: id, user: 'alice', source: '10.0.0.1', operation: 'InvokeModel' })

/** A log whose clock the test holds, and what it said. */
export class TestLog {
  readonly path: string
  readonly said: [msg: string, fields: LogFields][] = []
  /** How long what was to run later had time. */
  readonly delaysMs: number[] = []
  readonly log: AuditLog
  #tick: () => unknown = () => undefined

  constructor(options: Partial<AuditOptions> = {}, disk?: AuditWorld['disk']) {
    this.path = options.path ?? freshPath()
    const say = (msg: string, fields: LogFields = {}) => void this.said.push([msg, fields])
    const each = (_ms: number, run: () => unknown) => {
      this.#tick = run
      return () => { this.#tick = () => undefined }
    }
    // No test waits for it.
    const after = (delayMs: number, run: () => void) => {
      this.delaysMs.push(delayMs)
      setImmediate(run)
    }
    this.log = new AuditLog({ path: this.path, fsync: 'interval', fail: 'closed', intent: false, key: undefined, ...options }, {
      log: { debug: say, info: say, warn: say, error: say }, each, after, ...(disk && { disk }),
    })
  }

  /** A second passes, and what it sets off is done. */
  async second(): Promise<void> {
    await this.#tick()
  }

  get messages(): string[] {
    return this.said.map(([msg]) => msg)
  }
}

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

export const linesIn = (path: string): string[] => readFileSync(path, 'utf8').split('\n').slice(0, -1)

/** Writes a log of so many calls and closes it. */
export async function written(count: number, options: Partial<AuditOptions> = {}): Promise<string> {
  const { log, path } = new TestLog(options)
  for (let i = 1; i <= count; i++) log.end(call({ request_id: `id-${i}` }))
  await log.close()
  return path
}

/** What verify finds in these lines: `LINE what` each. */
export function problemsIn(lines: readonly string[] | string, expected: Partial<Expected> = {}): string[] {
  const path = freshPath()
  writeFileSync(path, typeof lines === 'string' ? lines : lines.map((line) => `${line}\n`).join(''))
  return described(verify([path], { key: undefined, head: undefined, ...expected }))
}

export const described = ({ problems }: Verdict): string[] => problems.map(({ line, what }) => `${line} ${what}`)

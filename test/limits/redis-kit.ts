import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'
import { after } from 'node:test'
import { type LimitedCaller, LimitExceeded, type LimitName, type LimitRow, type Limits, type LimitsError, type LimitTable, openSharedLimits, redisAddress, type RedisOptions, type Ticket, type Usage } from '../../src/limits/index.ts'
import { createLog } from '../../src/log/index.ts'
import { Secret } from '../../src/secret/index.ts'
import { output } from '../kit/leaks.ts'
import type { RedisServer } from '../kit/redis.ts'
import { START_MS, table } from './kit.ts'

interface Line { readonly level: string; readonly msg: string; readonly why?: string }

export const LEASE_MS = 60_000
/** Of the connection. */
const LONGEST_WAIT_MS = 5000

/** One proxy's share of a Redis. Time is what a test says; only the timers of the connection run by themselves. */
export class Share {
  timeMs = START_MS
  readonly limits: Limits
  readonly lines: Line[] = []
  #waiting: { readonly msg: string; readonly resolve: (line: Line) => void }[] = []
  #tick = (): void => undefined

  constructor(url: string, row: LimitRow, options: Partial<RedisOptions> = {}, more: Partial<LimitTable> = {}) {
    this.limits = openSharedLimits(table(row, more), {
      ...redisAddress(new Secret(url)), ca: undefined, timeoutMs: 2000, leaseMs: LEASE_MS, fail: 'closed', clock: 'caller', ...options,
    }, {
      nowMs: () => (options.clock === 'redis' ? Date.now() : this.timeMs), monotonicMs: () => performance.now(), random: Math.random, after: (ms, run) => this.#after(ms, run),
      log: createLog({ level: 'debug', format: 'json', nowMs: Date.now, write: (text) => this.#write(text) }),
    })
    after(() => this.limits.close())
  }

  /** The next line that says so. */
  said(msg: string): Promise<Line> {
    return new Promise((resolve) => this.#waiting.push({ msg, resolve }))
  }

  /** What happens every third of a lease. */
  tick(): void {
    this.#tick()
  }

  /** Until Redis has answered everything that was sent before. */
  async settled(): Promise<void> {
    await this.limits.usage({ issuer: '', user: '' }, this.timeMs)
  }

  #after(ms: number, run: () => void): () => void {
    if (ms > LONGEST_WAIT_MS) {
      this.#tick = run
      return () => undefined
    }
    const timer = setTimeout(run, ms).unref()
    return () => clearTimeout(timer)
  }

  #write(text: string): void {
    output(text)
    const line = JSON.parse(text) as Line
    this.lines.push(line)
    const heard = this.#waiting.filter(({ msg }) => msg === line.msg)
    this.#waiting = this.#waiting.filter((one) => !heard.includes(one))
    for (const { resolve } of heard) resolve(line)
  }
}

export const [COUNTED_AGAIN, NOT_COUNTED] = ['limits are counted in Redis again', 'limits are not counted in Redis'] as const

/** An empty server. */
export async function emptied(server: RedisServer): Promise<RedisServer> {
  await server.command('FLUSHALL')
  return server
}

export async function admit(limits: Limits, who: LimitedCaller, nowMs: number, tokens = 0, microUsd = 0): Promise<Ticket> {
  return limits.admit(who, { tokens, microUsd }, nowMs)
}

/** The ticket, the name of the limit that refuses, or the code of what else does. */
export async function asked(...request: Parameters<typeof admit>): Promise<Ticket | LimitName | string> {
  return admit(...request).catch((error: LimitsError) => (error instanceof LimitExceeded ? error.standing.limit : error.code))
}

export const usage = async (limits: Limits, who: LimitedCaller, nowMs: number): Promise<Usage> => limits.usage(who, nowMs)

/** What stands between a proxy and its Redis: it passes bytes on, until it is told otherwise. */
export class Wire {
  readonly port: number
  /** Sees what the server says; what it returns goes on. */
  answers = (bytes: Buffer): Buffer | undefined => bytes
  readonly #pairs = new Set<readonly [Socket, Socket]>()

  private constructor(port: number) {
    this.port = port
  }

  static async to(target: number): Promise<Wire> {
    const server = createServer((near) => {
      const far = connect(target, '127.0.0.1')
      const pair = [near, far] as const
      wire.#pairs.add(pair)
      near.on('data', (bytes) => far.write(bytes)).on('error', () => undefined).on('close', () => far.end())
      far.on('data', (bytes: Buffer) => {
        const passed = wire.answers(bytes)
        if (passed !== undefined) near.write(passed)
      }).on('error', () => undefined).on('close', () => near.destroy())
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const wire = new Wire((server.address() as AddressInfo).port)
    after(() => {
      server.close()
      wire.cut()
    })
    return wire
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** Ends every connection, on both sides. */
  cut(): void {
    for (const [near, far] of this.#pairs) {
      near.destroy()
      far.destroy()
    }
    this.#pairs.clear()
  }
}

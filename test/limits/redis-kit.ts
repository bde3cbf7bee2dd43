import { after } from 'node:test'
import { type LimitRow, type Limits, type LimitTable, openSharedLimits, redisAddress, type RedisOptions } from '../../src/limits/index.ts'
import { createLog } from '../../src/log/index.ts'
import { Secret } from '../../src/secret/index.ts'
import { output } from '../kit/leaks.ts'
import type { RedisServer } from '../kit/redis.ts'
import { START_MS, table } from './kit.ts'

export interface Line { readonly level: string; readonly msg: string; readonly why?: string }

/** One proxy's share of a Redis. */
export interface Shared {
  readonly limits: Limits
  readonly lines: readonly Line[]
  /** The next line that says so. */
  said(msg: string): Promise<Line>
}

/** Time passes only for limits whose clock is the caller's: those are given it with each question. */
export function shared(url: string, row: LimitRow, options: Partial<RedisOptions> = {}, more: Partial<LimitTable> = {}): Shared {
  const lines: Line[] = []
  const waiting: { readonly msg: string; readonly resolve: (line: Line) => void }[] = []
  const write = (text: string): void => {
    output(text)
    const line = JSON.parse(text) as Line
    lines.push(line)
    for (const one of waiting.splice(0)) one.msg === line.msg ? one.resolve(line) : waiting.push(one)
  }
  const limits = openSharedLimits(table(row, more), {
    ...redisAddress(new Secret(url)), ca: undefined, timeoutMs: 2000, leaseMs: 60_000, fail: 'closed', clock: 'caller', ...options,
  }, {
    nowMs: () => (options.clock === 'redis' ? Date.now() : START_MS), random: Math.random, log: createLog({ level: 'debug', format: 'json', nowMs: Date.now, write }),
    after: (ms, run) => {
      const timer = setTimeout(run, ms).unref()
      return () => clearTimeout(timer)
    },
  })
  after(() => limits.close())
  return { limits, lines, said: (msg) => new Promise((resolve) => waiting.push({ msg, resolve })) }
}

/** Forgets everything: the next test finds an empty one. */
export const emptied = async (server: RedisServer): Promise<RedisServer> => {
  await server.command('FLUSHALL')
  return server
}

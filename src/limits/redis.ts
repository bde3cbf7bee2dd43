import { createHash } from 'node:crypto'
import type { Log } from '../log/index.ts'
import { ErrorReply, type Reply } from '../resp/index.ts'
import type { Estimate } from './account.ts'
import type { Allowance } from './allowance.ts'
import { LimitExceeded, LimitsError } from './errors.ts'
import { type Command, type LinkOptions, type LinkWorld, RedisLink } from './link.ts'
import { MemoryStore } from './memory.ts'
import { NOTHING, type Spent } from './period.ts'
import { LOOK, RENEW, RESERVE, type Script, SCRIPTS, SETTLE } from './scripts.ts'
import { readSnapshot, type Snapshot } from './snapshot.ts'
import type { Reservation, Store, Usage } from './store.ts'

export interface RedisOptions extends LinkOptions {
  /** What happens to requests while Redis cannot be asked. */
  readonly fail: 'open' | 'closed'
  /** How long the calls of a process that is gone count as running. */
  readonly leaseMs: number
  /** Whose time counts: that of the one Redis, or what the caller gives, for tests that hold the clock. */
  readonly clock?: 'redis' | 'caller'
}

export interface RedisWorld extends LinkWorld {
  readonly nowMs: () => number
  readonly log: Log
}

/** What Redis has not been told yet of one caller. */
interface Owed {
  spent: Spent
  readonly leases: string[]
}

/** A settlement that was sent: it stays here until it is answered, and goes out again, by its number, where the connection was lost. */
interface Settlement {
  readonly key: string
  readonly leases: readonly string[]
  readonly spent: Spent
  /** The rate of tokens per minute that the call came under, the tokens that were guessed, and when. */
  readonly guess: readonly (string | number)[]
  readonly nowMs: number
}

/** What a script says that has done nothing, for its number was passed already. */
const LATE = Buffer.from('late')
const PREFIX = 'bedrock-sso-proxy'
const PROBE = `${PREFIX}:{probe}`
/** How often leases are renewed while they last. */
const RENEWALS = 3

/**
 * Counters in a Redis, or a Valkey, for any number of proxies. A call takes a lease there; who dies cannot renew his, and they end.
 * What calls have used while Redis was away is told when it is back.
 *
 * While it is away, `closed` refuses. `open` counts in the memory of this process, on from the days and months that it last heard of.
 */
export class RedisStore implements Store {
  readonly #options: RedisOptions
  readonly #world: RedisWorld
  readonly #link: RedisLink
  /** Random: no other process has ever had it. */
  readonly #process: string
  /** Numbers of commands grow, so that a script knows those that come late, or again. */
  #number = 0
  readonly #running = new Map<string, Set<string>>()
  readonly #sent = new Map<number, Settlement>()
  readonly #owed = new Map<string, Owed>()
  readonly #meanwhile = new MemoryStore((key, spent) => this.#settle(key, [], spent))
  #cancelTick: (() => void) | undefined
  #wasDown = false
  #whenSettled: (() => void) | undefined

  constructor(options: RedisOptions, world: RedisWorld) {
    this.#options = options
    this.#world = world
    this.#process = [world.random(), world.random()].map((part) => Math.floor(part * 2 ** 48).toString(36)).join('')
    this.#link = new RedisLink(options, world, {
      // A call of nobody shows that this server can be written to, and that we may do all that we need.
      opening: () => [['PING'], ...SCRIPTS.map(({ text }) => ['SCRIPT', 'LOAD', text]), this.#command(RESERVE, PROBE, ++this.#number, 0, [options.leaseMs, 'probe:0:0']),
        this.#command(RENEW, PROBE, ++this.#number, 0, [options.leaseMs, 'probe:0:0']), this.#command(SETTLE, PROBE, ++this.#number, 0, ['', 0, 0, 0, 0, 0, 0, 0, 'probe:0:0'])],
      up: () => this.#up(),
      down: (why) => this.#down(why),
    })
    this.#tick()
  }

  get available(): boolean {
    return this.#link.isUp
  }

  reserve(allowance: Allowance, estimate: Estimate, nowMs: number): Reservation | Promise<Reservation> {
    if (this.#link.isUp) return this.#reserve(allowance, estimate, nowMs)
    const { tried } = this.#link
    return tried === undefined ? this.#without(allowance, estimate, nowMs) : tried.then(() => this.reserve(allowance, estimate, nowMs))
  }

  async usage(key: string, nowMs: number): Promise<Usage> {
    await this.#link.tried
    const reply = this.#link.isUp ? await this.#run(LOOK, key, nowMs, []) : undefined
    if (reply !== undefined) {
      const { account, nowMs: thereMs } = readSnapshot(key, reply)
      return { day: { ...account.day.spentAt(thereMs) }, month: { ...account.month.spentAt(thereMs) } }
    }
    if (this.#options.fail === 'closed') throw unavailable()
    return this.#meanwhile.usage(key, nowMs)
  }

  /** Tells what is left to tell, as far as Redis takes it. */
  async close(): Promise<void> {
    this.#cancelTick?.()
    if (this.#link.isUp && this.#sent.size > 0) await new Promise<void>((resolve) => { this.#whenSettled = resolve })
    this.#link.close()
    const lost = [...this.#owed.values(), ...this.#sent.values()].filter(({ spent }) => spent !== NOTHING).length
    if (lost > 0) this.#world.log.error('what calls have used is lost: Redis could not be told', { settlements: lost })
  }

  async #reserve(allowance: Allowance, estimate: Estimate, nowMs: number): Promise<Reservation> {
    const { key, limits } = allowance
    const lease = `${this.#process}.${this.#number + 1}:${estimate.tokens}:${estimate.microUsd}`
    const reply = await this.#run(RESERVE, key, nowMs, [this.#options.leaseMs, lease, ...limits.flatMap(({ name, value, burst }) => [name, value, burst])])
    if (reply === undefined) {
      // It may have run. What it took is given back by a higher number, behind which it takes nothing any more.
      this.#settle(key, [lease], NOTHING)
      return this.#without(allowance, estimate, nowMs)
    }
    const snapshot = readSnapshot(key, reply)
    this.#learn(snapshot)
    const limit = limits[snapshot.refusedBy - 1]
    const aheadMs = snapshot.nowMs - nowMs
    if (limit !== undefined) throw ours(snapshot.account.refusal(limit, estimate, snapshot.nowMs), aheadMs)
    return this.#reservation(allowance, estimate, lease, snapshot, aheadMs)
  }

  #reservation(allowance: Allowance, estimate: Estimate, lease: string, { account, nowMs: sinceMs }: Snapshot, aheadMs: number): Reservation {
    const { key, limits } = allowance
    const running = this.#running.get(key) ?? new Set()
    this.#running.set(key, running.add(lease))
    const perMinute = limits.find(({ name }) => name === 'tokens_per_minute')?.value ?? ''
    return {
      settle: (spent, nowMs) => {
        running.delete(lease)
        if (running.size === 0 && this.#running.get(key) === running) this.#running.delete(key)
        account.settle(allowance, estimate, spent, sinceMs, nowMs + aheadMs)
        this.#settle(key, [lease], spent, [perMinute, estimate.tokens, sinceMs], nowMs)
      },
      standings: (nowMs) => account.standings(allowance, nowMs + aheadMs).map((standing) => ({ ...standing, resetMs: standing.resetMs - aheadMs })),
    }
  }

  /** What becomes of a request that Redis cannot be asked about. */
  #without(allowance: Allowance, estimate: Estimate, nowMs: number): Reservation {
    if (this.#options.fail === 'closed') throw unavailable()
    return this.#meanwhile.reserve(allowance, estimate, nowMs)
  }

  /** What is known of the caller, for a time without Redis. */
  #learn({ account, nowMs }: Snapshot): void {
    if (this.#options.fail === 'closed') return
    const known = this.#meanwhile.account(account.key, nowMs)
    known.day.set(account.day.startMs, account.day.spentAt(account.day.startMs))
    known.month.set(account.month.startMs, account.month.spentAt(account.month.startMs))
  }

  #settle(key: string, leases: readonly string[], spent: Spent, guess: readonly (string | number)[] = ['', 0, 0], nowMs = this.#world.nowMs()): void {
    if (this.#link.isUp) this.#send(++this.#number, { key, leases, spent, guess, nowMs })
    else this.#owe(key, leases, spent)
  }

  #send(number: number, settlement: Settlement, verb?: 'EVAL'): void {
    const { key, leases, spent: { input, output, cacheRead, cacheWrite, microUsd }, guess, nowMs } = settlement
    this.#sent.set(number, settlement)
    this.#evaluate(SETTLE, key, number, nowMs, [...guess, input, output, cacheRead, cacheWrite, microUsd, ...leases], (reply) => {
      // Sent again when the connection is back.
      if (reply === undefined) return
      this.#sent.delete(number)
      if (isForgotten(reply)) return this.#send(++this.#number, settlement, 'EVAL')
      if (reply instanceof ErrorReply) this.#world.log.error('what a call has used is not counted', { why: reply.message })
      if (this.#sent.size === 0) this.#whenSettled?.()
    }, verb)
  }

  #owe(key: string, leases: readonly string[], spent: Spent): void {
    const owed = this.#owed.get(key) ?? { spent: NOTHING, leases: [] }
    if (spent !== NOTHING) owed.spent = sum(owed.spent, spent)
    owed.leases.push(...leases)
    this.#owed.set(key, owed)
  }

  #up(): void {
    const { host, port } = this.#options
    this.#world.log.info(this.#wasDown ? 'limits are counted in Redis again' : 'limits are counted in Redis', { host, port })
    // What was sent before goes first: a script takes the numbers of a process in their order only.
    for (const [number, settlement] of [...this.#sent]) this.#send(number, settlement)
    const owed = [...this.#owed]
    this.#owed.clear()
    for (const [key, { spent, leases }] of owed) this.#settle(key, leases, spent)
    this.#renew()
  }

  #down(why: string): void {
    const { host, port, fail } = this.#options
    this.#wasDown = true
    this.#world.log.error('limits are not counted in Redis', { host, port, fail, why })
    this.#whenSettled?.()
  }

  #tick(): void {
    this.#cancelTick = this.#world.after(this.#options.leaseMs / RENEWALS, () => {
      // A connection that is dead, and has nothing to do, shows it by this.
      if (this.#link.isUp && this.#running.size === 0) this.#link.send(['PING'], () => undefined)
      else if (this.#link.isUp) this.#renew()
      this.#tick()
    })
  }

  #renew(): void {
    for (const [key, leases] of this.#running) void this.#run(RENEW, key, this.#world.nowMs(), [this.#options.leaseMs, ...leases])
  }

  /** The answer of a script; none where it cannot be had, and nobody knows whether it has run. */
  async #run(script: Script, key: string, nowMs: number, more: readonly (string | number)[], verb?: 'EVAL'): Promise<string | undefined> {
    const reply = await new Promise<Reply | undefined>((resolve) => this.#evaluate(script, key, ++this.#number, nowMs, more, resolve, verb))
    if (Buffer.isBuffer(reply) && !reply.equals(LATE)) return reply.toString('latin1')
    if (isForgotten(reply) && this.#link.isUp) return this.#run(script, key, nowMs, more, 'EVAL')
    if (reply instanceof ErrorReply) this.#world.log.error('a script of limits fails', { why: reply.message })
    return undefined
  }

  #evaluate(script: Script, key: string, number: number, nowMs: number, more: readonly (string | number)[], done: (reply: Reply | undefined) => void, verb?: 'EVAL'): void {
    this.#link.send(this.#command(script, callerOf(key), number, nowMs, more, verb), done)
  }

  #command(script: Script, caller: string, number: number, nowMs: number, more: readonly (string | number)[], verb: 'EVAL' | 'EVALSHA' = 'EVALSHA'): Command {
    const keys = [caller, `${caller}:leases`, `${caller}:ended:${this.#process}`]
    const words = [this.#options.clock === 'caller' ? nowMs : '', number, ...more].map(String)
    return [verb, verb === 'EVAL' ? script.text : script.sha, String(keys.length), ...keys, ...words]
  }
}

/**
 * Whether a server was told to forget its scripts: then it has run nothing, and is sent the whole script, which it keeps. By a new number,
 * for what was sent behind the first has run before the second.
 */
const isForgotten = (reply: Reply | undefined): boolean => reply instanceof ErrorReply && reply.code === 'NOSCRIPT'

/** All keys of one caller stand in one slot. A hash, because names may be long and hold anything, and are not for everybody who may read a Redis. */
const callerOf = (key: string): string => `${PREFIX}:{${createHash('sha256').update(key).digest('hex')}}`

function sum(a: Spent, b: Spent): Spent {
  return {
    input: a.input + b.input, output: a.output + b.output, cacheRead: a.cacheRead + b.cacheRead, cacheWrite: a.cacheWrite + b.cacheWrite, microUsd: a.microUsd + b.microUsd,
  }
}

/** As it is told here, whatever the clocks say to each other. */
function ours({ code, message, standing, retryAfterS }: LimitExceeded, aheadMs: number): LimitExceeded {
  return new LimitExceeded(code as 'LIMITS_RATE_EXCEEDED', message, { ...standing, resetMs: standing.resetMs - aheadMs }, retryAfterS)
}

const unavailable = (): LimitsError => new LimitsError('LIMITS_STORE_UNAVAILABLE', 'Redis cannot be asked')

import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { type Caller, httpGet, type IssuerOptions, type KeyCopies, type World } from '../../src/identity/index.ts'
import { type AlgorithmName, sign } from '../../src/jwt/index.ts'
import { createLog } from '../../src/log/index.ts'

/** 2026-01-01. */
export const START_MS = 1_767_225_600_000

/** A clock that stands until it is moved, timers that fire when it is, and a log to read. */
export class TestWorld implements World {
  timeMs = START_MS
  chance = 1
  readonly copies: KeyCopies | undefined
  readonly lines: Readonly<Record<string, unknown>>[] = []
  readonly timers = new Set<{ readonly dueMs: number; readonly run: () => void }>()
  readonly log = createLog({ level: 'debug', format: 'json', nowMs: () => this.timeMs, write: (line) => { this.lines.push(JSON.parse(line)) } })
  readonly client: World['client'] = httpGet

  constructor(copies?: KeyCopies) {
    this.copies = copies
  }

  nowMs = (): number => this.timeMs
  random = (): number => this.chance

  after = (delayMs: number, run: () => void): (() => void) => {
    const timer = { dueMs: this.timeMs + delayMs, run }
    this.timers.add(timer)
    return () => this.timers.delete(timer)
  }

  /** Moves the clock, and runs what has come due. */
  advance(ms: number): void {
    this.timeMs += ms
    for (const timer of this.timers) {
      if (timer.dueMs <= this.timeMs && this.timers.delete(timer)) timer.run()
    }
  }

  /** Until the only thing left to wait for is later than a fetch may last: no fetch is under way. */
  async idle(): Promise<void> {
    while ([...this.timers].some(({ dueMs }) => dueMs - this.timeMs === 5000)) await setImmediate()
    await setImmediate()
  }

  /** The milliseconds until the next fetch. */
  nextMs(): number {
    return Math.min(...[...this.timers].map(({ dueMs }) => dueMs - this.timeMs))
  }

  logged(msg: string): readonly Readonly<Record<string, unknown>>[] {
    return this.lines.filter((line) => line.msg === msg)
  }
}

export interface TestKey {
  readonly kid: string
  readonly privateKey: KeyObject
  readonly jwk: Readonly<Record<string, unknown>>
}

export function ecKey(kid: string): TestKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { kid, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid } }
}

export const privateJwk = (key: TestKey): Readonly<Record<string, unknown>> => ({ ...key.privateKey.export({ format: 'jwk' }), kid: key.kid })
export const jwks = (...keys: readonly TestKey[]): string => JSON.stringify({ keys: keys.map(({ jwk }) => jwk) })

export interface Claims {
  readonly [name: string]: unknown
}

/** A token good for ten minutes from the start of the test clock. */
export function tokenOf(key: Pick<TestKey, 'kid' | 'privateKey'>, claims: Claims, alg: AlgorithmName = 'ES256'): string {
  return sign({ sub: 'alice', exp: START_MS / 1000 + 600, ...claims }, key.privateKey, { alg, kid: key.kid })
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** An issuer on loopback: its description, and a key set at `/keys`. */
export class TestIssuer {
  readonly url: string
  readonly asked: string[] = []
  jwks: string
  cacheControl: string | undefined
  /** In place of the description, and of the key set. */
  describe: Answer | undefined
  answer: Answer | undefined
  readonly #server: Server

  constructor(server: Server, keys: string) {
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    this.jwks = keys
    server.on('request', (request, response) => this.#serve(request, response))
    after(() => this.stop())
  }

  static async start(...keys: readonly TestKey[]): Promise<TestIssuer> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new TestIssuer(server, jwks(...keys))
  }

  get keysUrl(): string {
    return `${this.url}/keys`
  }

  /** How often the keys were asked for. */
  get fetches(): number {
    return this.asked.filter((path) => path === '/keys').length
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    this.asked.push(request.url!)
    if (request.url === '/.well-known/openid-configuration') {
      if (this.describe !== undefined) return this.describe(request, response)
      response.end(JSON.stringify({ issuer: this.url, jwks_uri: this.keysUrl }))
    } else if (request.url === '/keys') {
      if (this.answer !== undefined) return this.answer(request, response)
      response.writeHead(200, this.cacheControl === undefined ? {} : { 'cache-control': this.cacheControl }).end(this.jwks)
    } else {
      response.writeHead(404).end()
    }
  }
}

export const NAMES = { user: ['/sub'], groups: ['/groups'], required: [], carried: [] } as const

/** Options of an issuer, the usual ones where none are given. */
export const issuerOptions = (options: Partial<IssuerOptions>): IssuerOptions => ({ maxStaleMs: 86_400_000, leewayS: 60, names: NAMES, ...options })

/** The code of what was thrown, now or later. */
export async function codeOf(authenticate: () => Caller | Promise<Caller>): Promise<unknown> {
  try {
    await authenticate()
  } catch (error) {
    return (error as { code?: unknown }).code
  }
  return 'accepted'
}

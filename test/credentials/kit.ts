import assert from 'node:assert/strict'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after } from 'node:test'
import { type ChainOptions, type Credentials, credentialChain, CredentialsError, type CredentialsErrorCode, type Files, type HostCredentials } from '../../src/credentials/index.ts'
import type { HttpAnswer } from '../../src/credentials/http.ts'
import type { World } from '../../src/credentials/world.ts'
import { SigningClock, SigningKeys } from '../../src/sigv4/index.ts'
import { createLog } from '../../src/log/index.ts'
import { output } from '../kit/leaks.ts'

export const NOW = Date.parse('2026-03-01T12:00:00Z')
export const MINUTE = 60_000

/** A disk of these files; a test may change it. */
export function disk(texts: Record<string, string>): Files {
  return {
    readText(path) {
      const text = Object.hasOwn(texts, path) ? texts[path] : undefined
      if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
      return text
    },
  }
}

/** Lets everything that is already decided happen. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Time that passes when the test says so. Pauses between attempts take none. */
export class Clock {
  now = NOW
  readonly #sleepers = new Set<{ readonly dueMs: number; readonly wake: () => void }>()

  readonly nowMs = (): number => this.now

  readonly sleep = (ms: number, signal: AbortSignal): Promise<void> => new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    if (ms < 5000) return resolve()
    const sleeper = { dueMs: this.now + ms, wake: resolve }
    this.#sleepers.add(sleeper)
    signal.addEventListener('abort', () => {
      this.#sleepers.delete(sleeper)
      reject(signal.reason)
    })
  })

  /** When the next timer is due, as milliseconds from now. */
  get nextMs(): number | undefined {
    const due = [...this.#sleepers].map(({ dueMs }) => dueMs)
    return due.length === 0 ? undefined : Math.min(...due) - this.now
  }

  async advance(ms: number): Promise<void> {
    const end = this.now + ms
    for (let next = this.nextMs; next !== undefined && this.now + next <= end; next = this.nextMs) {
      this.now += next
      for (const sleeper of this.#sleepers) {
        if (sleeper.dueMs > this.now) continue
        this.#sleepers.delete(sleeper)
        sleeper.wake()
      }
      await settle()
    }
    this.now = end
  }
}

/** A host without network: a request that nothing answers fails the test that made it. */
export const unreachable = (): Promise<HttpAnswer> => Promise.reject(new CredentialsError('CREDENTIALS_UNREACHABLE', 'the connection failed (ENETUNREACH)'))

export interface Host extends Partial<ChainOptions> {
  readonly texts?: Record<string, string>
  readonly clock?: Clock
}

/** The chain of a host that has what is given, and nothing else. It is closed when the file's tests are over. */
export function chain({ texts = {}, clock = new Clock(), ...more }: Host = {}): HostCredentials {
  const log = createLog({ level: 'debug', format: 'json', nowMs: clock.nowMs, write: output })
  const source = credentialChain({ env: {}, configured: {}, region: 'us-east-1', files: disk(texts), http: unreachable, random: () => 0.5, signing: signing(clock), log, nowMs: clock.nowMs, sleep: clock.sleep, ...more })
  after(() => source.close())
  return source
}

const signing = (clock: Clock) => ({ clock: new SigningClock(clock.nowMs), keys: new SigningKeys() })

export function world({ texts = {}, ...more }: Partial<World> & { readonly texts?: Record<string, string> } = {}): World {
  const clock = new Clock()
  return { signing: signing(clock), env: {}, configured: {}, region: 'us-east-1', files: disk(texts), http: unreachable, sleep: clock.sleep, random: () => 0.5, closing: new AbortController().signal, ...more }
}

/** The error a source fails with; whatever it says is checked for secrets at the end. */
export async function failure(get: () => unknown, code: CredentialsErrorCode): Promise<CredentialsError> {
  let error: unknown
  try {
    await get()
  } catch (thrown) {
    error = thrown
  }
  assert.ok(error instanceof CredentialsError, `no CredentialsError: ${String(error)}`)
  output(`${error.message} ${JSON.stringify(error.asked)}`)
  assert.equal(error.code, code, error.message)
  return error
}

/** Credentials with their secrets open. */
export function revealed({ accessKeyId, secretAccessKey, sessionToken, expiresMs }: Credentials) {
  return { accessKeyId, secretAccessKey: secretAccessKey.reveal(), sessionToken: sessionToken?.reveal(), expiresMs }
}

export interface Received {
  readonly method: string
  readonly target: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A server on loopback, closed when the file's tests are over. */
export async function serve(answer: (received: Received, response: ServerResponse) => void): Promise<string> {
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    answer({ method: request.method!, target: request.url!, headers: request.headers, body }, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

import { randomBytes } from 'node:crypto'
import { after } from 'node:test'
import { readSetup } from '../../src/cli/setup.ts'
import { type Running, start } from '../../src/cli/running.ts'
import { mint } from '../../src/cli/token.ts'
import { createLog } from '../../src/log/index.ts'
import { ACCESS_KEY_ID, FakeBedrock, REGION, SECRET_ACCESS_KEY } from './bedrock.ts'
import { output, secret } from './leaks.ts'
import { listOf, Watch, watched } from './watch.ts'

export const JWT_SECRET = secret('the JWT secret', randomBytes(48).toString('base64'))

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string }

/** A proxy that runs in this process, put together as `serve` does it. */
export interface TestProxy {
  readonly url: string
  readonly port: number
  readonly log: readonly LogLine[]
  /** The next line about a request. */
  nextRequestLine(): Promise<LogLine>
  /** The next line that is wanted. */
  nextLine(wanted: (line: LogLine) => boolean): Promise<LogLine>
  stop: Running['stop']
  /** Takes its configuration anew, as at HUP. */
  reload(): void
}

/** A token the proxies of this kit accept. */
export function token(claims: Readonly<Record<string, unknown>> = {}, lifetimeS = 600): string {
  return secret('a token', mint({ sub: 'alice', groups: ['engineering'], ...claims }, JWT_SECRET, lifetimeS, Date.now()))
}

/** The variables that make a proxy of this kit. */
export function proxyEnv(bedrock: Pick<FakeBedrock, 'url'>, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    SERVER__PORT: '0', ADMIN__PORT: '0', JWT__SECRET: JWT_SECRET, AWS__REGION: REGION, AWS__ENDPOINT: bedrock.url,
    AWS_ACCESS_KEY_ID: ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: SECRET_ACCESS_KEY, LOGGING__LEVEL: 'debug',
    // Nothing here leaves this machine: no instance to ask, no files of its user to read.
    AWS_EC2_METADATA_DISABLED: 'true', HOME: '/nowhere', ...more,
  }
}

export async function startProxy(bedrock: Pick<FakeBedrock, 'url'>, more: Readonly<Record<string, string>> = {}): Promise<TestProxy> {
  const env = proxyEnv(bedrock, more)
  const setup = () => {
    const read = readSetup({}, { env, cwd: () => '/nowhere' })
    if ('problems' in read) throw new Error(read.problems.join('\n'))
    return read.setup
  }
  const lines: LogLine[] = []
  let waiting: { readonly wanted: (line: LogLine) => boolean; readonly resolve: (line: LogLine) => void }[] = []
  const write = (text: string) => {
    output(text)
    const line = JSON.parse(text) as LogLine
    lines.push(line)
    const first = waiting.find(({ wanted }) => wanted(line))
    waiting = waiting.filter((one) => one !== first)
    first?.resolve(line)
  }
  const first = setup()
  let current = first
  const watch = new Watch('a proxy', () => listOf(current, env))
  const running = await watched(watch, () => start(first, env, createLog({ level: 'debug', format: 'json', nowMs: Date.now, write })))
  const { port } = new URL(running.url)
  const reload = () => {
    current = setup()
    watch.look()
    watched(watch, () => running.reload(current))
  }
  // Calls are told of at the end of the turn in which they end: the lines of those before are no answer.
  const nextLine: TestProxy['nextLine'] = (wanted) => new Promise((resolve) => setImmediate(() => waiting.push({ wanted, resolve })))
  return { url: running.url, port: Number(port), log: lines, stop: running.stop, reload, nextLine, nextRequestLine: () => nextLine(({ msg }) => msg === 'request') }
}

/** A Bedrock and a proxy before it, for all tests of a file. */
export async function startPair(): Promise<{ readonly bedrock: FakeBedrock; readonly proxy: TestProxy }> {
  const bedrock = await FakeBedrock.start()
  const proxy = await startProxy(bedrock)
  after(async () => {
    await proxy.stop()
    await bedrock.close()
  })
  return { bedrock, proxy }
}

/** A proxy that has an admin listener, on a port that is free. Another process may take it first: then another one is tried. */
export async function startWithAdmin(bedrock: Pick<FakeBedrock, 'url'>, more: Readonly<Record<string, string>> = {}): Promise<TestProxy & { readonly admin: number }> {
  for (;;) {
    const admin = 20_000 + Math.floor(Math.random() * 12_000)
    try {
      return { ...await startProxy(bedrock, { ...more, ADMIN__PORT: String(admin) }), admin }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    }
  }
}

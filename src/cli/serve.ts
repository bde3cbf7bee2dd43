import { parseArgs } from 'node:util'
import { staticCredentials } from '../credentials/index.ts'
import { Authenticator, httpGet } from '../identity/index.ts'
import { createLog, type Log } from '../log/index.ts'
import { ByteBudget, type Exchange, handle, type LiveAnswers, type ProxyDependencies, SigningClock } from '../proxy/index.ts'
import { Door, servePage } from '../server/index.ts'
import { SigningKeys } from '../sigv4/index.ts'
import { endpointOf, UpstreamClient } from '../upstream/index.ts'
import { type Command, EXIT_CONFIG, type Terminal } from './command.ts'
import { endpointOptions } from './egress.ts'
import { environmentProblems } from './gate.ts'
import { readSetup, type Setup } from './setup.ts'

const EXIT_FAILURE = 1

/** How long a body may wait for memory. A paused upload hides that its client has left. */
const MAX_WAIT_MS = 5000

export const serveCommand: Command = {
  usage: 'serve [--config FILE]',
  text: 'runs the proxy (this is what happens when no command is named)',
  async run(args, process) {
    const { values } = parseArgs({ args: [...args], options: { config: { type: 'string' } } })
    const unsafe = environmentProblems(process.env)
    const read = unsafe.length > 0 ? { problems: unsafe } : readSetup(values, process)
    if ('problems' in read) {
      for (const problem of read.problems) process.stderr.write(`${problem}\n`)
      return EXIT_CONFIG
    }
    const { config } = read.setup
    const output = batched((text) => process.stdout.write(text))
    const log = createLog({ ...config.logging, nowMs: Date.now, write: output.write })
    warnOfOldNode(log, process.versions.node)
    for (const hint of read.setup.hints) log.warn('configuration', { hint })
    const running = await start(read.setup, process.env, log).catch((error: NodeJS.ErrnoException) => {
      if (error.syscall !== 'listen') throw error
      process.stderr.write(`cannot listen on ${config.server.host}, port ${config.server.port}: ${error.code}\n`)
    })
    if (running === undefined) return EXIT_FAILURE
    const signal = await firstSignal(process)
    log.info('draining', { signal })
    const cut = await running.stop()
    log.info('stopped', { cut })
    output.flush()
    return 0
  },
}

/** A proxy that runs. */
export interface Running {
  readonly url: string
  /** Drains. Resolves to the number of answers that had to be cut when time was up. */
  stop(): Promise<number>
}

/** The composition root: the only place that knows every room. */
export async function start(setup: Setup, env: Terminal['env'], log: Log): Promise<Running> {
  const { config } = setup
  const { house, client, live } = furnish(setup, env, log, () => door.closing)
  const ready = new Map([['credentials', () => hasCredentials(house)], ['keys', () => house.authenticator.ready()], ['draining', () => !draining]])
  const base = config.server.base_path
  const door: Door = new Door(doorOptions(setup), (exchange) => {
    const path = pathBelow(exchange, base)
    if (path === undefined || !servePage(exchange, path, ready)) void handle(exchange, house)
  })
  let draining = false
  const { port } = await door.listen()
  const url = `${setup.tls === undefined ? 'http' : 'https'}://${hostInUrl(config.server.host)}:${port}${base}`
  log.info('listening', { url, credentials: house.credentials.name, node: process.versions.node })
  return {
    url,
    async stop() {
      draining = true
      let cut = 0
      const timer = setTimeout(() => {
        cut = live.size
        for (const fail of live) fail('DRAINING')
        setTimeout(() => door.cut(), LAST_WORDS_MS).unref()
      }, config.server.drain_timeout)
      await door.drain(() => log.info('turning away'))
      clearTimeout(timer)
      client.close()
      house.authenticator.close()
      return cut
    },
  }
}

/** Time for the exception frames of a forced end to reach their clients. */
const LAST_WORDS_MS = 500

function furnish({ config, issuers, ca }: Setup, env: Terminal['env'], log: Log, closing: () => boolean) {
  const { aws, server } = config
  const timeouts = { connectMs: aws.timeouts.connect, firstByteMs: aws.timeouts.first_byte, idleMs: aws.timeouts.idle }
  const client = new UpstreamClient({ ...timeouts, ca })
  const live: LiveAnswers = new Set()
  const options = endpointOptions(config)
  const house: ProxyDependencies = {
    authenticator: new Authenticator(issuers, { nowMs: Date.now, random: Math.random, after, client: httpGet, log }),
    credentials: staticCredentials(env, { accessKeyId: aws.access_key_id?.reveal(), secretAccessKey: aws.secret_access_key, sessionToken: aws.session_token }),
    endpoints: { runtime: endpointOf('runtime', options), control: endpointOf('control', options), mantle: endpointOf('mantle', options) },
    client, live, log, closing,
    clock: new SigningClock(Date.now),
    keys: new SigningKeys(),
    budget: new ByteBudget(server.max_inflight, MAX_WAIT_MS),
    maxBodyBytes: server.max_body,
    clientIdleMs: server.timeouts.idle,
    basePath: server.base_path,
    nowMs: Date.now,
  }
  return { house, client, live }
}

function after(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, delayMs).unref()
  return () => clearTimeout(timer)
}

function doorOptions({ config: { server }, tls }: Setup) {
  return {
    host: server.host, port: server.port, tls, maxHeaderBytes: server.max_header, maxConnections: server.max_connections,
    headerMs: server.timeouts.header, keepAliveMs: server.timeouts.keep_alive,
  }
}

/** The path of a request below `base`; `undefined` where it is elsewhere. */
function pathBelow({ target }: Exchange, base: string): string | undefined {
  const end = target.indexOf('?')
  const path = end < 0 ? target : target.slice(0, end)
  return path.startsWith(`${base}/`) ? path.slice(base.length) : undefined
}

function hasCredentials({ credentials }: ProxyDependencies): boolean {
  try {
    credentials.get()
    return true
  } catch {
    return false
  }
}

const hostInUrl = (host: string): string => (host.includes(':') ? `[${host}]` : host)

/** Lines of one turn of the event loop leave in one write: a write for each would cost more than the line. */
function batched(write: (text: string) => void): { write: (line: string) => void; flush: () => void } {
  let lines = ''
  const flush = () => {
    const text = lines
    lines = ''
    if (text !== '') write(text)
  }
  return {
    flush,
    write(line) {
      if (lines === '') setImmediate(flush)
      lines += line
    },
  }
}

// End of life since April 2026: its parser drops header lines without a word, and nobody mends it any more.
function warnOfOldNode(log: Log, version: string): void {
  if (Number(version.split('.')[0]) < 22) log.warn('this Node.js no longer gets security fixes: use 24 or 26', { node: version })
}

function firstSignal(process: Terminal): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve(signal))
  })
}

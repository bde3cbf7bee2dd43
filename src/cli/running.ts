import { setFlagsFromString } from 'node:v8'
import { belowBase, parseNetwork } from '../http/index.ts'
import { Authenticator, type Caller, keyCopies, RevocationFile } from '../identity/index.ts'
import { type Limits, openLimits, openSharedLimits } from '../limits/index.ts'
import type { Log } from '../log/index.ts'
import { Glob, Models } from '../model/index.ts'
import { Appearances, askProfile, AwsHealth, ByteBudget, type Exchange, handle, heldBy, LiveAnswers, Profiles, type ProxyDependencies, Reporter, type Witnesses } from '../proxy/index.ts'
import { Door, type Inherited, type ReadinessChecks, servePage } from '../server/index.ts'
import { Turn } from '../turn/index.ts'
import { appearanceRules } from './appearance.ts'
import { wayToAws } from './aws.ts'
import type { Terminal } from './command.ts'
import { issuerGet } from './issuers.ts'
import { journalOptions, limitTable, redisOptions } from './limits.ts'
import { type Observation, openAdmin, openAudit } from './observation.ts'
import type { Setup } from './setup.ts'
import { loginFacts, openSignIn } from './sso.ts'

/** How long a body may wait for memory. A paused upload hides that its client has left. */
const MAX_WAIT_MS = 5000

/** The rest is for what is given back already, and lies in memory until V8 collects it. */
const HELD_SHARE = 3 / 4

/** A proxy that runs. */
export interface Running {
  readonly url: string
  /** Takes keys, certificate and what else can change while it runs. Problems, as lines for people, mean that nothing has changed. */
  reload(setup: Setup): readonly string[]
  /** Goes on in a new audit log where the old one was renamed. */
  reopen(): void
  /** Drains. Resolves to the number of requests that had to be cut when time was up. */
  stop(): Promise<number>
}

/** The composition root: the only place that knows every room. */
export async function start(setup: Setup, env: Terminal['env'], log: Log, sockets: Partial<Pick<Inherited, 'proxy' | 'admin'>> = {}): Promise<Running> {
  keepRequestsYoung()
  const { config } = setup
  const furniture = furnish(setup, env, log, {
    audit: openAudit(config, log), limits: limitsOf(setup, log), rules: { ...setup.rules }, closing: () => door.closing, observe: (call) => admin.observe(call),
  })
  const { house } = furniture
  let draining = false
  const checks = readiness(setup, furniture, () => draining)
  const door: Door = new Door({ ...doorOptions(setup), fd: sockets.proxy }, house.reporter, handlerOf(setup, house, checks, log))
  const admin = await openAdmin(config, house, checks, log, sockets.admin).catch((error: unknown) => clearOut(furniture, error))
  const { address, port } = await door.listen().catch(async (error: unknown) => {
    await admin.close()
    return clearOut(furniture, error)
  })
  const url = `${setup.tls === undefined ? 'http' : 'https'}://${hostInUrl(sockets.proxy === undefined ? config.server.host : address)}:${port}${config.server.base_path}`
  log.info('listening', { url, credentials: house.credentials.name, node: process.versions.node })
  const parts: Parts = { ...furniture, setup, log, door, admin }
  return {
    url,
    reload: (next) => reload(parts, next),
    reopen() {
      const problem = house.audit?.reopen()
      if (problem !== undefined) log.error('the audit log is not opened anew', { problem })
    },
    stop() {
      draining = true
      return stop(parts)
    },
  }
}

type Furniture = ReturnType<typeof furnish>

/** What runs, and has to be told of a reload or of the end. */
interface Parts extends Furniture {
  /** As it was at the start. */
  readonly setup: Setup
  readonly log: Log
  readonly door: Door
  readonly admin: Observation
}

function readiness({ config }: Setup, { house, aws }: Furniture, draining: () => boolean): ReadinessChecks {
  const { audit, authenticator, limits } = house
  const checks = new Map([['credentials', () => aws.all.some((one) => heldBy(one) === 'ok')], ['keys', () => authenticator.ready()], ['draining', () => !draining()]])
  if (audit !== undefined) checks.set('audit', () => audit.writable())
  if (config.limits.store !== 'memory' && config.limits.fail === 'closed') checks.set('limits', () => limits.available)
  return checks
}

/** What becomes of a request: a page, where its path is that of one, else a call. */
function handlerOf(setup: Setup, house: ProxyDependencies, checks: ReadinessChecks, log: Log): (exchange: Exchange) => void {
  const { base_path: base, example_model: exampleModel } = setup.config.server
  const pages = { reporter: house.reporter, checks, tls: setup.tls !== undefined, basePath: base, exampleModel, login: loginFacts(setup.config) }
  const signIn = openSignIn(setup, { ...house, log })
  const calls = new Turn<Exchange>(setImmediate, (all) => { for (const exchange of all) void handle(exchange, house) })
  return (exchange) => {
    const path = belowBase(pathOf(exchange), base)
    if (path === undefined || !(signIn?.serve(exchange, path) === true || servePage(exchange, path, pages))) calls.add(exchange)
  }
}

function reload({ setup, door, house, aws, revocations }: Parts, { issuers, tls, ...next }: Setup): readonly string[] {
  if ((tls === undefined) !== (setup.tls === undefined)) return ['TLS is turned on and off by a restart only']
  if ((tls?.clientCa === undefined) !== (setup.tls?.clientCa === undefined)) return ['certificates of clients are asked for, or not, by a restart only']
  if (tls !== undefined) door.renewCertificate(tls)
  Object.assign(house.rules, next.rules)
  house.limits.reload(limitTable(next.config))
  house.authenticator.reload(issuers)
  aws.reload(next.config)
  house.appearances.reload(appearanceRules(next.config))
  revocations.watch(next.revocations)
  return []
}

async function stop({ setup, log, door, admin, live, ...furniture }: Parts): Promise<number> {
  let cut = 0
  const timer = setTimeout(() => door.cut(() => { cut = live.end('DRAINING') }), setup.config.server.drain_timeout)
  await door.drain(() => log.info('turning away'))
  clearTimeout(timer)
  // The last calls are told of at the end of the turn in which they ended.
  await new Promise((resolve) => setImmediate(resolve))
  await close(furniture)
  await admin.close()
  return cut
}

async function close({ house, aws, revocations }: Omit<Furniture, 'live'>): Promise<void> {
  aws.close()
  house.authenticator.close()
  revocations.close()
  await house.limits.close()
  await house.audit?.close()
}

/** After a start that failed: a connection to Redis alone would keep the process for ever. */
async function clearOut(furniture: Furniture, error: unknown): Promise<never> {
  await close(furniture)
  throw error
}

function limitsOf({ config, limitsCa }: Setup, log: Log): Limits {
  const redis = redisOptions(config, limitsCa)
  if (redis !== undefined) return openSharedLimits(limitTable(config), redis, { nowMs: Date.now, monotonicMs: () => performance.now(), random: Math.random, after, log })
  return openLimits(limitTable(config), journalOptions(config), { nowMs: Date.now, after, log })
}

/**
 * V8 takes what lives through its first collections, such as the requests under way, as a sign that all of that kind is
 * made old at once, and never looks again; a dead one that is old keeps all it points to from the early collection.
 * Measured: a fifth of the CPU time of a request.
 */
const keepRequestsYoung = (): void => setFlagsFromString('--no-allocation-site-pretenuring')

function furnish(setup: Setup, env: Terminal['env'], log: Log, more: Pick<ProxyDependencies, 'rules' | 'limits' | 'closing'> & Pick<Witnesses, 'audit' | 'observe'>) {
  const { config: { bidirectional, jwt, server }, issuers } = setup
  const live = new LiveAnswers()
  const revocations = new RevocationFile({ after, log }, () => live.end('TOKEN_REVOKED', revoked))
  const revoked = (caller: Caller) => revocations.has(caller)
  revocations.watch(setup.revocations)
  const aws = wayToAws(setup, env, log)
  const models = new Models()
  const house: ProxyDependencies = {
    authenticator: new Authenticator(issuers, {
      nowMs: Date.now, random: Math.random, after, client: issuerGet, log, copies: jwt.cache_folder === undefined ? undefined : keyCopies(jwt.cache_folder),
    }),
    ...aws, appearances: new Appearances(appearanceRules(setup.config)), health: new AwsHealth(aws), revoked, live, ...more,
    reporter: new Reporter({ ...more, log, nowMs: Date.now }, setImmediate),
    models, profiles: new Profiles(models, askProfile(aws), Date.now),
    budget: new ByteBudget(server.max_inflight * HELD_SHARE, MAX_WAIT_MS),
    conversationModels: bidirectional.models.map((pattern) => new Glob(pattern)),
    sessionMs: bidirectional.session_timeout,
    maxBodyBytes: server.max_body,
    clientIdleMs: server.timeouts.idle,
    basePath: server.base_path,
    nowMs: Date.now,
  }
  return { house, aws, live, revocations }
}

export function after(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, delayMs).unref()
  return () => clearTimeout(timer)
}

function doorOptions({ config: { bidirectional, server }, tls }: Setup) {
  return {
    host: server.host, port: server.port, tls, trustedProxies: server.trusted_proxies.map((text) => parseNetwork(text)!), maxHeaderBytes: server.max_header, maxConnections: server.max_connections,
    headerMs: server.timeouts.header, keepAliveMs: server.timeouts.keep_alive, idleMs: server.timeouts.idle, pingMs: bidirectional.ping_interval,
  }
}

/** The path of a request, whatever it is: pages refuse nothing. */
const pathOf = ({ target }: Exchange): string => target.split('?', 1)[0]!

const hostInUrl = (host: string): string => (host.includes(':') ? `[${host}]` : host)

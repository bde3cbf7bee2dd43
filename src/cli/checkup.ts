import { CredentialsError, type HostCredentials } from '../credentials/index.ts'
import { Authenticator } from '../identity/index.ts'
import { openSharedLimits } from '../limits/index.ts'
import { createLog, type Log } from '../log/index.ts'
import { SsoError } from '../sso/index.ts'
import { addressesOf, type Endpoint, isNear, isPrivate, type UpstreamClient, UpstreamError } from '../upstream/index.ts'
import { type WayToAws, wayToAws } from './aws.ts'
import type { Terminal } from './command.ts'
import { type About, inquiries } from './inquiry.ts'
import { issuerGet } from './issuers.ts'
import { fail, type Finding, ok, warn } from './finding.ts'
import { limitTable, redisOptions } from './limits.ts'
import { after } from './running.ts'
import type { Setup } from './setup.ts'
import { clientOfPages } from './sso.ts'
import { KEY_ONLY } from './upstreams.ts'

/** No look takes longer, whatever the configuration allows. */
const MAX_CONNECT_MS = 5000
const MAX_MS = 15_000

/** Looks at everything that the proxy needs outside of itself, all at once. It repeats no secret. */
export async function checkup(setup: Setup, env: Terminal['env'], about: About): Promise<readonly Finding[]> {
  const { aws } = setup.config
  const timeouts = { ...aws.timeouts, connect: Math.min(aws.timeouts.connect, MAX_CONNECT_MS), first_byte: MAX_CONNECT_MS }
  const way = wayToAws({ ...setup, config: { ...setup.config, aws: { ...aws, timeouts } } }, env, SILENT)
  const looks: readonly (readonly [subject: string, look: Promise<readonly Finding[]>])[] = [
    ...[...new Set(way.all.map((one) => one.credentials))].map((source) => ['AWS credentials', credentials(source)] as const),
    ['issuers', issuers(setup)],
    ['sign-in', signIn(setup)],
    ...way.all.flatMap(({ name, endpoints }) => Object.entries(endpoints).map(([service, endpoint]) => [name, service, endpoint] as const)).map(([name, service, endpoint]) => {
      const subject = `Bedrock ${service}${name === undefined ? '' : ` of ${name}`}, ${endpoint.host}`
      return [subject, road(subject, endpoint, way.client, aws.proxy_url !== undefined && !isNear(endpoint.hostname))] as const
    }),
    ['clock', clock(way)],
    ['limits', sharedLimits(setup)],
    ...inquiries(setup, env, way, about),
  ]
  const findings = await Promise.all(looks.map(([subject, look]) => within(look, [fail(`${subject}: no answer within ${MAX_MS / 1000} s`, 'see what lies between: name servers, firewalls, proxies')])))
  way.close()
  return findings.flat()
}

const SILENT = createLog({ level: 'error', format: 'json', nowMs: Date.now, write: () => undefined })

async function within<T>(work: Promise<T>, late: T): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<T>((resolve) => { timer = setTimeout(() => resolve(late), MAX_MS) })
  try {
    return await Promise.race([work, deadline])
  } finally {
    clearTimeout(timer)
  }
}

async function credentials(source: HostCredentials): Promise<readonly Finding[]> {
  if (source === KEY_ONLY) return [ok('AWS credentials: a Bedrock API key')]
  try {
    const { expiresMs = Infinity } = await source.get()
    const what = `AWS credentials: from the ${source.name}, ${expiresMs === Infinity ? 'which do not expire' : `good until ${new Date(expiresMs).toISOString()}`}`
    return [expiresMs > Date.now() ? ok(what) : warn(what, 'they have expired: the service that gives them is in trouble')]
  } catch (error) {
    if (!(error instanceof CredentialsError)) throw error
    const nobody = error.code === 'CREDENTIALS_NOT_FOUND'
    return [fail(error.message, nobody ? 'give this host a role, or set up one of these' : 'mend the last one: who is set up wrongly is not passed over')]
  }
}

async function issuers({ issuers: trusted }: Setup): Promise<readonly Finding[]> {
  const authenticator = new Authenticator(trusted, { nowMs: Date.now, random: Math.random, after, client: issuerGet, log: SILENT })
  await authenticator.refreshed()
  const status = authenticator.status()
  authenticator.close()
  return status.map(({ issuer = '(any)', keys, error }) => {
    const what = `issuer ${issuer}: ${keys} ${keys === 1 ? 'key' : 'keys'}`
    return keys > 0 ? ok(what) : fail(`${what} (${error ?? 'none of them can be used'})`, 'see that this host reaches it, and that jwt.issuer or jwt.jwks_url is right to the letter')
  })
}

/** Whether people can be sent to the provider. What it thinks of the client only a sign-in can tell. */
async function signIn(setup: Setup): Promise<readonly Finding[]> {
  const pages = clientOfPages(setup)
  if (pages === undefined) return []
  const what = `sign-in: ${setup.config.sso.issuer}`
  try {
    await pages.client.begin(pages.redirectUrl)
    return [ok(`${what} says where people sign in; it must know ${pages.redirectUrl}`)]
  } catch (error) {
    if (!(error instanceof SsoError)) throw error
    return [fail(`${what}: ${error.message} (${error.detail ?? error.code})`, 'see that this host reaches it, and that sso.issuer is right to the letter')]
  }
}

/** Whether the Redis of the limits takes what the proxy has for it. */
async function sharedLimits({ config, limitsCa }: Setup): Promise<readonly Finding[]> {
  const redis = redisOptions(config, limitsCa)
  if (redis === undefined) return []
  let why = ''
  const log: Log = { ...SILENT, error: (_, fields) => { why ||= String(fields?.why) } }
  const limits = openSharedLimits(limitTable(config), { ...redis, fail: 'open' }, { nowMs: Date.now, monotonicMs: () => performance.now(), random: Math.random, after, log })
  await limits.usage({ issuer: '', user: '' }, Date.now())
  const what = `limits: Redis, ${redis.host}:${redis.port}`
  const finding = why === '' ? ok(what) : fail(`${what}: ${why}`, 'see limits.url, its password and what its user may do; deploy/README.md lists it')
  await limits.close()
  return [finding]
}

const REMEDIES = {
  name: 'see aws.region, aws.endpoint and the name servers of this host',
  connection: 'see the firewalls on the way, aws.endpoint and aws.proxy_url',
  TLS: 'see aws.ca_file, and that nobody between breaks TLS open',
}

async function road(subject: string, endpoint: Endpoint, client: UpstreamClient, isProxied: boolean): Promise<readonly Finding[]> {
  let step: keyof typeof REMEDIES = 'name'
  try {
    const where = isProxied ? 'through the egress proxy' : (await addressesOf(endpoint.hostname)).map((address) => `${address} (${isPrivate(address) ? 'private' : 'public'})`).join(', ')
    // First without TLS: so it is told what does not work.
    step = 'connection'
    ;(await client.connect({ ...endpoint, secure: false })).destroy()
    step = 'TLS'
    if (endpoint.secure) (await client.connect(endpoint)).destroy()
    return [ok(`${subject}: ${where}, connected ${endpoint.secure ? 'with TLS' : 'without TLS'}`)]
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error
    return [fail(`${subject}: ${step}: ${wordsOf(error)}`, REMEDIES[step])]
  }
}

function wordsOf({ message, cause }: UpstreamError): string {
  const { code } = Object(cause) as NodeJS.ErrnoException
  return code === undefined ? message : `${message} (${code})`
}

/** Beyond this AWS refuses a signature, until we have learnt the difference from it. */
const AWS_SKEW_S = 300
const WORTH_TELLING_S = 30

/** The clock of this host beside that of AWS. An answer that refuses an unsigned request tells the time as well as any. */
async function clock({ client, endpoints: { runtime } }: WayToAws): Promise<readonly Finding[]> {
  try {
    const answer = await client.send(runtime, { method: 'GET', target: '/', fields: ['host', runtime.host], chunks: [] }).answer
    answer.destroy()
    const aheadS = Math.round((Date.now() - Date.parse(answer.headers.date ?? '')) / 1000)
    if (Number.isNaN(aheadS)) return [warn('clock: AWS did not say the time', 'see what answers in its place')]
    const what = `clock: ${Math.abs(aheadS)} s ${aheadS < 0 ? 'behind' : 'ahead of'} that of AWS`
    if (Math.abs(aheadS) < WORTH_TELLING_S) return [ok(what)]
    return [(Math.abs(aheadS) < AWS_SKEW_S ? warn : fail)(what, 'synchronise it (NTP): tokens are judged by it')]
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error
    return [warn('clock: not compared, for Bedrock runtime gave no answer', 'mend that first')]
  }
}

import type { Config } from '../config/index.ts'
import { callerIdentity, type HostCredentials, httpClient, type RoleSessions, runProcess, unrefSleep } from '../credentials/index.ts'
import type { Log } from '../log/index.ts'
import { Upstreams } from '../proxy/index.ts'
import type { Secret } from '../secret/index.ts'
import { SigningClock, SigningKeys } from '../sigv4/index.ts'
import { egressProxy, type Endpoint, placeOf, type Service, UpstreamClient } from '../upstream/index.ts'
import { rolesOf } from './appearance.ts'
import type { Terminal } from './command.ts'
import type { Setup } from './setup.ts'
import { type Built, buildUpstreams, credentialSight, upstreamPlans } from './upstreams.ts'

/** All that it takes to speak to AWS. Credentials, roles, key and endpoints are those of the first upstream. */
export interface WayToAws {
  readonly client: UpstreamClient
  readonly credentials: HostCredentials
  /** Those of callers. */
  readonly roles: RoleSessions
  readonly apiKey: Secret | undefined
  readonly endpoints: Readonly<Record<Service, Endpoint>>
  readonly upstreams: Upstreams
  readonly all: readonly Built[]
  /** What is signed with, wherever it goes: one clock learns from all answers. */
  readonly clock: SigningClock
  readonly keys: SigningKeys
  /** ARN by which AWS knows this host. Throws a CredentialsError. */
  identity(): Promise<string>
  /** Takes other roles for callers. */
  reload(config: Config): void
  close(): void
}

/** Callers with roles have keys of their own. */
const MAX_SIGNING_KEYS = 10_000

/** The way to AWS as the configuration says it is. Credentials are looked for at once. */
export function wayToAws({ config, ca }: Setup, env: Terminal['env'], log: Log): WayToAws {
  const { timeouts, proxy_url: proxyUrl, require_private_endpoint: privateOnly, failover } = config.aws
  const proxy = proxyUrl && egressProxy(proxyUrl)
  const client = new UpstreamClient({ connectMs: timeouts.connect, firstByteMs: timeouts.first_byte, idleMs: timeouts.idle, ca, proxy, privateOnly })
  const isPlain = proxy === undefined && !privateOnly
  const http = httpClient({ ca, connect: isPlain ? undefined : (url) => client.connect(placeOf(url)) })
  const signing = { clock: new SigningClock(Date.now), keys: new SigningKeys(MAX_SIGNING_KEYS) }
  const run = config.aws.allow_credential_process ? runProcess : undefined
  const world = { http, signing, run, nowMs: Date.now, random: Math.random, log }
  const all = buildUpstreams(upstreamPlans(config, env), world)
  const { credentials, roles, apiKey, endpoints } = all[0]!
  const upstreams = new Upstreams(all, { coolDownMs: failover.cool_down, allowCrossGeography: failover.allow_cross_geography, nowMs: Date.now, random: Math.random })
  const closing = new AbortController()
  return {
    client, credentials, roles, apiKey, endpoints, upstreams, all, ...signing,
    identity: async () => callerIdentity({ ...credentialSight(config, env), ...world, sleep: unrefSleep, closing: closing.signal }, await credentials.get()),
    reload: (next) => { for (const one of all) if (one.areRolesLive) one.roles.reload(rolesOf(next)) },
    close() {
      closing.abort()
      client.close()
      for (const one of all) {
        one.roles.close()
        one.credentials.close()
      }
    },
  }
}

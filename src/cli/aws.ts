import { type Config, isOwn } from '../config/index.ts'
import { callerIdentity, credentialChain, type HostCredentials, hostFiles, httpClient, RoleSessions, runProcess, type Sight, unrefSleep } from '../credentials/index.ts'
import type { Log } from '../log/index.ts'
import { SigningClock, SigningKeys } from '../sigv4/index.ts'
import { egressProxy, type Endpoint, endpointOf, type EndpointOptions, placeOf, type Service, UpstreamClient } from '../upstream/index.ts'
import { rolesOf } from './appearance.ts'
import type { Terminal } from './command.ts'
import type { Setup } from './setup.ts'

/** All that it takes to speak to AWS. */
export interface WayToAws {
  readonly client: UpstreamClient
  readonly credentials: HostCredentials
  /** Those of callers. */
  readonly roles: RoleSessions
  readonly endpoints: Readonly<Record<Service, Endpoint>>
  /** What is signed with, wherever it goes: one clock learns from all answers. */
  readonly clock: SigningClock
  readonly keys: SigningKeys
  /** ARN by which AWS knows this host. Throws a CredentialsError. */
  identity(): Promise<string>
  close(): void
}

/** Callers with roles have keys of their own. */
const MAX_SIGNING_KEYS = 10_000

/** The way to AWS as the configuration says it is. Credentials are looked for at once. */
export function wayToAws({ config, ca }: Setup, env: Terminal['env'], log: Log): WayToAws {
  const { timeouts, proxy_url: proxyUrl, require_private_endpoint: privateOnly } = config.aws
  const proxy = proxyUrl && egressProxy(proxyUrl)
  const client = new UpstreamClient({ connectMs: timeouts.connect, firstByteMs: timeouts.first_byte, idleMs: timeouts.idle, ca, proxy, privateOnly })
  const isPlain = proxy === undefined && !privateOnly
  const http = httpClient({ ca, connect: isPlain ? undefined : (url) => client.connect(placeOf(url)) })
  const signing = { clock: new SigningClock(Date.now), keys: new SigningKeys(MAX_SIGNING_KEYS) }
  const run = config.aws.allow_credential_process ? runProcess : undefined
  const world = { ...credentialSight(config, env), http, signing, run, nowMs: Date.now, random: Math.random, log }
  const closing = new AbortController()
  const credentials = credentialChain(world)
  const roles = new RoleSessions(rolesOf(config), { ...world, host: credentials })
  return {
    client, credentials, roles, ...signing, endpoints: endpointsOf(config),
    identity: async () => callerIdentity({ ...world, sleep: unrefSleep, closing: closing.signal }, await credentials.get()),
    close() {
      closing.abort()
      client.close()
      roles.close()
      credentials.close()
    },
  }
}

/** What decides who is asked for AWS credentials. */
export function credentialSight({ aws, server }: Config, env: Terminal['env']): Sight {
  const configured = { accessKeyId: aws.access_key_id?.reveal(), secretAccessKey: aws.secret_access_key, sessionToken: aws.session_token }
  return {
    env, configured, profile: aws.profile, region: aws.region!, fips: aws.fips, dualStack: aws.dual_stack, stsEndpoint: aws.sts_endpoint,
    files: hostFiles, isOwn: (url) => isOwn(url, server),
  }
}

/** Where the services of AWS are. */
export function endpointsOf({ aws }: Config): Readonly<Record<Service, Endpoint>> {
  const options: EndpointOptions = {
    region: aws.region!,
    fips: aws.fips,
    dualStack: aws.dual_stack,
    // An endpoint of one's own is a wall: nothing goes to a public host beside it unless that is named too.
    overrides: { runtime: aws.endpoint, control: aws.control_endpoint ?? aws.endpoint, mantle: aws.mantle_endpoint ?? aws.endpoint },
  }
  return { runtime: endpointOf('runtime', options), control: endpointOf('control', options), mantle: endpointOf('mantle', options) }
}

import { type Config, isOwn } from '../config/index.ts'
import { type ChainOptions, configuredEndpoint, credentialChain, CredentialsError, type HostCredentials, hostFiles, RoleSessions, type RoleRule, type Sight } from '../credentials/index.ts'
import { ModelPatterns } from '../model/index.ts'
import type { Upstream } from '../proxy/index.ts'
import { type Endpoint, endpointOf, type EndpointOptions, type Service } from '../upstream/index.ts'
import { roleOf, rolesOf } from './appearance.ts'
import type { Terminal } from './command.ts'

/** What an upstream is to be made of. */
export interface UpstreamPlan extends Pick<Upstream, 'name' | 'region' | 'endpoints' | 'apiKey' | 'models' | 'weight'> {
  /** Where its credentials are looked for; nowhere with an API key. */
  readonly sight: Sight | undefined
  readonly roles: readonly RoleRule[]
  /** Whether these are the roles of callers, which a reload changes. */
  readonly areRolesLive: boolean
}

/** All there are: those of the list, else the one at the top. */
export function upstreamPlans(config: Config, env: Terminal['env']): readonly UpstreamPlan[] {
  const { aws } = config
  const host = credentialSight(config, env)
  const top = { sight: aws.bearer_token === undefined ? host : undefined, apiKey: aws.bearer_token, roles: rolesOf(config), areRolesLive: true }
  if (aws.upstreams.length === 0) return [{ name: undefined, region: aws.region!, endpoints: endpointsOf(config), models: undefined, weight: undefined, ...top }]
  return aws.upstreams.map((row) => {
    const region = row.region ?? aws.region!
    const own = ownSight(row, { ...host, region })
    const fixed = { apiKey: undefined, roles: row.role_arn === undefined ? [] : [roleOf(config, row.role_arn)], areRolesLive: false }
    return {
      name: row.name, region, endpoints: endpointsOf(config, region, row.endpoint), weight: row.weight, models: row.models && new ModelPatterns(row.models), ...top,
      ...(row.role_arn !== undefined && { ...fixed, sight: host }), ...(own !== undefined && { ...fixed, sight: own }),
      ...(row.bearer_token !== undefined && { ...fixed, sight: undefined, apiKey: row.bearer_token }),
    }
  })
}

type Row = Config['aws']['upstreams'][number]

function ownSight({ profile, access_key_id: id, secret_access_key: secretAccessKey }: Row, sight: Sight): Sight | undefined {
  if (profile !== undefined) return { ...sight, profile, only: 'profile' }
  return id === undefined ? undefined : { ...sight, configured: { accessKeyId: id.reveal(), secretAccessKey }, only: 'configuration' }
}

/** What decides who is asked for the AWS credentials of this host. */
export function credentialSight({ aws, server }: Config, env: Terminal['env']): Sight {
  const configured = { accessKeyId: aws.access_key_id?.reveal(), secretAccessKey: aws.secret_access_key, sessionToken: aws.session_token }
  return {
    env, configured, profile: aws.profile, region: aws.region!, fips: aws.fips, dualStack: aws.dual_stack, stsEndpoint: aws.sts_endpoint,
    files: hostFiles, isOwn: (url) => isOwn(url, server),
  }
}

/** Whether STS may be asked who we are. An endpoint of one's own is a wall: STS behind it is asked only where it serves, or is named. */
export function mayAskSts(config: Config, env: Terminal['env']): boolean {
  const { endpoint, sts_endpoint: sts } = config.aws
  return endpoint === undefined || sts !== undefined || rolesOf(config).length > 0 || configuredEndpoint(credentialSight(config, env), 'sts') !== undefined
}

/** Where the services of AWS are. */
export function endpointsOf({ aws }: Config, region = aws.region!, endpoint?: string): Readonly<Record<Service, Endpoint>> {
  // An endpoint of one's own is a wall: nothing goes to a public host beside it unless that is named too.
  const top = { runtime: aws.endpoint, control: aws.control_endpoint ?? aws.endpoint, mantle: aws.mantle_endpoint ?? aws.endpoint }
  const overrides = endpoint !== undefined ? { runtime: endpoint, control: endpoint, mantle: endpoint } : region === aws.region ? top : {}
  const options: EndpointOptions = { region, fips: aws.fips, dualStack: aws.dual_stack, overrides }
  return { runtime: endpointOf('runtime', options), control: endpointOf('control', options), mantle: endpointOf('mantle', options) }
}

/** An upstream as calls use it, and what stands behind it. */
export interface Built extends Upstream {
  readonly credentials: HostCredentials
  readonly roles: RoleSessions
  readonly areRolesLive: boolean
}

/** Makes them. Credentials are looked for at once, those that several have once for all. */
export function buildUpstreams(plans: readonly UpstreamPlan[], world: Omit<ChainOptions, keyof Sight>): readonly Built[] {
  const chains = new Map<Sight, HostCredentials>()
  const sessions = new Map<readonly RoleRule[], RoleSessions>()
  return plans.map(({ sight = NOWHERE, roles: rules, ...plan }) => {
    const credentials = plan.apiKey === undefined ? once(chains, sight, () => credentialChain({ ...sight, ...world })) : KEY_ONLY
    const roles = once(sessions, rules, () => new RoleSessions(rules, { ...sight, ...world, host: credentials }))
    return { ...plan, credentials, roles, credentialsFor: (caller) => roles.credentialsFor(caller) }
  })
}

function once<K, V>(made: Map<K, V>, key: K, make: () => V): V {
  const value = made.get(key) ?? make()
  made.set(key, value)
  return value
}

const NOWHERE: Sight = { env: {}, configured: {}, region: '', files: hostFiles }

/** In place of credentials, where there is an API key. */
export const KEY_ONLY: HostCredentials = {
  name: 'Bedrock API key',
  expiresMs: undefined,
  get() {
    throw new CredentialsError('CREDENTIALS_NOT_FOUND', 'AWS takes no Bedrock API key for conversations, and there are no other credentials')
  },
  renew: () => Promise.resolve(undefined),
  close: () => undefined,
}

import { ISSUER_OPTIONS } from './jwt.ts'
import type { Problem } from './problem.ts'
import { rowKey } from './rows.ts'
import type { Config, OptionName, Sources } from './schema.ts'

/** What options must be to each other. */
interface Check {
  /** The options it is about; it is not asked while one of them has a problem of its own. */
  readonly about: readonly OptionName[]
  /** Where it is about rows: the keys of those that are. */
  readonly broken: (config: Config, sources: Sources) => boolean | readonly string[]
  readonly expected: string
}

const JWT_KEYS = ['jwt.secret', 'jwt.public_key', 'jwt.jwks_file', 'jwt.jwks_url'] as const
const AWS_KEYS = ['aws.access_key_id', 'aws.secret_access_key', 'aws.session_token'] as const
const KEY_COLUMNS = JWT_KEYS.map((name) => name.slice('jwt.'.length)).join(', ')
const SSO_MORE = ['sso.client_secret', 'sso.login_client_id', 'sso.login_client_secret', 'sso.redirect_url', 'sso.resource', 'sso.audience', 'sso.groups_allowed', 'sso.cookie_secret'] as const
const ENDPOINTS = ['aws.endpoint', 'aws.control_endpoint', 'aws.mantle_endpoint', 'aws.sts_endpoint'] as const

const CHECKS: readonly Check[] = [
  { about: ['server.tls.cert_file', 'server.tls.key_file'],
    broken: ({ server: { tls } }) => (tls.cert_file === undefined) !== (tls.key_file === undefined),
    expected: 'server.tls.cert_file and server.tls.key_file, both or neither' },
  { about: ['server.tls.client_ca_file', 'server.tls.cert_file'],
    broken: ({ server: { tls } }) => tls.client_ca_file !== undefined && tls.cert_file === undefined,
    expected: 'server.tls.cert_file beside server.tls.client_ca_file: without TLS no client shows a certificate' },
  { about: ['server.max_body', 'server.max_inflight'],
    broken: ({ server }) => server.max_body > server.max_inflight,
    expected: 'server.max_body within server.max_inflight, or the largest body could never be held' },
  { about: [...JWT_KEYS, 'jwt.issuer', 'jwt.issuers'],
    broken: ({ jwt }) => jwt.issuers.length === 0 && lacksKey(jwt),
    expected: 'a key to check tokens with: JWT__SECRET_FILE or JWT__SECRET (HMAC; `openssl rand -base64 48` makes one),'
      + ' JWT__PUBLIC_KEY_FILE (PEM), JWT__JWKS_FILE or JWT__JWKS_URL (JSON Web Key Set), JWT__ISSUER alone (the issuer is asked), or the same in the file, jwt.secret_file for one' },
  // Of two, one would stay in force unseen: an old secret in the file beside the new public key of the environment.
  { about: JWT_KEYS,
    broken: ({ jwt }) => keysOf(jwt) > 1,
    expected: `one of ${JWT_KEYS.join(', ')}, not several` },
  { about: ['jwt.issuers'],
    broken: ({ jwt }) => issuersThat(jwt, lacksKey),
    expected: `a key to check its tokens with: ${KEY_COLUMNS}, or an issuer that is a URL, which is asked` },
  { about: ['jwt.issuers'],
    broken: ({ jwt }) => issuersThat(jwt, (row) => keysOf(row) > 1),
    expected: `one of ${KEY_COLUMNS}, not several` },
  { about: ['jwt.issuers'],
    broken: ({ jwt }) => issuersThat(jwt, ({ issuer }, i) => jwt.issuers.findIndex((row) => row.issuer === issuer) < i),
    expected: 'an issuer of another name than those above it' },
  // Beside the list they would hold for nobody, and look as if they held for all.
  { about: [...ISSUER_OPTIONS, 'jwt.issuers'],
    broken: ({ jwt }, sources) => jwt.issuers.length > 0 && ISSUER_OPTIONS.filter((name) => sources[name].layer !== 'default'),
    expected: 'either this or jwt.issuers, where each issuer has its own' },
  { about: ['limits.store', 'limits.path'],
    broken: ({ limits }) => (limits.store === 'journal') !== (limits.path !== undefined),
    expected: 'limits.path with limits.store journal, and only with it' },
  { about: ['limits.url', 'limits.store'],
    broken: ({ limits }) => (limits.store === 'redis') !== (limits.url !== undefined),
    expected: 'limits.url with limits.store redis, and only with it' },
  { about: ['limits.password', 'limits.url'],
    broken: ({ limits: { password, url } }) => password !== undefined && (url === undefined || new URL(url.reveal()).password !== ''),
    expected: 'limits.password beside a limits.url that has none' },
  { about: ['limits.ca_file', 'limits.url'],
    broken: ({ limits: { ca_file, url } }) => ca_file !== undefined && url?.reveal().startsWith('rediss:') !== true,
    expected: 'limits.ca_file beside a limits.url that begins with rediss://' },
  { about: ['limits.default.burst', 'limits.default.requests_per_minute', 'limits.groups', 'limits.users'],
    broken: ({ limits }) => limitsThat(limits, ({ burst, requests_per_minute }) => burst !== undefined && requests_per_minute === undefined).map((key) => `${key}.burst`),
    expected: 'requests_per_minute beside it: a burst is of a rate' },
  // Without a name before it a user would be somebody else with the other issuer.
  { about: ['limits.users', 'jwt.issuers'],
    broken: ({ limits, jwt }) => jwt.issuers.length > 1 && keysOfRows('limits.users', limits.users, (_, user) => !jwt.issuers.some(({ issuer }) => user.startsWith(`${issuer}|`))),
    expected: 'issuer|user, with one of the issuers: there are several' },
  { about: ['aws.assume_role.rules', 'jwt.issuers'],
    broken: ({ aws, jwt }) => rowsThat('aws.assume_role.rules', aws.assume_role.rules, ({ users }) => namesNobody(users, jwt)),
    expected: 'users as issuer|user, with one of the issuers: there are several' },
  { about: ['aws.profiles', 'jwt.issuers'],
    broken: ({ aws, jwt }) => rowsThat('aws.profiles', aws.profiles, ({ users }) => namesNobody(users, jwt)),
    expected: 'users as issuer|user, with one of the issuers: there are several' },
  { about: ['aws.request_metadata'],
    broken: ({ aws: { request_metadata: metadata } }) => metadata.size > 16 || [...metadata.keys()].some((key) => !METADATA_KEY.test(key)),
    expected: 'at most 16 keys of up to 256 letters, digits, spaces and : _ @ $ # = / + , - .' },
  { about: ['aws.assume_role.session_name', 'aws.assume_role.role_arn', 'aws.assume_role.rules', 'jwt.issuers'],
    broken: ({ aws: { assume_role: role }, jwt }) => jwt.issuers.length > 1 && (role.role_arn !== undefined || role.rules.length > 0)
      && [role, ...role.rules].some(({ session_name: name = role.session_name }) => name.includes('{user}') && !name.includes('{issuer}')),
    expected: 'session names with {issuer} beside {user}, such as {user},{issuer}: with several issuers two people may have one name' },
  { about: ['aws.assume_role.tags', 'aws.assume_role.rules'],
    broken: ({ aws: { assume_role: role } }) => [role, ...role.rules].some(({ tags }) => tags !== undefined && (tags.size > 50 || [...tags.keys()].some((key) => !TAG_KEY.test(key)))),
    expected: 'at most 50 tags, with keys of up to 128 letters, digits, spaces and _ . : / = + - @ that do not begin with "aws:"' },
  // Requests are signed for it, wherever the endpoint is.
  { about: ['aws.region', 'aws.profile'],
    broken: ({ aws }) => aws.region === undefined,
    expected: 'a region: AWS__REGION, AWS_REGION, AWS_DEFAULT_REGION, aws.region or the region of the profile' },
  ...(['fips', 'dual_stack'] as const).map((variant): Check => ({ about: [`aws.${variant}`, ...ENDPOINTS],
    broken: ({ aws }) => aws[variant] && (aws.endpoint ?? aws.control_endpoint ?? aws.mantle_endpoint ?? aws.sts_endpoint) !== undefined,
    expected: `no aws.${variant} beside an endpoint of your own, whose host is taken as it is` })),
  { about: [...ENDPOINTS, 'server.host', 'server.port'],
    broken: ({ aws, server }) => ENDPOINTS.filter((name) => isOwn(aws[name.slice('aws.'.length) as 'endpoint'], server)),
    expected: 'an endpoint of AWS: this one is the proxy itself' },
  { about: ['aws.upstreams'],
    broken: ({ aws: { upstreams } }) => rowsThat('aws.upstreams', upstreams, ({ name }, i) => upstreams.findIndex((row) => row.name === name) < i),
    expected: 'an upstream of another name than those above it' },
  { about: ['aws.upstreams'],
    broken: ({ aws }) => rowsThat('aws.upstreams', aws.upstreams, (row) => (row.access_key_id === undefined) !== (row.secret_access_key === undefined)
      || [row.profile, row.access_key_id, row.bearer_token].filter((one) => one !== undefined).length > 1 || (row.bearer_token !== undefined && row.role_arn !== undefined)),
    expected: 'one of profile, access_key_id with secret_access_key, and bearer_token, the last without role_arn' },
  { about: ['aws.upstreams', 'server.host', 'server.port'],
    broken: ({ aws, server }) => rowsThat('aws.upstreams', aws.upstreams, ({ endpoint }) => isOwn(endpoint, server)),
    expected: 'an endpoint of AWS: this one is the proxy itself' },
  { about: ['aws.upstreams', 'aws.fips', 'aws.dual_stack'],
    broken: ({ aws }) => (aws.fips || aws.dual_stack) && rowsThat('aws.upstreams', aws.upstreams, ({ endpoint }) => endpoint !== undefined),
    expected: 'no endpoint of its own beside aws.fips or aws.dual_stack: its host is taken as it is' },
  { about: ['aws.upstreams', 'aws.endpoint', 'aws.region'],
    broken: ({ aws }) => aws.endpoint !== undefined && rowsThat('aws.upstreams', aws.upstreams, ({ endpoint, region = aws.region }) => endpoint === undefined && region !== aws.region),
    expected: 'an endpoint for another region: aws.endpoint is a wall, beside which nothing goes to a public host' },
  { about: ['aws.bearer_token', 'aws.access_key_id', 'aws.assume_role.role_arn', 'aws.assume_role.rules'],
    broken: ({ aws }) => aws.bearer_token !== undefined && (aws.access_key_id !== undefined || aws.assume_role.role_arn !== undefined || aws.assume_role.rules.length > 0),
    expected: 'no aws.access_key_id and no aws.assume_role beside an API key: AWS knows all callers by that' },
  { about: ['audit.key'],
    // RFC 2104 section 3: a key shorter than the hash weakens it.
    broken: ({ audit }) => audit.key !== undefined && Buffer.byteLength(audit.key.reveal()) < 32,
    expected: 'audit.key of at least 32 bytes (`openssl rand -base64 48` makes one)' },
  { about: ['sso.issuer', 'sso.client_id'],
    broken: ({ sso }) => (sso.issuer === undefined) !== (sso.client_id === undefined),
    expected: 'sso.issuer and sso.client_id, both or neither' },
  { about: SSO_MORE,
    broken: ({ sso }) => sso.issuer === undefined && SSO_MORE.filter((name) => sso[name.slice('sso.'.length) as keyof typeof sso] !== undefined),
    expected: 'sso.issuer beside it: without an issuer nobody can sign in' },
  // Its tokens would be refused by the very proxy that asked for them.
  { about: ['sso.issuer', 'jwt.issuer', 'jwt.issuers'],
    broken: ({ sso, jwt }) => sso.issuer !== undefined && !(jwt.issuers.length === 0 ? [jwt.issuer ?? sso.issuer] : jwt.issuers.map(({ issuer }) => issuer)).includes(sso.issuer),
    expected: 'an issuer whose tokens are accepted: the same as jwt.issuer, or one of jwt.issuers' },
  { about: ['sso.login_client_secret', 'sso.login_client_id'],
    broken: ({ sso }) => sso.login_client_secret !== undefined && sso.login_client_id === undefined,
    expected: 'sso.login_client_id beside it: the client of the pages keeps its secret' },
  { about: ['sso.login_parameters', 'sso.issuer'],
    broken: ({ sso }) => [...sso.login_parameters.keys()].some((name) => OAUTH_PARAMETERS.has(name)) || (sso.login_parameters.size > 0 && sso.issuer === undefined),
    expected: 'sso.issuer beside it, and parameters that a sign-in does not set by itself, such as access_type' },
  { about: ['sso.redirect_url'],
    broken: ({ sso }) => sso.redirect_url?.endsWith('/sign-in/callback') === false,
    expected: 'the address of this proxy with /sign-in/callback at its end' },
  { about: ['sso.cookie_secret'],
    broken: ({ sso }) => sso.cookie_secret !== undefined && Buffer.byteLength(sso.cookie_secret.reveal()) < 32,
    expected: 'sso.cookie_secret of at least 32 bytes (`openssl rand -base64 48` makes one)' },
  { about: AWS_KEYS,
    broken: ({ aws }) => (aws.access_key_id === undefined) !== (aws.secret_access_key === undefined)
      || (aws.session_token !== undefined && aws.access_key_id === undefined),
    expected: 'aws.access_key_id and aws.secret_access_key together, and aws.session_token only with them' },
  // A session token left in the file would travel with the key of the environment, and AWS would refuse both.
  { about: AWS_KEYS,
    broken: (_, sources) => new Set(AWS_KEYS.map((key) => sources[key].layer).filter((layer) => layer !== 'default')).size > 1,
    expected: `${AWS_KEYS.join(', ')} all from the file or all from the environment` },
]

/** What works, but not as it was meant. */
const HINTS: readonly Check[] = [
  // An ID token is for the client that asked for it: everybody could sign in, and nobody call.
  { about: ['jwt.audience', 'jwt.issuers', 'sso.client_id', 'sso.login_client_id', 'sso.token'],
    broken: ({ sso, jwt }) => (sso.token === 'id' && sso.issuer !== undefined ? issuerKeys(jwt, (row) => (row.issuer ?? sso.issuer) === sso.issuer && lacks(row.audience, clientsOf(sso))).map((key) => `${key}.audience`) : false),
    expected: 'the clients of sso (sso.client_id, sso.login_client_id) in it: the ID tokens of a sign-in are for them, and are refused without' },
]

const lacks = (list: readonly string[] | undefined, wanted: readonly string[]): boolean => list !== undefined && wanted.some((one) => !list.includes(one))

/** Those whose ID tokens people get: on the pages, and by `login`. */
function clientsOf({ client_id: id, client_secret: secret, login_client_id: login = secret === undefined ? id : undefined, redirect_url: pages }: Config['sso']): readonly string[] {
  return [pages === undefined ? undefined : id, login].filter((client) => client !== undefined)
}

/** Whether a URL leads to the very address that the proxy listens on. */
export function isOwn(url: string | undefined, { host, port }: Pick<Config['server'], 'host' | 'port'>): boolean {
  if (url === undefined || !URL.canParse(url)) return false
  const { protocol, hostname, port: named } = new URL(url)
  const [there, here] = [hostname.replace(/^\[|\]$/g, ''), host.toLowerCase()]
  return Number(named || (protocol === 'https:' ? 443 : 80)) === port && (there === here || (LOOPBACK.test(there) && (LOOPBACK.test(here) || ANY.has(here))))
}

const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|::1)$/
const ANY: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

type OneIssuer = Pick<Config['jwt'], 'issuer' | 'secret' | 'public_key' | 'jwks_file' | 'jwks_url'>

function keysOf({ secret, public_key, jwks_file, jwks_url }: OneIssuer): number {
  return [secret, public_key, jwks_file, jwks_url].filter((key) => key !== undefined).length
}

// An issuer that is an address can be asked for its keys; any other name can only be compared.
const lacksKey = (one: OneIssuer): boolean => keysOf(one) === 0 && !/^https?:/.test(one.issuer ?? '')

function issuersThat({ issuers }: Config['jwt'], broken: (row: OneIssuer, i: number) => boolean): readonly string[] {
  return issuers.flatMap((row, i) => (broken(row, i) ? [`jwt.issuers[${i}]`] : []))
}

/** The keys of issuers, of the list or the one at the top. */
function issuerKeys(jwt: Config['jwt'], wanted: (row: Pick<Config['jwt'], 'issuer' | 'audience'>) => boolean): readonly string[] {
  return jwt.issuers.length === 0 ? (wanted(jwt) ? ['jwt'] : []) : rowsThat('jwt.issuers', jwt.issuers, wanted)
}

function rowsThat<T>(key: string, rows: readonly T[], broken: (row: T, i: number) => boolean): readonly string[] {
  return rows.flatMap((row, i) => (broken(row, i) ? [`${key}[${i}]`] : []))
}

// Without a name before it a user would be somebody else with the other issuer.
function namesNobody(users: readonly string[] | undefined, { issuers }: Config['jwt']): boolean {
  return issuers.length > 1 && users?.some((user) => !issuers.some(({ issuer }) => user.startsWith(`${issuer}|`))) === true
}

// RFC 6749, RFC 7636, RFC 9101 and OpenID Connect: what an answer, or whom it is for, depends on.
const OAUTH_PARAMETERS: ReadonlySet<string> = new Set(['response_type', 'response_mode', 'client_id', 'redirect_uri', 'scope', 'state', 'nonce', 'code_challenge', 'code_challenge_method', 'request', 'request_uri'])

const METADATA_KEY = /^[\w :@$#=/+,.-]{1,256}$/
const TAG_KEY = /^(?!aws:)[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/iu

type Limits = Config['limits']

function limitsThat({ default: row, groups, users }: Limits, broken: (row: Limits['default']) => boolean): readonly string[] {
  return [...(broken(row) ? ['limits.default'] : []), ...keysOfRows('limits.groups', groups, broken), ...keysOfRows('limits.users', users, broken)]
}

function keysOfRows<T>(key: string, rows: ReadonlyMap<string, T>, broken: (row: T, name: string) => boolean): readonly string[] {
  return [...rows].flatMap(([name, row]) => (broken(row, name) ? [rowKey(key, { named: true }, name)] : []))
}

/** What is wrong between options. `failed` are those with problems of their own; `file` is named where no option is. */
export function crossCheck(config: Config, sources: Sources, failed: ReadonlySet<string>, file = 'environment'): readonly Problem[] {
  return broken(CHECKS.filter(({ about }) => !about.some((key) => failed.has(key))), config, sources, file)
}

/** What is most likely not meant, in a configuration without problems. */
export const crossHints = (config: Config, sources: Sources, file = 'environment'): readonly Problem[] => broken(HINTS, config, sources, file)

function broken(checks: readonly Check[], config: Config, sources: Sources, file: string): readonly Problem[] {
  return checks.flatMap(({ about, broken, expected }) => {
    const found = broken(config, sources)
    const given = about.find((option) => sources[option].layer !== 'default')
    const keys = found === true ? [given ?? about[0]!] : found || []
    return keys.map((key) => {
      const { layer, where, line } = sources[key]!
      return { where: layer === 'default' ? file : where, line, key, expected }
    })
  })
}

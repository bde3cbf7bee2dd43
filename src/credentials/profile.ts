import { credentialsFrom } from './answer.ts'
import { fromContainer } from './container.ts'
import { fromInstance } from './imds.ts'
import type { Section } from './ini.ts'
import { fromProcess } from './process.ts'
import { profileName, type SharedFiles, sharedFiles, STATIC } from './shared.ts'
import { type Credentials, CredentialsError } from './source.ts'
import { fromSso } from './sso.ts'
import { fromEnvironment } from './static.ts'
import { assumeRole, fromWebIdentity } from './sts.ts'
import type { Shared, World } from './world.ts'

/** A profile, and how it was come to. */
export interface Selected {
  readonly name: string
  readonly profile: Section
  readonly files: SharedFiles
  /** The profiles whose source it is, the first one first. */
  readonly above: readonly string[]
}

/** Credentials of a profile of the shared files, which are read anew each time. */
export async function fromProfile(world: World): Promise<Credentials> {
  return credentialsOf(selected(world), world)
}

/** @throws CredentialsError - `CREDENTIALS_NOT_FOUND` where there is no profile, and none is named. */
export function selected(world: Shared): Selected {
  const files = sharedFiles(world)
  const named = profileName(world)
  const name = named ?? 'default'
  const profile = files.profile(name)
  if (profile !== undefined) return { name, profile, files, above: [] }
  throw named === undefined ? none('the shared files have no default profile') : invalid('the profile that is named stands in neither shared file')
}

function credentialsOf(one: Selected, world: World): Credentials | Promise<Credentials> {
  const kind = kindOf(one)
  if (kind === undefined) throw none('the profile holds no credentials')
  return kind.load(one, world)
}

export type KindName = 'role' | 'static' | 'web identity' | 'process' | 'sso' | 'login'

interface Kind {
  readonly name: KindName
  readonly is: (any: (...names: string[]) => boolean, isSource: boolean) => boolean
  readonly load: (one: Selected, world: World) => Credentials | Promise<Credentials>
}

/** What a profile can be, in the order in which the SDKs look. As the source of a role, keys go before everything. */
const KINDS: readonly Kind[] = [
  { name: 'static', load: staticKeys, is: (any, isSource) => isSource && any('aws_access_key_id', 'aws_secret_access_key') },
  { name: 'role', load: role, is: (any) => any('role_arn') && (any('source_profile', 'credential_source') || !any(...STATIC, 'web_identity_token_file')) },
  { name: 'static', load: staticKeys, is: (any) => any('aws_access_key_id', 'aws_secret_access_key') },
  { name: 'web identity', load: webIdentity, is: (any) => any('web_identity_token_file') },
  { name: 'process', load: ({ profile }, world) => fromProcess(profile.get('credential_process')!, world), is: (any) => any('credential_process') },
  { name: 'sso', load: fromSso, is: (any) => any('sso_session', 'sso_start_url', 'sso_account_id', 'sso_role_name') },
  { name: 'login', load: login, is: (any) => any('login_session') },
]

/** What a profile gets its credentials from; `undefined` where it holds none. */
export function kindOf({ profile, above }: Selected): Kind | undefined {
  return KINDS.find(({ is }) => is((...names) => names.some((name) => profile.get(name)), above.length > 0))
}

function staticKeys({ profile }: Selected): Credentials {
  const [accessKeyId, secretAccessKey, sessionToken] = STATIC.map((name) => profile.get(name) || undefined)
  return credentialsFrom({ accessKeyId, secretAccessKey, sessionToken })
}

function webIdentity({ profile }: Selected, world: World): Promise<Credentials> {
  const [tokenFile, roleArn, sessionName] = ['web_identity_token_file', 'role_arn', 'role_session_name'].map((name) => profile.get(name) || undefined)
  if (tokenFile === undefined || roleArn === undefined) throw invalid('the profile has web_identity_token_file without role_arn')
  return fromWebIdentity(world, { tokenFile, roleArn, sessionName })
}

function login(): never {
  throw new CredentialsError('CREDENTIALS_UNSUPPORTED', 'the profile gets its credentials through login_session, which is not supported')
}

async function role(one: Selected, world: World): Promise<Credentials> {
  const get = (name: string) => one.profile.get(name) || undefined
  if (get('mfa_serial') !== undefined) throw new CredentialsError('CREDENTIALS_UNSUPPORTED', 'the role of the profile wants a code of an MFA device (mfa_serial), and nobody is here to type it')
  const durationS = Number(get('duration_seconds') ?? 3600)
  if (!(Number.isInteger(durationS) && durationS >= 900 && durationS <= 43_200)) throw invalid('duration_seconds of the profile is not from 900 to 43200')
  const session = { roleArn: get('role_arn')!, sessionName: get('role_session_name') ?? 'bedrock-sso-proxy', durationS, externalId: get('external_id') }
  return assumeRole(world, session, await sourceOf(one, world))
}

/** The credentials that a role is assumed with. That they are not there ends the search: the profile wants these and no others. */
async function sourceOf(one: Selected, world: World): Promise<Credentials> {
  const named = one.profile.get('credential_source')
  try {
    const next = sourceProfile(one)
    return await (next === undefined ? SOURCES.get(named!)!(world) : credentialsOf(next, world))
  } catch (error) {
    if (!(error instanceof CredentialsError) || error.code !== 'CREDENTIALS_NOT_FOUND') throw error
    throw invalid(`${named === undefined ? 'the source_profile' : 'the credential_source'} of the profile: ${error.message}`)
  }
}

const SOURCES: ReadonlyMap<string, (world: World) => Credentials | Promise<Credentials>> = new Map<string, (world: World) => Credentials | Promise<Credentials>>([
  ['Environment', fromEnvironment], ['Ec2InstanceMetadata', fromInstance], ['EcsContainer', fromContainer],
])

/** The profile that a role is assumed from; `undefined` where it is a `credential_source`. */
export function sourceProfile({ name, profile, files, above }: Selected): Selected | undefined {
  const [next, named] = [profile.get('source_profile') || undefined, profile.get('credential_source') || undefined]
  if ((next === undefined) === (named === undefined)) throw invalid('a profile with role_arn needs source_profile or credential_source, one of them')
  if (named !== undefined && !SOURCES.has(named)) throw invalid('the credential_source of the profile is none of Environment, Ec2InstanceMetadata and EcsContainer')
  if (next === undefined) return undefined
  const source = files.profile(next)
  if (source === undefined) throw invalid('the source_profile of a profile stands in neither shared file')
  const one = { name: next, profile: source, files, above: [...above, name] }
  // A profile may be its own source: the role, by the keys beside it.
  if (one.above.includes(next) && (next !== name || kindOf(one)?.name !== 'static')) throw invalid('the source_profile of a profile leads back to it')
  return one
}

const none = (message: string): CredentialsError => new CredentialsError('CREDENTIALS_NOT_FOUND', message)
const invalid = (message: string): CredentialsError => new CredentialsError('CREDENTIALS_INVALID', message)

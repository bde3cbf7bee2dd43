import { credentialsFrom } from './answer.ts'
import { parseIni, type Section } from './ini.ts'
import { type Credentials, CredentialsError } from './source.ts'
import { fromWebIdentity } from './sts.ts'
import type { Shared, World } from './world.ts'

/** Credentials of a profile of the shared files, which are read anew each time. */
export function fromProfile(world: World): Credentials | Promise<Credentials> {
  const profile = selectedProfile(world)
  if (profile === undefined) {
    const named = profileName(world) !== undefined
    throw named ? invalid('the profile that is named stands in neither shared file') : none('the shared files have no default profile')
  }
  const kind = KINDS.find(({ is }) => is((...names) => names.some((name) => profile.get(name))))
  if (kind === undefined) throw none('the profile holds no credentials')
  return kind.load(profile, world)
}

/** The settings of the profile in use; those of the `credentials` file go before those of the `config` file. */
export function selectedProfile(world: Shared): Section | undefined {
  const key = `profile ${profileName(world) ?? 'default'}`
  const { config, credentials } = sharedFiles(world.env)
  const general = parseIni(textOf(world, config), 'config').get(key)
  const own = parseIni(textOf(world, credentials), 'credentials').get(key)
  if (general === undefined || own === undefined) return own ?? general
  // Keys are never mixed: a session token of one file does not belong to the key of the other.
  const rest = [...general].filter(([name]) => !own.has('aws_access_key_id') || !STATIC.includes(name))
  return new Map([...rest, ...own])
}

/** The region that the profile in use names. Throws a CredentialsError where the shared files are malformed. */
export const profileRegion = (shared: Shared): string | undefined => selectedProfile(shared)?.get('region') || undefined

interface Kind {
  readonly is: (any: (...names: string[]) => boolean) => boolean
  readonly load: (profile: Section, world: World) => Credentials | Promise<Credentials>
}

const STATIC = ['aws_access_key_id', 'aws_secret_access_key', 'aws_session_token']

/** What a profile can be, in the order in which the SDKs look. */
const KINDS: readonly Kind[] = [
  { is: (any) => any('role_arn') && (any('source_profile', 'credential_source') || !any(...STATIC, 'web_identity_token_file')), load: unsupported('role_arn') },
  { is: (any) => any('aws_access_key_id', 'aws_secret_access_key'), load: staticKeys },
  { is: (any) => any('web_identity_token_file'), load: webIdentity },
  { is: (any) => any('credential_process'), load: unsupported('credential_process') },
  { is: (any) => any('sso_session', 'sso_start_url', 'sso_account_id', 'sso_role_name'), load: unsupported('sso_session or sso_start_url') },
  { is: (any) => any('login_session'), load: unsupported('login_session') },
]

function unsupported(what: string): Kind['load'] {
  return () => {
    throw new CredentialsError('CREDENTIALS_UNSUPPORTED', `the profile gets its credentials through ${what}, which is not supported`)
  }
}

function staticKeys(profile: Section): Credentials {
  const [accessKeyId, secretAccessKey, sessionToken] = STATIC.map((name) => profile.get(name) || undefined)
  return credentialsFrom({ accessKeyId, secretAccessKey, sessionToken })
}

function webIdentity(profile: Section, world: World): Promise<Credentials> {
  const [tokenFile, roleArn, sessionName] = ['web_identity_token_file', 'role_arn', 'role_session_name'].map((name) => profile.get(name) || undefined)
  if (tokenFile === undefined || roleArn === undefined) throw invalid('the profile has web_identity_token_file without role_arn')
  return fromWebIdentity(world, { tokenFile, roleArn, sessionName })
}

const profileName = ({ profile, env }: Shared): string | undefined => profile || env.AWS_PROFILE || undefined

/** A path, and whether somebody chose it. */
interface Place {
  readonly path: string
  readonly chosen: boolean
}

function sharedFiles(env: Shared['env']): { readonly config: Place; readonly credentials: Place } {
  const home = env.HOME || env.USERPROFILE || (env.HOMEDRIVE ?? '') + (env.HOMEPATH ?? '')
  const place = (chosen: string | undefined, name: string) => ({ path: chosen || `${home}/.aws/${name}`, chosen: Boolean(chosen) })
  return { config: place(env.AWS_CONFIG_FILE, 'config'), credentials: place(env.AWS_SHARED_CREDENTIALS_FILE, 'credentials') }
}

// A sandboxed service may not look into its home folder: that is as good as none. A file that was chosen must be readable.
const ABSENT: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM'])

function textOf({ files }: Shared, { path, chosen }: Place): string {
  try {
    return files.readText(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (chosen ? code === 'ENOENT' : ABSENT.has(code)) return ''
    throw invalid(`a shared file cannot be read (${code})`)
  }
}

const none = (message: string): CredentialsError => new CredentialsError('CREDENTIALS_NOT_FOUND', message)
const invalid = (message: string): CredentialsError => new CredentialsError('CREDENTIALS_INVALID', message)

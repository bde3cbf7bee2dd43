import { parseIni, type Section } from './ini.ts'
import { CredentialsError } from './source.ts'
import type { Shared } from './world.ts'

/** The shared files as they are now. */
export interface SharedFiles {
  /** The settings of a profile; those of the `credentials` file go before those of the `config` file. */
  readonly profile: (name: string) => Section | undefined
  readonly section: (type: 'sso-session' | 'services', name: string) => Section | undefined
}

/** @throws CredentialsError - `CREDENTIALS_INVALID` where a file is malformed, or was chosen and cannot be read. */
export function sharedFiles(world: Shared): SharedFiles {
  const home = homeOf(world.env)
  const sections = (kind: 'config' | 'credentials', chosen: string | undefined) => parseIni(textOf(world, chosen || `${home}/.aws/${kind}`, Boolean(chosen)), kind)
  const config = sections('config', world.env.AWS_CONFIG_FILE)
  const credentials = sections('credentials', world.env.AWS_SHARED_CREDENTIALS_FILE)
  return {
    profile: (name) => merged(config.get(`profile ${name}`), credentials.get(`profile ${name}`)),
    section: (type, name) => config.get(`${type} ${name}`),
  }
}

export const STATIC = ['aws_access_key_id', 'aws_secret_access_key', 'aws_session_token']

function merged(general: Section | undefined, own: Section | undefined): Section | undefined {
  if (general === undefined || own === undefined) return own ?? general
  // Keys are never mixed: a session token of one file does not belong to the key of the other.
  const rest = [...general].filter(([name]) => !own.has('aws_access_key_id') || !STATIC.includes(name))
  return new Map([...rest, ...own])
}

/** The profile that somebody named. */
export const profileName = ({ profile, env }: Shared): string | undefined => profile || env.AWS_PROFILE || undefined

/** The settings of the profile in use. */
export const selectedProfile = (world: Shared): Section | undefined => sharedFiles(world).profile(profileName(world) ?? 'default')

/** What the SDKs would take, and who gives it: a variable, or the profile in use. */
export interface SdkSetting {
  readonly value: string
  readonly where: string
}

/**
 * A setting that the SDKs know as a variable and, after that, in a profile: `AWS_USE_FIPS_ENDPOINT`, `use_fips_endpoint`.
 *
 * @throws CredentialsError - `CREDENTIALS_INVALID` where the shared files are malformed.
 */
export function sdkSetting(shared: Shared, name: string): SdkSetting | undefined {
  return setting(shared.env[`AWS_${name.toUpperCase()}`], `AWS_${name.toUpperCase()}`) ?? setting(selectedProfile(shared)?.get(name), whereOf(shared))
}

const setting = (value: string | undefined, where: string): SdkSetting | undefined => (value ? { value, where } : undefined)
const whereOf = (shared: Shared): string => `profile ${profileName(shared) ?? 'default'}`

/**
 * The endpoint that environment or profile give a service in place of AWS's own; what is for one service goes before
 * what is for all, and the environment before the profile.
 *
 * @param service - As the SDKs write it: `sts`, `sso_oidc`, `bedrock_runtime`.
 */
export function configuredEndpoint(world: Shared, service: string): SdkSetting | undefined {
  const { env, isOwn = () => false } = world
  const files = sharedFiles(world)
  const profile = files.profile(profileName(world) ?? 'default')
  if ((env.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS || profile?.get('ignore_configured_endpoint_urls'))?.toLowerCase() === 'true') return undefined
  const nested = files.section('services', profile?.get('services') ?? '')?.get(service) ?? ''
  const variable = `AWS_ENDPOINT_URL_${service.toUpperCase()}`
  return [
    setting(env[variable], variable), setting(env.AWS_ENDPOINT_URL, 'AWS_ENDPOINT_URL'),
    setting(/^endpoint_url\s*=\s*(\S+)$/m.exec(nested)?.[1], whereOf(world)), setting(profile?.get('endpoint_url'), whereOf(world)),
  ].find((one) => one !== undefined && !isOwn(one.value))
}

export const homeOf = (env: Shared['env']): string => env.HOME || env.USERPROFILE || (env.HOMEDRIVE ?? '') + (env.HOMEPATH ?? '')

// A sandboxed service may not look into its home folder: that is as good as none. A file that was chosen must be readable.
const ABSENT: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'ERR_ACCESS_DENIED'])

function textOf({ files }: Shared, path: string, chosen: boolean): string {
  try {
    return files.readText(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (chosen ? code === 'ENOENT' : ABSENT.has(code)) return ''
    throw new CredentialsError('CREDENTIALS_INVALID', `a shared file cannot be read (${code})`)
  }
}

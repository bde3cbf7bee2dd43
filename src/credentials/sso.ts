import { createHash } from 'node:crypto'
import { jsonAnswer, temporaryCredentials, timeOf, visible } from './answer.ts'
import { awsUrl } from './endpoint.ts'
import { ask } from './http.ts'
import type { Selected } from './profile.ts'
import { homeOf } from './shared.ts'
import { type Credentials, CredentialsError } from './source.ts'
import { readNamed, type Sight, type World } from './world.ts'

/** What a profile says of IAM Identity Center. */
interface SsoProfile {
  readonly region: string
  readonly accountId: string
  readonly roleName: string
  /** What the file of its token is named after. */
  readonly cacheKey: string
  /** Only tokens of an `sso-session` can be refreshed. */
  readonly isSession: boolean
}

/** Credentials of a role of IAM Identity Center, for the token that `aws sso login` left. */
export async function fromSso(one: Selected, world: World): Promise<Credentials> {
  const sso = ssoProfile(one)
  const url = new URL(`federation/credentials?account_id=${encodeURIComponent(sso.accountId)}&role_name=${encodeURIComponent(sso.roleName)}`, portalUrl(world, sso.region))
  const token = await freshToken(sso, world)
  const { status, body } = await ask(world, { method: 'GET', url, headers: { 'x-amz-sso_bearer_token': token }, timeoutMs: 5000 })
  if (status === 401) throw new CredentialsError('CREDENTIALS_REFUSED', `IAM Identity Center refused the token: ${LOGIN}`)
  if (status !== 200) throw new CredentialsError('CREDENTIALS_REFUSED', `IAM Identity Center gave no credentials of the role (${status})`)
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = Object(jsonAnswer(body).roleCredentials) as Readonly<Record<string, unknown>>
  const expires = Number.isSafeInteger(expiration) && Math.abs(expiration as number) < 8.64e15 ? new Date(expiration as number).toISOString() : undefined
  return temporaryCredentials({ accessKeyId, secretAccessKey, sessionToken, expiration: expires })
}

const LOGIN = 'aws sso login is due'

/** @throws CredentialsError - `CREDENTIALS_INVALID` for a profile that is incomplete, or contradicts its session. */
export function ssoProfile({ profile, files }: Selected): SsoProfile {
  const sessionName = profile.get('sso_session') || undefined
  const session = sessionName === undefined ? profile : files.section('sso-session', sessionName)
  if (session === undefined) throw invalid('the sso_session of the profile stands in no section of the config file')
  for (const name of ['sso_region', 'sso_start_url']) {
    if (profile.get(name) && profile.get(name) !== session.get(name)) throw invalid(`the profile and its sso-session differ in ${name}`)
  }
  const [region, startUrl] = ['sso_region', 'sso_start_url'].map((name) => session.get(name) || undefined)
  const [accountId, roleName] = ['sso_account_id', 'sso_role_name'].map((name) => profile.get(name) || undefined)
  if (accountId === undefined && roleName === undefined) throw invalid('the profile names no sso_account_id and sso_role_name: it is for tokens, not for credentials')
  if (region === undefined || startUrl === undefined || accountId === undefined || roleName === undefined) {
    throw invalid('the profile lacks one of sso_region, sso_start_url, sso_account_id and sso_role_name')
  }
  return { region, accountId, roleName, cacheKey: sessionName ?? startUrl, isSession: sessionName !== undefined }
}

export const portalUrl = (sight: Sight, region: string): URL => awsUrl(sight, { service: 'sso', prefix: 'portal.sso', region })
export const oidcUrl = (sight: Sight, region: string): URL => awsUrl(sight, { service: 'sso_oidc', prefix: 'oidc', region })

const REFRESH_MS = 5 * 60_000

/** The token of the file; a new one where it is about to expire and can be refreshed. */
async function freshToken(sso: SsoProfile, world: World): Promise<string> {
  const path = `${homeOf(world.env)}/.aws/sso/cache/${createHash('sha1').update(sso.cacheKey).digest('hex')}.json`
  const held = jsonAnswer(readNamed(world, path, `the token of IAM Identity Center (${LOGIN})`))
  const leftMs = timeOf(held.expiresAt) - world.signing.clock.nowMs()
  if (leftMs > REFRESH_MS) return visible(held.accessToken, 'the access token')
  const renewed = sso.isSession ? await refreshed(held, sso.region, world).catch(unlessOurs) : undefined
  if (renewed === undefined && leftMs <= 0) throw new CredentialsError('CREDENTIALS_EXPIRED', `the token of IAM Identity Center has expired: ${LOGIN}`)
  if (renewed === undefined) return visible(held.accessToken, 'the access token')
  // Others on this host share it. Where it cannot be written it is fetched once more next time.
  world.files.writeText?.(path, JSON.stringify({ ...held, ...renewed }))
  return renewed.accessToken
}

function unlessOurs(error: unknown): undefined {
  if (!(error instanceof CredentialsError)) throw error
}

/** OIDC CreateToken. */
async function refreshed({ clientId, clientSecret, refreshToken }: Readonly<Record<string, unknown>>, region: string, world: World) {
  if (![clientId, clientSecret, refreshToken].every((one) => typeof one === 'string' && one !== '')) return undefined
  const body = JSON.stringify({ clientId, clientSecret, grantType: 'refresh_token', refreshToken })
  const answer = await ask(world, { method: 'POST', url: new URL('token', oidcUrl(world, region)), headers: { 'content-type': 'application/json' }, body, timeoutMs: 5000 })
  if (answer.status !== 200) return undefined
  const { accessToken, expiresIn, refreshToken: next = refreshToken } = jsonAnswer(answer.body)
  if (typeof expiresIn !== 'number' || !(expiresIn > 0 && expiresIn < 1e9)) throw invalid('the lifetime of the token is missing or malformed')
  return { accessToken: visible(accessToken, 'the access token'), refreshToken: next, expiresAt: new Date(world.signing.clock.nowMs() + expiresIn * 1000).toISOString().replace(/\.\d+/, '') }
}

const invalid = (message: string): CredentialsError => new CredentialsError('CREDENTIALS_INVALID', message)

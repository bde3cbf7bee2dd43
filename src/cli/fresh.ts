import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Secret } from '../secret/index.ts'
import { identityVariables } from '../server/index.ts'
import { type SignedIn, SsoError } from '../sso/index.ts'
import type { Command } from './command.ts'
import { endOf, type Session, SessionError, Sessions } from './sessions.ts'
import { ssoClient, targetOf } from './sso.ts'

const OPTIONS = { proxy: { type: 'string' }, env: { type: 'boolean' }, 'credential-process': { type: 'boolean' } } as const

/** Enough for a request to be on its way. */
const MIN_REST_S = 60

/** Prints the token of a sign-in, a fresh one where it is about to end. */
export const fresh: Pick<Command, 'run'> = {
  async run(args, process) {
    const { values } = parseArgs({ args: [...args], options: OPTIONS })
    try {
      const session = await freshSession(new Sessions(process.env), values.proxy?.replace(/\/$/, ''))
      const form = values.env === true ? exportLines : values['credential-process'] === true ? credentials : plain
      process.stdout.write(`${form(session)}\n`)
      return 0
    } catch (error) {
      if (!(error instanceof SsoError || error instanceof SessionError)) throw error
      process.stderr.write(`${error.message}${error instanceof SsoError && error.detail !== undefined ? ` (${error.detail})` : ''}\n`)
      return 1
    }
  },
}

const plain = ({ token }: Session): string => token

/** Lines for a shell. */
function exportLines({ token, name, isProxy }: Session): string {
  const identity = identityVariables(isProxy ? name : 'https:', token)
  const addresses = ['AWS_ENDPOINT_URL_BEDROCK_RUNTIME', 'AWS_ENDPOINT_URL_BEDROCK', 'ANTHROPIC_BEDROCK_BASE_URL'].map((variable) => [variable, name] as const)
  const lines = [...identity, ...(isProxy ? addresses : [])].map(([variable, value]) => `export ${variable}='${value}'`)
  return [...lines, ...(isProxy ? REGIONS : [])].join('\n')
}

/** The SDKs want one, whichever: the proxy signs anew, for its own. */
const REGIONS = ['AWS_REGION', 'AWS_DEFAULT_REGION'].map((variable) => `export ${variable}="\${${variable}:-us-east-1}"`)

/** What AWS's SDKs expect of a `credential_process`: they sign with a key that is none, and the proxy looks at the session token alone. */
function credentials({ token }: Session): string {
  return JSON.stringify({ Version: 1, AccessKeyId: 'none', SecretAccessKey: 'none', SessionToken: token, Expiration: new Date(endOf(token)! * 1000).toISOString() })
}

const restS = ({ token }: Session): number => (endOf(token) ?? 0) - Date.now() / 1000

async function freshSession(sessions: Sessions, name: string | undefined): Promise<Session> {
  const session = sessions.read(name)
  if (restS(session) > MIN_REST_S) return session
  return sessions.alone(session.name, async () => {
    // Another process may have been faster.
    const latest = sessions.read(session.name)
    if (restS(latest) > MIN_REST_S) return latest
    const next = await refreshed(latest)
    sessions.write(next)
    return next
  })
}

async function refreshed(session: Session): Promise<Session> {
  const { login, refreshToken, subject, caFile, name, isProxy } = session
  const again = new SessionError(`the sign-in has ended: bedrock-sso-proxy login ${isProxy ? `--proxy ${name}` : `--issuer ${login.issuer} --client-id ${login.client_id}`}`)
  if (refreshToken === undefined) throw again
  try {
    const signedIn = await clientOf(login, caFile).refresh(refreshToken, subject)
    return { ...session, token: tokenOf(signedIn, login.token), refreshToken: signedIn.refreshToken }
  } catch (error) {
    throw error instanceof SsoError && error.code === 'SSO_GRANT_REFUSED' ? again : error
  }
}

/** The public client that people log in with. */
export function clientOf(login: Session['login'], caFile: string | undefined) {
  const { issuer, client_id: clientId, client_secret: secret, scopes, parameters } = login
  return ssoClient({ issuer, clientId, clientSecret: secret === undefined ? undefined : new Secret(secret), scopes, parameters, target: targetOf(login) }, { ca: caFile && readFileSync(caFile, 'utf8') })
}

/**
 * The token that clients are to show.
 *
 * @throws SessionError - where it is none that could be checked.
 */
export function tokenOf({ idToken, accessToken }: SignedIn, kind: 'id' | 'access'): string {
  const token = kind === 'id' ? idToken : accessToken
  if (token !== undefined && endOf(token) !== undefined) return token
  throw new SessionError(kind === 'id'
    ? 'the issuer gave no ID token this time: it needs access tokens, sso.token'
    : 'the access token of the issuer is no JWT: ask for a resource or an audience, or use the ID token')
}

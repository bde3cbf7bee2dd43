import { createHash } from 'node:crypto'
import { encodeUri, type Pair, sign } from '../sigv4/index.ts'
import { temporaryCredentials } from './answer.ts'
import { awsUrl } from './endpoint.ts'
import { ask, type HttpAnswer, type HttpRequest } from './http.ts'
import { type Credentials, CredentialsError } from './source.ts'
import { readNamed, type Sight, type World } from './world.ts'

/** Credentials of a role for a token of another issuer, as Kubernetes gives to a pod (IRSA); from the environment. */
export const fromWebIdentityEnvironment = (world: World): Promise<Credentials> => fromWebIdentity(world, webIdentityOf(world.env))

/** @throws CredentialsError - `CREDENTIALS_NOT_FOUND` where the environment holds none. */
export function webIdentityOf(env: Sight['env']): WebIdentity {
  const { AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile, AWS_ROLE_ARN: roleArn, AWS_ROLE_SESSION_NAME: sessionName } = env
  if (!tokenFile || !roleArn) throw new CredentialsError('CREDENTIALS_NOT_FOUND', 'AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are not both set')
  return { tokenFile, roleArn, sessionName: sessionName || undefined }
}

export interface WebIdentity {
  readonly tokenFile: string
  readonly roleArn: string
  readonly sessionName: string | undefined
}

/** AssumeRoleWithWebIdentity, the one STS action that is not signed: the token, read anew each time, says who asks. */
export async function fromWebIdentity(world: World, { tokenFile, roleArn, sessionName = 'bedrock-sso-proxy' }: WebIdentity): Promise<Credentials> {
  const token = readNamed(world, tokenFile, 'the file of the web identity token').trim()
  if (token === '') throw new CredentialsError('CREDENTIALS_INVALID', 'the file of the web identity token is empty')
  const body = form([['Action', 'AssumeRoleWithWebIdentity'], ['Version', VERSION], ['RoleArn', roleArn], ['RoleSessionName', sessionName], ['WebIdentityToken', token]])
  return credentialsIn(await ask(world, { method: 'POST', url: stsUrl(world), headers: FORM, body, timeoutMs: TIMEOUT_MS }, isPassing), 'the web identity')
}

/** A session of a role. Its parts are in AWS's alphabets and lengths, or STS refuses them. */
export interface RoleSession {
  readonly roleArn: string
  readonly sessionName: string
  readonly durationS: number
  readonly externalId?: string | undefined
  readonly sourceIdentity?: string | undefined
  readonly tags?: readonly (readonly [key: string, value: string])[] | undefined
}

/** AssumeRole, signed with the credentials of who may. */
export async function assumeRole(world: World, { roleArn, sessionName, durationS, externalId, sourceIdentity, tags = [] }: RoleSession, base: Credentials): Promise<Credentials> {
  return credentialsIn(await askSts(world, [
    ['Action', 'AssumeRole'], ['Version', VERSION], ['RoleArn', roleArn], ['RoleSessionName', sessionName], ['DurationSeconds', String(durationS)],
    ...tags.flatMap(([key, value], i): Pair[] => [[`Tags.member.${i + 1}.Key`, key], [`Tags.member.${i + 1}.Value`, value]]),
    ...(externalId === undefined ? [] : [['ExternalId', externalId] as const]),
    ...(sourceIdentity === undefined ? [] : [['SourceIdentity', sourceIdentity] as const]),
  ], base), 'the role', BASE_REFUSED)
}

/** GetCallerIdentity, which nobody can be denied: whom AWS takes the owner of these credentials for. */
export async function callerIdentity(world: World, base: Credentials): Promise<string> {
  const answer = await askSts(world, [['Action', 'GetCallerIdentity'], ['Version', VERSION]], base)
  const arn = /<Arn>(arn:[\w:/+=,.@-]{1,2048})<\/Arn>/.exec(answer.body)?.[1]
  if (answer.status !== 200 || arn === undefined) throw new CredentialsError('CREDENTIALS_REFUSED', `STS does not say who we are (${errorOf(answer) ?? answer.status})`)
  return arn
}

/** Errors that are about the credentials the role was asked for with. */
const BASE_REFUSED: ReadonlySet<string | undefined> = new Set(['ExpiredToken', 'ExpiredTokenException', 'InvalidClientTokenId', 'UnrecognizedClientException'])

const VERSION = '2011-06-15'
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const TIMEOUT_MS = 5000

const form = (pairs: readonly Pair[]): string => pairs.map(([name, value]) => `${name}=${encodeUri(value)}`).join('&')

/** A signed request; once more where its answer shows that our clock is wrong. */
async function askSts(world: World, pairs: readonly Pair[], base: Credentials): Promise<HttpAnswer> {
  const { clock } = world.signing
  const signedMs = clock.nowMs()
  const answer = await ask(world, signedRequest(world, form(pairs), base), isPassing)
  return answer.status === 403 && clock.learn(answer.date, signedMs) ? ask(world, signedRequest(world, form(pairs), base), isPassing) : answer
}

function signedRequest(world: World, body: string, { accessKeyId, secretAccessKey, sessionToken }: Credentials): HttpRequest {
  const url = stsUrl(world)
  const keys = { accessKeyId, secretAccessKey: secretAccessKey.reveal(), sessionToken: sessionToken?.reveal() }
  const payloadHash = createHash('sha256').update(body).digest('hex')
  const headers: readonly Pair[] = [['host', url.host], ...Object.entries(FORM)]
  const request = { method: 'POST', path: url.pathname, query: [], headers, payloadHash, sendPayloadHash: true }
  const signed = sign(request, keys, { region: world.region, service: 'sts' }, world.signing.clock.stamp(), world.signing.keys)
  return { method: 'POST', url, headers: Object.fromEntries([...headers, ...signed]), body, timeoutMs: TIMEOUT_MS }
}

function credentialsIn(answer: HttpAnswer, what: string, expired?: ReadonlySet<string | undefined>): Credentials {
  if (answer.status !== 200) throw new CredentialsError(expired?.has(errorOf(answer)) ? 'CREDENTIALS_EXPIRED' : 'CREDENTIALS_REFUSED', `STS refused ${what} (${errorOf(answer) ?? answer.status})`)
  const element = (name: string) => new RegExp(`<${name}>([^<&]*)</${name}>`).exec(answer.body)?.[1]
  const [accessKeyId, secretAccessKey, sessionToken, expiration] = ['AccessKeyId', 'SecretAccessKey', 'SessionToken', 'Expiration'].map(element)
  return temporaryCredentials({ accessKeyId, secretAccessKey, sessionToken, expiration })
}

// Errors with status 400 that another attempt may cure (STS API reference, "Errors").
const PASSING: ReadonlySet<string | undefined> = new Set(['Throttling', 'ThrottlingException', 'RequestLimitExceeded', 'IDPCommunicationError'])
const isPassing = (answer: HttpAnswer): boolean => answer.status !== 200 && PASSING.has(errorOf(answer))

/** Name of an STS error: letters only, so that nothing else of the answer gets into a message. */
const errorOf = ({ body }: HttpAnswer): string | undefined => /<Code>([A-Za-z.]{1,64})<\/Code>/.exec(body)?.[1]

export const stsUrl = (sight: Sight): URL => awsUrl(sight, { service: 'sts', prefix: 'sts', region: sight.region, endpoint: sight.stsEndpoint })

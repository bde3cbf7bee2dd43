import { partitionOf } from '../partition/index.ts'
import { temporaryCredentials } from './answer.ts'
import { ask, type HttpAnswer } from './http.ts'
import { type Credentials, CredentialsError } from './source.ts'
import { readNamed, type Sight, webUrl, type World } from './world.ts'

/** Credentials of a role for a token of another issuer, as Kubernetes gives to a pod (IRSA); from the environment. */
export function fromWebIdentityEnvironment(world: World): Promise<Credentials> {
  const { AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile, AWS_ROLE_ARN: roleArn, AWS_ROLE_SESSION_NAME: sessionName } = world.env
  if (!tokenFile || !roleArn) throw new CredentialsError('CREDENTIALS_NOT_FOUND', 'AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are not both set')
  return fromWebIdentity(world, { tokenFile, roleArn, sessionName: sessionName || undefined })
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
  const form = { Action: 'AssumeRoleWithWebIdentity', Version: '2011-06-15', RoleArn: roleArn, RoleSessionName: sessionName, WebIdentityToken: token }
  const body = Object.entries(form).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')
  const request = { method: 'POST', url: stsEndpoint(world), headers: { 'content-type': 'application/x-www-form-urlencoded' }, body, timeoutMs: 5000 } as const
  const answer = await ask(world, request, isPassing)
  if (answer.status !== 200) throw new CredentialsError('CREDENTIALS_REFUSED', `STS refused the web identity (${errorOf(answer) ?? answer.status})`)
  const element = (name: string) => new RegExp(`<${name}>([^<&]*)</${name}>`).exec(answer.body)?.[1]
  const [accessKeyId, secretAccessKey, sessionToken, expiration] = ['AccessKeyId', 'SecretAccessKey', 'SessionToken', 'Expiration'].map(element)
  return temporaryCredentials({ accessKeyId, secretAccessKey, sessionToken, expiration })
}

// Errors with status 400 that another attempt may cure (STS API reference, "Errors").
const PASSING: ReadonlySet<string | undefined> = new Set(['Throttling', 'ThrottlingException', 'RequestLimitExceeded', 'IDPCommunicationError'])
const isPassing = (answer: HttpAnswer): boolean => answer.status !== 200 && PASSING.has(errorOf(answer))

/** Name of an STS error: letters only, so that nothing else of the answer gets into a message. */
const errorOf = ({ body }: HttpAnswer): string | undefined => /<Code>([A-Za-z.]{1,64})<\/Code>/.exec(body)?.[1]

/** @throws CredentialsError - `CREDENTIALS_INVALID` for a malformed region or endpoint. */
export function stsEndpoint({ env, region, fips }: Sight): URL {
  const chosen = env.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS?.toLowerCase() === 'true' ? undefined : env.AWS_ENDPOINT_URL_STS || env.AWS_ENDPOINT_URL
  if (chosen) return webUrl(chosen, 'the endpoint of STS')
  // It becomes a host name: a region of a file must not make it another company's.
  if (!/^[a-z0-9-]{1,63}$/.test(region)) throw new CredentialsError('CREDENTIALS_INVALID', 'the region is malformed')
  // GovCloud's ordinary endpoints are the FIPS ones.
  return new URL(`https://sts${fips && !region.startsWith('us-gov-') ? '-fips' : ''}.${region}.${partitionOf(region).suffix}/`)
}

import { jsonAnswer, temporaryCredentials } from './answer.ts'
import { ask, type HttpAnswer } from './http.ts'
import { selectedProfile } from './shared.ts'
import { type Credentials, CredentialsError } from './source.ts'
import { type Shared, webUrl, type World } from './world.ts'

const ROLES = '/latest/meta-data/iam/security-credentials/'

/**
 * Credentials of the instance's role, from the instance metadata service, version 2.
 *
 * Never version 1: it gives them to whoever can make the proxy, or any other program here, fetch a URL.
 */
export async function fromInstance(world: World): Promise<Credentials> {
  const read = await openSession(world, metadataUrl(world))
  const roles = await read(ROLES)
  if (roles.status === 404) throw new CredentialsError('CREDENTIALS_NOT_FOUND', 'the instance has no role')
  const role = bodyOf(roles).split('\n', 1)[0]!.trim()
  if (!/^[\w+=,.@-]{1,64}$/.test(role)) throw new CredentialsError('CREDENTIALS_INVALID', 'the instance metadata service named no role')
  const { Code, AccessKeyId, SecretAccessKey, Token, Expiration } = jsonAnswer(bodyOf(await read(ROLES + role)))
  if (Code !== 'Success') throw new CredentialsError('CREDENTIALS_REFUSED', 'the instance metadata service could not assume the role')
  return temporaryCredentials({ accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token, expiration: Expiration })
}

function bodyOf({ status, body }: HttpAnswer): string {
  if (status !== 200) throw new CredentialsError('CREDENTIALS_REFUSED', `the instance metadata service answered ${status}`)
  return body
}

/** A reader of paths. A token that is refused on the way is replaced once for each path. */
async function openSession(world: World, base: URL): Promise<(path: string) => Promise<HttpAnswer>> {
  let token = await sessionToken(world, base)
  const get = (path: string) => ask(world, { method: 'GET', url: new URL(path, base), headers: { 'x-aws-ec2-metadata-token': token }, timeoutMs: 1000 })
  return async (path) => {
    const answer = await get(path)
    if (answer.status !== 401) return answer
    token = await sessionToken(world, base)
    return get(path)
  }
}

async function sessionToken(world: World, base: URL): Promise<string> {
  const headers = { 'x-aws-ec2-metadata-token-ttl-seconds': '21600' }
  const { status, body } = await ask(world, { method: 'PUT', url: new URL('/latest/api/token', base), headers, timeoutMs: 1000 }).catch(explain)
  if (status === 403) throw new CredentialsError('CREDENTIALS_REFUSED', 'the instance metadata service is disabled')
  if (status === 404 || status === 405) throw new CredentialsError('CREDENTIALS_REFUSED', 'the instance metadata service has no version 2, and version 1 is never used')
  if (status !== 200 || !/^[\x21-\x7e]+$/.test(body)) throw new CredentialsError('CREDENTIALS_REFUSED', 'the instance metadata service gave no token')
  return body
}

// The answer to PUT comes with the instance's hop limit as its TTL: at 1 it dies at the bridge of a container.
function explain(error: unknown): never {
  if (!(error instanceof CredentialsError)) throw error
  throw new CredentialsError('CREDENTIALS_NOT_FOUND', 'no answer from the instance metadata service: no EC2 instance, or a container behind a hop limit of 1 (set HttpPutResponseHopLimit to 2)')
}

const MODES: ReadonlyMap<string, string> = new Map([['ipv4', 'http://169.254.169.254'], ['ipv6', 'http://[fd00:ec2::254]']])

/** Where the service is, unless it is not to be asked: the address that is set, else the mode's; of both the environment goes before the profile. */
export function metadataUrl(world: Shared): URL {
  const disabled = world.env.AWS_EC2_METADATA_DISABLED
  if (disabled && disabled.toLowerCase() !== 'false') throw new CredentialsError('CREDENTIALS_NOT_FOUND', 'AWS_EC2_METADATA_DISABLED is set')
  const profile = selectedProfile(world)
  const set = (name: string) => world.env[`AWS_${name.toUpperCase()}`] || profile?.get(name) || undefined
  const address = set('ec2_metadata_service_endpoint') ?? MODES.get((set('ec2_metadata_service_endpoint_mode') ?? 'IPv4').toLowerCase())
  if (address === undefined) throw new CredentialsError('CREDENTIALS_INVALID', 'the mode of the instance metadata service is neither IPv4 nor IPv6')
  return webUrl(address, 'the endpoint of the instance metadata service')
}

import { jsonAnswer, temporaryCredentials } from './answer.ts'
import { ask } from './http.ts'
import { type Credentials, CredentialsError } from './source.ts'
import { readNamed, webUrl, type World } from './world.ts'

/** Credentials of the task or pod, from the agent beside the container (ECS, EKS Pod Identity). */
export async function fromContainer(world: World): Promise<Credentials> {
  const url = containerUrl(world.env)
  const token = authorization(world)
  const answer = await ask(world, { method: 'GET', url, headers: token === undefined ? {} : { authorization: token }, timeoutMs: 2000 })
  if (answer.status !== 200) throw new CredentialsError('CREDENTIALS_REFUSED', `the container's credentials endpoint answered ${answer.status}`)
  const { AccessKeyId, SecretAccessKey, Token, Expiration } = jsonAnswer(answer.body)
  return temporaryCredentials({ accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token, expiration: Expiration })
}

const AGENT = 'http://169.254.170.2'

// Without TLS the token, and the answer, go only to what cannot be far away: loopback, and the agents of ECS and EKS.
const NEAR = /^(?:localhost|127(?:\.\d+){3}|\[::1\]|169\.254\.170\.2|169\.254\.170\.23|\[fd00:ec2::23\])$/

/** @throws CredentialsError - for a URL that would send the token to a stranger. */
export function containerUrl({ AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: relative, AWS_CONTAINER_CREDENTIALS_FULL_URI: full }: World['env']): URL {
  if (relative) {
    // Appended as it is, "@host/" would make the agent's address a user name.
    if (!relative.startsWith('/')) throw new CredentialsError('CREDENTIALS_INVALID', 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with a slash')
    return webUrl(AGENT + relative, 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI')
  }
  if (!full) throw new CredentialsError('CREDENTIALS_NOT_FOUND', 'no AWS_CONTAINER_CREDENTIALS_… variable is set')
  const url = webUrl(full, 'AWS_CONTAINER_CREDENTIALS_FULL_URI')
  if (url.protocol === 'http:' && !NEAR.test(url.hostname)) throw new CredentialsError('CREDENTIALS_INVALID', 'AWS_CONTAINER_CREDENTIALS_FULL_URI names a host that needs https')
  return url
}

function authorization(world: World): string | undefined {
  const { AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file, AWS_CONTAINER_AUTHORIZATION_TOKEN: fixed } = world.env
  const token = file ? readNamed(world, file, 'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE') : fixed || undefined
  // A line end would begin a header of its own.
  if (token !== undefined && !/^[\x20-\x7e]+$/.test(token)) throw new CredentialsError('CREDENTIALS_INVALID', "the container's authorization token is empty or holds a line end")
  return token
}

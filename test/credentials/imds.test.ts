import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HttpAnswer, HttpRequest } from '../../src/credentials/http.ts'
import { fromInstance, metadataUrl } from '../../src/credentials/imds.ts'
import { CredentialsError } from '../../src/credentials/source.ts'
import { secret } from '../kit/leaks.ts'
import { conformance, readJson } from '../kit/vectors.ts'
import { disk, failure, revealed, unreachable, world } from './kit.ts'

interface Case {
  readonly _name: string
  readonly env: Readonly<Record<string, string>>
  readonly fs: Record<string, string>
  readonly endpoint_override?: string
  readonly mode_override?: string
  readonly result: { readonly Ok?: string }
}

conformance('aws-credentials', (folder) => {
  for (const { _name, env, fs, endpoint_override, mode_override, result } of readJson<Case[]>(folder, 'open', 'imds-endpoint-tests.json')) {
    test(_name, async () => {
      // The suite's overrides are arguments of a client; ours come from the environment.
      const overrides = { ...(endpoint_override && { AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint_override }), ...(mode_override && { AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: mode_override }) }
      const host = world({ env: { ...env, ...overrides }, files: disk(fs) })
      if (result.Ok === undefined) await failure(() => { throw metadataUrl(host) }, 'CREDENTIALS_INVALID')
      else assert.equal(new URL('/latest/api/token', metadataUrl(host)).href, result.Ok)
    })
  }
})

const ROLES = 'GET /latest/meta-data/iam/security-credentials/'
const TOKEN = 'PUT /latest/api/token'
const KEYS = { Code: 'Success', AccessKeyId: 'ASIAEC2', SecretAccessKey: secret('the secret of the instance', 'ec2secret'), Token: 'ec2token', Expiration: '2026-03-01T18:00:00Z' }

/** An instance with a role, where some answers are others: one for each time, the last one for ever. */
function instance(others: Readonly<Record<string, readonly (Partial<HttpAnswer> | Error)[]>> = {}) {
  const seen: string[] = []
  const headers: Readonly<Record<string, string>>[] = []
  const usual: Readonly<Record<string, string>> = { [TOKEN]: secret('the token of the metadata service', 'metadatatoken'), [ROLES]: 'app', [`${ROLES}app`]: JSON.stringify(KEYS) }
  const http = async (request: HttpRequest): Promise<HttpAnswer> => {
    const name = `${request.method} ${request.url.pathname}`
    const times = seen.filter((other) => other === name).length
    seen.push(name)
    headers.push(request.headers)
    const answer = others[name]?.[Math.min(times, others[name].length - 1)]
    if (answer instanceof Error) throw answer
    return { status: 200, body: usual[name]!, ...answer }
  }
  return { seen, headers, load: () => fromInstance(world({ http })) }
}

test('a session token is taken first, and goes with each request', async () => {
  const { seen, headers, load } = instance()
  assert.deepEqual(revealed(await load()), { accessKeyId: 'ASIAEC2', secretAccessKey: 'ec2secret', sessionToken: 'ec2token', expiresMs: Date.parse(KEYS.Expiration) })
  assert.deepEqual(seen, [TOKEN, ROLES, `${ROLES}app`])
  assert.deepEqual(headers, [{ 'x-aws-ec2-metadata-token-ttl-seconds': '21600' }, { 'x-aws-ec2-metadata-token': 'metadatatoken' }, { 'x-aws-ec2-metadata-token': 'metadatatoken' }])
})

test('version 1 is never used: without a token nothing else is asked', async () => {
  for (const [answer, code, why] of [
    [{ status: 403 }, 'CREDENTIALS_REFUSED', /disabled/],
    [{ status: 404 }, 'CREDENTIALS_REFUSED', /no version 2/],
    [{ status: 405 }, 'CREDENTIALS_REFUSED', /no version 2/],
    [{ status: 400 }, 'CREDENTIALS_REFUSED', /gave no token/],
    [{ body: '' }, 'CREDENTIALS_REFUSED', /gave no token/],
    [{ body: 'a\r\nb' }, 'CREDENTIALS_REFUSED', /gave no token/],
    [new CredentialsError('CREDENTIALS_TIMEOUT', 'there was no answer in time'), 'CREDENTIALS_NOT_FOUND', /hop limit of 1 \(set HttpPutResponseHopLimit to 2\)/],
    [new CredentialsError('CREDENTIALS_UNREACHABLE', 'the connection failed'), 'CREDENTIALS_NOT_FOUND', /no EC2 instance/],
  ] as const) {
    const { seen, load } = instance({ [TOKEN]: [answer] })
    const { message } = await failure(load, code)
    assert.match(message, why)
    assert.deepEqual([...new Set(seen)], [TOKEN])
  }
})

test('a timeout is not waited for a second time', async () => {
  const { seen, load } = instance({ [TOKEN]: [new CredentialsError('CREDENTIALS_TIMEOUT', 'there was no answer in time')] })
  await failure(load, 'CREDENTIALS_NOT_FOUND')
  assert.equal(seen.length, 1)
})

test('a session token that is refused is replaced, once for each request', async () => {
  const { seen, load } = instance({ [ROLES]: [{ status: 401 }, {}] })
  assert.equal(revealed(await load()).accessKeyId, 'ASIAEC2')
  assert.deepEqual(seen, [TOKEN, ROLES, TOKEN, ROLES, `${ROLES}app`])
  const stubborn = instance({ [ROLES]: [{ status: 401 }] })
  await failure(stubborn.load, 'CREDENTIALS_REFUSED')
  assert.deepEqual(stubborn.seen, [TOKEN, ROLES, TOKEN, ROLES])
})

test('an instance without a role has none; one whose role cannot be assumed is refused', async () => {
  await failure(instance({ [ROLES]: [{ status: 404 }] }).load, 'CREDENTIALS_NOT_FOUND')
  await failure(instance({ [`${ROLES}app`]: [{ body: '{"Code":"AssumeRoleUnauthorizedAccess"}' }] }).load, 'CREDENTIALS_REFUSED')
  await failure(instance({ [`${ROLES}app`]: [{ status: 404 }] }).load, 'CREDENTIALS_REFUSED')
})

test('the name of the role cannot lead to another path', async () => {
  for (const body of ['', '../../user-data', 'a/b', 'a?b', 'a%2fb', 'x'.repeat(65)]) await failure(instance({ [ROLES]: [{ body }] }).load, 'CREDENTIALS_INVALID')
})

test('AWS_EC2_METADATA_DISABLED is heeded unless it says false', async () => {
  for (const value of ['true', 'TRUE', '1', 'yes']) {
    const { message } = await failure(() => fromInstance(world({ env: { AWS_EC2_METADATA_DISABLED: value } })), 'CREDENTIALS_NOT_FOUND')
    assert.match(message, /AWS_EC2_METADATA_DISABLED/)
  }
  for (const value of ['false', 'False', '']) {
    const { message } = await failure(() => fromInstance(world({ env: { AWS_EC2_METADATA_DISABLED: value }, http: unreachable })), 'CREDENTIALS_NOT_FOUND')
    assert.match(message, /no answer/)
  }
})

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { CredentialsErrorCode, Files } from '../../src/credentials/index.ts'
import { type HttpClient, httpClient } from '../../src/credentials/http.ts'
import { conformance, readJson } from '../kit/vectors.ts'
import { chain, Clock, disk, failure, type Received, revealed, serve } from './kit.ts'

interface Entry {
  readonly name: string
  readonly result: { readonly Ok?: { readonly access_key_id: string; readonly secret_access_key: string; readonly session_token?: string; readonly expiry?: number } }
}

type Action =
  | { readonly Request: { readonly request: { readonly uri: string; readonly method: string; readonly headers: Readonly<Record<string, readonly string[]>> } } }
  | { readonly Data: { readonly data: { readonly Utf8: string }; readonly direction: 'Request' | 'Response' } }
  | { readonly Response: { readonly response: { readonly Ok: { readonly status: number } } } }
  | { readonly Eof: unknown }

interface Exchange {
  uri: string
  method: string
  headers: Readonly<Record<string, readonly string[]>>
  sent: string
  status: number
  answer: string
}

const LATER: Readonly<Record<string, RegExp>> = { role: /through role_arn/, process: /through credential_process/, sso: /through sso_session/ }

/** Cases of providers that are not built: refused by name, before anything is sent. */
const UNSUPPORTED: Readonly<Record<string, readonly string[]>> = {
  role: [
    'default-credential-provider-chain/ecs_assume_role', 'default-credential-provider-chain/imds_assume_role',
    'default-credential-provider-chain/imds_no_iam_role', 'default-credential-provider-chain/imds_token_fail',
    'default-credential-provider-chain/profile_overrides_web_identity', 'default-credential-provider-chain/web_identity_source_profile_no_env',
    'default-credential-provider-chain/web_identity_token_invalid_jwt', 'default-credential-provider-chain/web_identity_token_source_profile',
    'profile-provider/assume_role_override_global_env_url', 'profile-provider/assume_role_override_global_profile_url',
    'profile-provider/assume_role_override_service_env_url', 'profile-provider/assume_role_override_service_profile_url',
    'profile-provider/e2e_assume_role', 'profile-provider/region_override',
  ],
  process: ['profile-provider/credential_process_failure', 'profile-provider/credential_process_invalid'],
  sso: [
    'default-credential-provider-chain/e2e_fips_and_dual_stack_sso', 'default-credential-provider-chain/sso_assume_role',
    'default-credential-provider-chain/sso_no_token_file', 'default-credential-provider-chain/sso_server_error',
    'profile-provider/invalid_sso_credentials_config', 'profile-provider/sso_credentials', 'profile-provider/sso_token',
    // Bearer tokens of services that take no SigV4: never credentials.
    'default-token-provider-chain/profile_keys', 'default-token-provider-chain/profile_keys_case_insensitive',
  ],
}

/** Cases that fail, with our code and the cause our message names. All others must give the recorded credentials. */
const FAILURES: Readonly<Record<string, readonly [CredentialsErrorCode, RegExp]>> = {
  'default-credential-provider-chain/eks_pod_identity_no_token_file': ['CREDENTIALS_INVALID', /AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE cannot be read \(ENOENT\)/],
  'default-credential-provider-chain/imds_default_chain_error': ['CREDENTIALS_NOT_FOUND', /the instance has no role/],
  'default-credential-provider-chain/imds_disabled': ['CREDENTIALS_NOT_FOUND', /AWS_EC2_METADATA_DISABLED is set/],
  'profile-provider/empty_config': ['CREDENTIALS_NOT_FOUND', /no default profile/],
  'profile-provider/invalid_config': ['CREDENTIALS_INVALID', /line 2 of the shared config file/],
}

/** Recordings behind a later provider, played without it. */
const BARE: readonly (readonly [string, { readonly env?: Record<string, string>; readonly noFiles?: true }, CredentialsErrorCode, RegExp])[] = [
  ['default-credential-provider-chain/web_identity_token_invalid_jwt', { env: { AWS_PROFILE: 'B' } }, 'CREDENTIALS_REFUSED', /STS refused the web identity \(InvalidIdentityToken\)/],
  ['default-credential-provider-chain/imds_no_iam_role', { noFiles: true }, 'CREDENTIALS_NOT_FOUND', /the instance has no role/],
  ['default-credential-provider-chain/imds_token_fail', { noFiles: true }, 'CREDENTIALS_REFUSED', /metadata service is disabled/],
]

conformance('aws-credentials', (folder) => {
  const root = join(folder, 'open')

  for (const { name, result } of readJson<Entry[]>(root, 'recorded-index.json')) {
    const [later] = Object.entries(UNSUPPORTED).find(([, names]) => names.includes(name)) ?? []
    const [code, why] = later !== undefined ? ['CREDENTIALS_UNSUPPORTED', LATER[later]!] as const : FAILURES[name] ?? []
    test(`${name}: ${later !== undefined ? 'refused by name' : 'as recorded'}`, async () => {
      const host = await replay(root, name, (result.Ok?.expiry ?? 0) * 1000)
      if (code !== undefined) {
        assert.match((await failure(() => host.source.get(), code)).message, why!)
        if (later !== undefined) assert.equal(host.played(), 0, 'something was sent')
        return
      }
      const { access_key_id, secret_access_key, session_token, expiry } = result.Ok!
      assert.deepEqual(revealed(await host.source.get()), { accessKeyId: access_key_id, secretAccessKey: secret_access_key, sessionToken: session_token, expiresMs: expiry && expiry * 1000 })
      assert.equal(host.played(), host.recorded, 'not all was asked')
    })
  }

  for (const [name, change, code, why] of BARE) {
    test(`${name}: its traffic, without the role`, async () => {
      const host = await replay(root, name, 0, change)
      assert.match((await failure(() => host.source.get(), code)).message, why)
      assert.equal(host.played(), host.recorded)
    })
  }
})

/** A host with the environment and files of a case, an hour before its credentials expire, whose network is the recording. */
async function replay(root: string, name: string, expiresMs: number, { env = {}, noFiles }: { readonly env?: Record<string, string>; readonly noFiles?: true } = {}) {
  const given = readJson<Record<string, string>>(root, name, 'env.json')
  const exchanges = recording(readJson<{ events: { connection_id: number; action: Action }[] }>(root, name, 'http-traffic.json').events)
  let played = 0
  const url = await serve((received, response) => {
    const exchange = exchanges[played++]
    const fault = exchange === undefined ? 'more than was recorded' : difference(exchange, received)
    if (fault !== undefined) return response.writeHead(418, fault).end()
    response.writeHead(exchange!.status).end(exchange!.answer)
  })
  const clock = new Clock()
  clock.now = expiresMs - 3_600_000
  // The cases of one provider know nothing of the others.
  const alone = name.startsWith('profile-provider/') ? { AWS_EC2_METADATA_DISABLED: 'true', AWS_ACCESS_KEY_ID: '' } : {}
  const files = noFiles ? disk({}) : folderAs(join(root, name, 'fs'))
  const source = chain({ env: { ...given, ...alone, ...env }, region: given.AWS_REGION ?? 'us-east-1', clock, files, http: through(url) })
  return { source, recorded: exchanges.length, played: () => played }
}

function folderAs(folder: string): Files {
  return { readText: (path) => (existsSync(folder) ? readFileSync(join(folder, path), 'utf8') : disk({}).readText(path)) }
}

/** The real client, to a server that is told whom it stands for. */
function through(url: string): HttpClient {
  const client = httpClient()
  return (request, closing) => client({ ...request, url: new URL(request.url.pathname + request.url.search, url), headers: { ...request.headers, 'x-meant-for': request.url.href } }, closing)
}

function recording(events: readonly { readonly connection_id: number; readonly action: Action }[]): Exchange[] {
  const exchanges: Exchange[] = []
  for (const { connection_id, action } of events) {
    const exchange = (exchanges[connection_id] ??= { uri: '', method: '', headers: {}, sent: '', status: 0, answer: '' })
    if ('Request' in action) Object.assign(exchange, action.Request.request)
    if ('Response' in action) exchange.status = action.Response.response.Ok.status
    if ('Data' in action) exchange[action.Data.direction === 'Request' ? 'sent' : 'answer'] += action.Data.data.Utf8
  }
  return exchanges
}

/** What tells a service who asks. */
const TELLING = ['x-aws-ec2-metadata-token', 'x-aws-ec2-metadata-token-ttl-seconds', 'authorization', 'x-amz-security-token']

function difference({ uri, method, headers, sent }: Exchange, received: Received): string | undefined {
  if (received.method !== method) return 'another method'
  if (received.headers['x-meant-for'] !== new URL(uri).href) return 'another URL'
  if (TELLING.some((name) => received.headers[name] !== headers[name]?.[0])) return 'other credentials'
  // Role and token of the recordings are not those of their files, and each SDK names its sessions its own way.
  const shape = (form: string) => [...new URLSearchParams(form)].map(([name, value]) => (/^(Action|Version)$/.test(name) ? [name, value] : name))
  return JSON.stringify(shape(received.body)) === JSON.stringify(shape(sent)) ? undefined : 'another form'
}

interface SdkCase {
  readonly case: string
  readonly env?: Readonly<Record<string, string>>
  readonly requests: readonly { readonly method: string; readonly target: string; readonly headers: readonly (readonly [string, string])[]; readonly body: { readonly utf8: string } }[]
}

conformance('bedrock-contract', (folder) => {
  const cases = readJson<{ aws_credential_provider_requests_js: SdkCase[] }>(folder, 'client-requests.json').aws_credential_provider_requests_js
  const answers: Readonly<Record<string, string>> = {
    '/': '<Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2026-03-01T18:00:00Z</Expiration></Credentials>',
    '/latest/api/token': 'IMDSTOKEN==',
    '/latest/meta-data/iam/security-credentials/': 'my-role',
  }
  const json = JSON.stringify({ Code: 'Success', AccessKeyId: 'ASIA', SecretAccessKey: 's', Token: 't', Expiration: '2026-03-01T18:00:00Z' })
  const texts = { './jwt': 'eyJ.web.identity', './k8stoken': 'POD-IDENTITY-TOKEN', '/.aws/config': '[profile webid]\nrole_arn = arn:aws:iam::111122223333:role/proxy\nweb_identity_token_file = ./jwt\n' }

  for (const { case: name, env, requests } of cases.filter(({ case: name }) => /^(web_identity|container|imds)/.test(name))) {
    test(`${name}: we send what the JS SDK sends`, async () => {
      const seen: Received[] = []
      const url = await serve((received, response) => {
        seen.push(received)
        response.end(answers[received.target] ?? json)
      })
      const local = Object.fromEntries(Object.entries(env ?? {}).map(([key, value]) => [key, value.replace(/^http:\/\/127\.0\.0\.1:\d+/, url)]))
      await chain({ env: { ...local, AWS_ENDPOINT_URL_STS: url }, texts, http: httpClient() }).get()
      const telling = (headers: readonly (readonly [string, string | undefined])[]) => headers.map(([key, value]) => [key.toLowerCase(), value] as const).filter(([key]) => [...TELLING, 'content-type'].includes(key)).sort()
      const unnamed = (body: string) => body.replace(/RoleSessionName=[^&]*/, '')
      assert.deepEqual(
        seen.map(({ method, target, headers, body }) => [method, target, telling(Object.entries(headers) as [string, string][]), unnamed(body)]),
        requests.map(({ method, target, headers, body }) => [method, target, telling(headers), unnamed(body.utf8)]),
      )
    })
  }
})

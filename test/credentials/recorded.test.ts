import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { CredentialsErrorCode, Files } from '../../src/credentials/index.ts'
import { type HttpClient, httpClient } from '../../src/credentials/http.ts'
import { runProcess } from '../../src/credentials/process.ts'
import { fromProfile } from '../../src/credentials/profile.ts'
import { conformance, readJson } from '../kit/vectors.ts'
import { chain, Clock, disk, failure, type Received, revealed, serve, world } from './kit.ts'

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

/** Cases that fail, with our code and the cause our message names. All others must give the recorded credentials. */
const FAILURES: Readonly<Record<string, readonly [CredentialsErrorCode, RegExp]>> = {
  'default-credential-provider-chain/eks_pod_identity_no_token_file': ['CREDENTIALS_INVALID', /AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE cannot be read \(ENOENT\)/],
  'default-credential-provider-chain/imds_default_chain_error': ['CREDENTIALS_NOT_FOUND', /the instance has no role/],
  'default-credential-provider-chain/imds_disabled': ['CREDENTIALS_NOT_FOUND', /AWS_EC2_METADATA_DISABLED is set/],
  'default-credential-provider-chain/imds_no_iam_role': ['CREDENTIALS_INVALID', /credential_source of the profile: the instance has no role/],
  'default-credential-provider-chain/imds_token_fail': ['CREDENTIALS_REFUSED', /metadata service is disabled/],
  'default-credential-provider-chain/profile_overrides_web_identity': ['CREDENTIALS_INVALID', /credential_source of the profile: AWS_ACCESS_KEY_ID and/],
  'default-credential-provider-chain/sso_no_token_file': ['CREDENTIALS_INVALID', /token of IAM Identity Center \(aws sso login is due\) cannot be read \(ENOENT\)/],
  'default-credential-provider-chain/sso_server_error': ['CREDENTIALS_REFUSED', /IAM Identity Center gave no credentials of the role \(503\)/],
  'default-credential-provider-chain/web_identity_source_profile_no_env': ['CREDENTIALS_INVALID', /web_identity_token_file without role_arn/],
  'default-credential-provider-chain/web_identity_token_invalid_jwt': ['CREDENTIALS_REFUSED', /STS refused the web identity \(InvalidIdentityToken\)/],
  'profile-provider/credential_process_failure': ['CREDENTIALS_INVALID', /credential_process did not run \(ENOENT\)/],
  'profile-provider/credential_process_invalid': ['CREDENTIALS_INVALID', /the answer is not JSON/],
  'profile-provider/empty_config': ['CREDENTIALS_NOT_FOUND', /no default profile/],
  'profile-provider/invalid_config': ['CREDENTIALS_INVALID', /line 2 of the shared config file/],
  'profile-provider/invalid_sso_credentials_config': ['CREDENTIALS_INVALID', /for tokens, not for credentials/],
  'profile-provider/sso_token': ['CREDENTIALS_INVALID', /for tokens, not for credentials/],
}

/** Where we differ from the recording, and why. */
const DEVIATIONS: Readonly<Record<string, readonly [CredentialsErrorCode, RegExp]>> = {
  // Bearer tokens for services that take no SigV4: AWS has them apart from credentials, and a proxy that signs cannot use them.
  'default-token-provider-chain/profile_keys': ['CREDENTIALS_INVALID', /for tokens, not for credentials/],
  'default-token-provider-chain/profile_keys_case_insensitive': ['CREDENTIALS_INVALID', /for tokens, not for credentials/],
}

/** A service that fails is asked three times; the recording, of an SDK told not to repeat, holds one. */
const REPEATED = new Set(['default-credential-provider-chain/sso_server_error'])

conformance('aws-credentials', (folder) => {
  const root = join(folder, 'open')

  for (const { name, result } of readJson<Entry[]>(root, 'recorded-index.json')) {
    const [code, why] = FAILURES[name] ?? DEVIATIONS[name] ?? []
    test(`${name}: ${name in DEVIATIONS ? 'refused by name' : 'as recorded'}`, async () => {
      const host = await replay(root, name, (result.Ok?.expiry ?? 0) * 1000)
      if (code !== undefined) {
        assert.match((await failure(() => host.source.get(), code)).message, why!)
      } else {
        const { access_key_id, secret_access_key, session_token, expiry } = result.Ok!
        assert.deepEqual(revealed(await host.source.get()), { accessKeyId: access_key_id, secretAccessKey: secret_access_key, sessionToken: session_token, expiresMs: expiry && expiry * 1000 })
      }
      assert.equal(host.played(), REPEATED.has(name) ? 3 : host.recorded, 'not all was asked')
    })
  }
})

/** A host with the environment and files of a case, an hour before its credentials expire, whose network is the recording. */
async function replay(root: string, name: string, expiresMs: number) {
  const given = readJson<Record<string, string>>(root, name, 'env.json')
  const exchanges = recording(readJson<{ events: { connection_id: number; action: Action }[] }>(root, name, 'http-traffic.json').events)
  let played = 0
  const url = await serve((received, response) => {
    const exchange = exchanges[REPEATED.has(name) ? played++ % 1 : played++]
    const fault = exchange === undefined ? 'more than was recorded' : difference(exchange, received, MIXED.has(name))
    if (fault !== undefined) return response.writeHead(418, fault).end()
    response.writeHead(exchange!.status).end(exchange!.answer)
  })
  const clock = new Clock()
  clock.now = expiresMs - 3_600_000
  // The cases of one provider know nothing of the others.
  const alone = name.startsWith('profile-provider/') ? { AWS_EC2_METADATA_DISABLED: 'true', AWS_ACCESS_KEY_ID: '', PATH: process.env.PATH ?? '' } : {}
  const variant = { fips: given.AWS_USE_FIPS_ENDPOINT === 'true', dualStack: given.AWS_USE_DUALSTACK_ENDPOINT === 'true' }
  const source = chain({ env: { ...given, ...alone }, region: given.AWS_REGION ?? 'us-east-1', ...variant, clock, files: folderAs(join(root, name, 'fs')), http: through(url), run: runProcess })
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

/** Recordings put together of two: what signs in them is not what their first answer gave. Here only that it is signed can be compared. */
const MIXED = new Set(['default-credential-provider-chain/ecs_assume_role', 'default-credential-provider-chain/web_identity_token_source_profile'])

/** What tells a service who asks. Signatures are of another moment, and of the headers of another client. */
const TELLING = ['x-aws-ec2-metadata-token', 'x-aws-ec2-metadata-token-ttl-seconds', 'authorization', 'x-amz-security-token', 'x-amz-sso_bearer_token']

function telling(value: string | string[] | undefined, name: string, mixed: boolean): string {
  const text = String(value).replace(/^(AWS4-HMAC-SHA256 Credential=[^/]+)\/.*$/, '$1')
  return mixed && value !== undefined && (text.startsWith('AWS4') || name === 'x-amz-security-token') ? 'signed' : text
}

function difference({ uri, method, headers, sent }: Exchange, received: Received, mixed: boolean): string | undefined {
  if (received.method !== method) return 'another method'
  const sorted = (url: string) => `${new URL(url).origin}${new URL(url).pathname}?${[...new URL(url).searchParams].sort().join('&')}`
  if (sorted(String(received.headers['x-meant-for'])) !== sorted(uri)) return 'another URL'
  if (TELLING.some((name) => telling(received.headers[name], name, mixed) !== telling(headers[name]?.[0], name, mixed))) return 'other credentials'
  // Role and token of the recordings are not those of their files, and each SDK names its sessions its own way.
  // That of the recordings leaves DurationSeconds to AWS, where others send the same default.
  const shape = (form: string) => [...new URLSearchParams(form)].filter(([name]) => name !== 'DurationSeconds').map(([name, value]) => (/^(Action|Version)$/.test(name) ? [name, value] : name))
  return JSON.stringify(shape(received.body)) === JSON.stringify(shape(sent)) ? undefined : 'another form'
}

interface SdkCase {
  readonly case: string
  readonly env?: Readonly<Record<string, string>>
  readonly requests: readonly { readonly method: string; readonly target: string; readonly headers: readonly (readonly [string, string])[]; readonly body: { readonly utf8: string } }[]
}

conformance('bedrock-contract', (folder) => {
  const cases = readJson<{ aws_credential_provider_requests_js: SdkCase[] }>(folder, 'client-requests.json').aws_credential_provider_requests_js
  const keys = { AccessKeyId: 'ASIA', SecretAccessKey: 's', Token: 't', Expiration: '2026-03-01T18:00:00Z' }
  const answers: Readonly<Record<string, string>> = {
    '/': '<Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2026-03-01T18:00:00Z</Expiration></Credentials>',
    '/latest/api/token': 'IMDSTOKEN==',
    '/latest/meta-data/iam/security-credentials/': 'my-role',
    '/token': JSON.stringify({ accessToken: 'NEWTOKEN', expiresIn: 3600 }),
    '/federation/credentials?account_id=111122223333&role_name=Dev': JSON.stringify({ roleCredentials: { accessKeyId: 'ASIA', secretAccessKey: 's', sessionToken: 't', expiration: Date.parse('2026-03-01T18:00:00Z') } }),
  }
  const cached = (name: string, token: object) => ({ [`/.aws/sso/cache/${createHash('sha1').update(name).digest('hex')}.json`]: JSON.stringify(token) })
  const role = 'role_arn = arn:aws:iam::111122223333:role/proxy\n'
  const sso = 'sso_account_id = 111122223333\nsso_role_name = Dev\n'
  const texts = {
    './jwt': 'eyJ.web.identity', './k8stoken': 'POD-IDENTITY-TOKEN',
    '/.aws/config': `[profile webid]\n${role}web_identity_token_file = ./jwt
[profile role]\n${role}source_profile = base\nrole_session_name = sess\nduration_seconds = 900\nexternal_id = ext\n[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s
[profile srcEnv]\n${role}credential_source = Environment
[profile sso]\nsso_session = corp\n${sso}[sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.example/start
[profile ssolegacy]\nsso_region = us-east-1\nsso_start_url = https://legacy.example/start\n${sso}[profile proc]\ncredential_process = helper`,
    ...cached('corp', { accessToken: 'OLD', expiresAt: '2026-03-01T12:01:00Z', clientId: 'cid', clientSecret: 'csec', refreshToken: 'R1' }),
    ...cached('https://legacy.example/start', { accessToken: 'LEGACYTOK', expiresAt: '2026-03-01T18:00:00Z' }),
  }
  const run = async () => JSON.stringify({ Version: 1, ...keys, SessionToken: 't' })

  // The last one has no provider of its own here: roles of callers have a test that compares it.
  for (const { case: name, env, requests } of cases.filter(({ env }) => env !== undefined)) {
    test(`${name}: we send what the JS SDK sends`, async () => {
      const seen: Received[] = []
      const url = await serve((received, response) => {
        seen.push(received)
        response.end(answers[received.target] ?? JSON.stringify({ Code: 'Success', ...keys }))
      })
      const local = Object.fromEntries(Object.entries(env ?? {}).map(([key, value]) => [key, value.replace(/^http:\/\/127\.0\.0\.1:\d+/, url)]))
      // Keys of the environment go before any profile here: only a role can still ask for them.
      const hidden = name === 'profile_credential_source_env'
      const asked = world({ env: { ...local, AWS_ENDPOINT_URL: url }, texts, http: httpClient(), region: name === 'profile_role_source_profile' ? 'us-west-2' : 'us-east-1' })
      await (hidden ? fromProfile(asked) : chain({ env: asked.env, texts, http: httpClient(), region: asked.region, run }).get())
      const telling = (headers: readonly (readonly [string, string | undefined])[]) => headers.map(([key, value]) => [key.toLowerCase(), scoped(value)] as const).filter(([key]) => [...TELLING, 'content-type'].includes(key)).sort()
      const unnamed = (body: string) => body.replace(/RoleSessionName=(?!sess)[^&]*/, '')
      assert.deepEqual(
        seen.map(({ method, target, headers, body }) => [method, target, telling(Object.entries(headers) as [string, string][]), unnamed(body)]),
        requests.map(({ method, target, headers, body }) => [method, target, telling(headers), unnamed(body.utf8)]),
      )
    })
  }
})

/** A signature's key, region and service. */
const scoped = (value: string | undefined) => String(value).replace(/^(AWS4-HMAC-SHA256 Credential=[^/]+)\/\d+(\/[^,]+),.*$/, '$1$2')

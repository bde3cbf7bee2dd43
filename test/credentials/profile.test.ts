import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { fromProfile } from '../../src/credentials/profile.ts'
import { secret } from '../kit/leaks.ts'
import { conformance, readJson } from '../kit/vectors.ts'
import type { HttpAnswer, HttpRequest } from '../../src/credentials/http.ts'
import { disk, failure, revealed, world } from './kit.ts'

interface Location {
  readonly _name: string
  readonly environment: Readonly<Record<string, string>>
  readonly profile?: string
  readonly configLocation: string
  readonly credentialsLocation: string
}

type Settings = Readonly<Record<string, string>>

interface Step {
  readonly AccessKey?: Settings
  readonly AssumeRole?: Settings
  readonly WebIdentityToken?: Settings
  readonly Sso?: Settings
  readonly NamedSource?: string
}

interface Chained {
  readonly _name: string
  readonly input: { readonly selected_profile: string; readonly profiles: Readonly<Record<string, Settings>>; readonly sso_sessions?: Readonly<Record<string, Settings>> }
  readonly output: { readonly ProfileChain?: readonly Step[]; readonly Error?: string }
}

const KEYS = 'aws_access_key_id = AKIAFILE\naws_secret_access_key = filesecret\n'
secret('the secret of the file', 'filesecret')

conformance('aws-credentials', (folder) => {
  for (const { _name, environment, profile, configLocation, credentialsLocation } of readJson<Location[]>(folder, 'open', 'file-location-tests.json')) {
    test(_name, async () => {
      const asked: string[] = []
      const files = {
        readText(path: string) {
          asked.push(path)
          return path.endsWith('credentials') ? `[${profile ?? 'default'}]\n${KEYS}` : ''
        },
      }
      assert.equal(revealed(await fromProfile(world({ env: environment, files }))).accessKeyId, 'AKIAFILE')
      // Windows takes either slash.
      assert.deepEqual(asked.map((path) => path.replaceAll('\\', '/')), [configLocation, credentialsLocation].map((path) => path.replaceAll('\\', '/')))
    })
  }

  /** What the malformed ones are refused with. All others must give what the suite says. */
  const REFUSED: Readonly<Record<string, RegExp>> = {
    'profile must contain `source_profile`': /needs source_profile or credential_source, one of them/,
    'profile contained both source_profile and credential_source': /needs source_profile or credential_source, one of them/,
    'profile missing aws_secret_access_key': /the secret access key is missing/,
    'could not find source profile B referenced from A': /source_profile of a profile stands in neither shared file/,
    'profile formed an infinite loop': /leads back to it/,
    'if `sso_account_id` is set, then `sso_role_name` must also be set': /lacks one of .*sso_role_name/,
    '`sso_region` can only be specified in the [sso-session] config when a session name is given': /differ in sso_region/,
    'sso-session named `oops` (referenced by profile `A`) was not found': /stands in no section of the config file/,
  }
  /** A token without account and role is none that signs: refused, where the suite goes on to services that take bearer tokens. */
  const DEVIATIONS: Readonly<Record<string, RegExp>> = { 'assume-role-tests#26:SSO token profile selected': /for tokens, not for credentials/ }

  for (const { _name, input, output } of readJson<Chained[]>(folder, 'open', 'assume-role-tests.json')) {
    const refused = output.Error === undefined ? DEVIATIONS[_name] : REFUSED[output.Error] ?? assert.fail(_name)
    test(`${_name}: ${refused === undefined ? 'as the suite says' : 'refused'}`, async () => {
      const sections = (type: string, of: Readonly<Record<string, Settings>> = {}) => Object.entries(of).map(([name, settings]) => `[${type} ${name}]\n${Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`).join('')}`).join('')
      const steps: object[] = []
      const host = world({
        profile: input.selected_profile, env: { AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://imds' },
        texts: { '/.aws/config': sections('profile', input.profiles) + sections('sso-session', input.sso_sessions), '/var/token.jwt': 'a.web.token', ...TOKEN_OF_FOO },
        http: async (request) => witness(request, steps),
      })
      if (refused !== undefined) return assert.match((await failure(() => fromProfile(host), 'CREDENTIALS_INVALID')).message, refused)
      await fromProfile(host)
      assert.deepEqual(steps, output.ProfileChain!.flatMap((step, i) => expected(step, output.ProfileChain![i - 1])))
    })
  }

  for (const { _name, configContents } of readJson<{ _name: string; configContents: string }[]>(folder, 'open', 'login-provider-test-cases.json')) {
    test(`${_name}: refused by name`, async () => {
      const { message } = await failure(() => fromProfile(world({ profile: 'signin', texts: { '/.aws/config': configContents } })), 'CREDENTIALS_UNSUPPORTED')
      assert.match(message, /login_session/)
    })
  }
})

const TOKEN_OF_FOO = { [`/.aws/sso/cache/${createHash('sha1').update('https://foo.bar').digest('hex')}.json`]: '{"accessToken":"a-token","expiresAt":"2199-01-01T00:00:00Z"}' }

/** Answers for IMDS, STS and the SSO portal, and writes down who asked them for what. */
function witness({ url, method, headers, body }: HttpRequest, steps: object[]): HttpAnswer {
  if (url.host === 'imds') {
    if (method === 'PUT') return { status: 200, body: 'token' }
    if (url.pathname.endsWith('/')) return { status: 200, body: 'role' }
    steps.push({ NamedSource: 'Ec2InstanceMetadata' })
    return { status: 200, body: JSON.stringify({ Code: 'Success', AccessKeyId: 'ASIA', SecretAccessKey: 's', Token: 't', Expiration: '2026-03-01T18:00:00Z' }) }
  }
  if (url.host.startsWith('portal')) {
    steps.push({ sso: [url.host, url.searchParams.get('account_id'), url.searchParams.get('role_name'), headers['x-amz-sso_bearer_token']] })
    return { status: 200, body: '{"roleCredentials":{"accessKeyId":"ASIA","secretAccessKey":"s","sessionToken":"t","expiration":1772388000000}}' }
  }
  const form = new URLSearchParams(body)
  steps.push({ action: form.get('Action'), by: /Credential=([^/]+)/.exec(headers.authorization ?? '')?.[1], role_arn: form.get('RoleArn'), name: form.get('RoleSessionName'), external_id: form.get('ExternalId') ?? undefined, token: form.get('WebIdentityToken') ?? undefined })
  return { status: 200, body: '<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2026-03-01T18:00:00Z</Expiration>' }
}

/** What a step of the suite looks like from outside: static keys are seen in who signs the next one. */
function expected(step: Step, before: Step | undefined): object[] {
  const { AssumeRole: role, WebIdentityToken: web, Sso: sso, NamedSource } = step
  if (role !== undefined) return [{ action: 'AssumeRole', by: before?.AccessKey?.access_key_id ?? 'ASIA', role_arn: role.role_arn, name: role.role_session_name ?? 'bedrock-sso-proxy', external_id: role.external_id, token: undefined }]
  if (web !== undefined) return [{ action: 'AssumeRoleWithWebIdentity', by: undefined, role_arn: web.role_arn, name: web.role_session_name ?? 'bedrock-sso-proxy', external_id: undefined, token: 'a.web.token' }]
  if (sso !== undefined) return [{ sso: [`portal.sso.${sso.sso_region}.amazonaws.com`, sso.sso_account_id, sso.sso_role_name, 'a-token'] }]
  return NamedSource === undefined ? [] : [{ NamedSource }]
}

const inBoth = (config: string, credentials: string, more = {}) => world({ texts: { '/.aws/config': `[default]\n${config}`, '/.aws/credentials': `[default]\n${credentials}` }, ...more })

test('keys of the credentials file are not mixed with a session token of the config file', async () => {
  assert.equal(revealed(await fromProfile(inBoth('aws_session_token = stale\n', KEYS))).sessionToken, undefined)
  assert.equal(revealed(await fromProfile(inBoth(`${KEYS}aws_session_token = own\n`, 'region = x\n'))).sessionToken, 'own')
})

test('half a pair of keys is refused, whichever half', async () => {
  for (const line of KEYS.trim().split('\n')) await failure(() => fromProfile(inBoth(line, '')), 'CREDENTIALS_INVALID')
})

test('a key that cannot stand in a header is refused', async () => {
  await failure(() => fromProfile(inBoth('', KEYS.replace('AKIAFILE', 'AKIA\n FILE'))), 'CREDENTIALS_INVALID')
})

test('the profile argument goes before AWS_PROFILE', async () => {
  const texts = { '/.aws/credentials': `[a]\n${KEYS}\n[b]\n${KEYS.replace('AKIAFILE', 'AKIAB')}` }
  assert.equal(revealed(await fromProfile(world({ texts, profile: 'b', env: { AWS_PROFILE: 'a' } }))).accessKeyId, 'AKIAB')
})

test('a profile that is named and missing is an error, a missing default is none', async () => {
  await failure(() => fromProfile(world({ env: { AWS_PROFILE: 'gone' } })), 'CREDENTIALS_INVALID')
  await failure(() => fromProfile(world()), 'CREDENTIALS_NOT_FOUND')
  await failure(() => fromProfile(inBoth('region = eu-west-1', '')), 'CREDENTIALS_NOT_FOUND')
})

test('aws login sessions are refused by name', async () => {
  assert.match((await failure(() => fromProfile(inBoth('login_session = x', '')), 'CREDENTIALS_UNSUPPORTED')).message, /through login_session/)
})

const STS = { http: async () => ({ status: 200, body: '<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2026-03-01T18:00:00Z</Expiration>' }) }

test('a role that wants an MFA code is refused: nobody is here to type it', async () => {
  const { message } = await failure(() => fromProfile(inBoth(`role_arn = a\nsource_profile = default\nmfa_serial = x\n${KEYS}`, '', STS)), 'CREDENTIALS_UNSUPPORTED')
  assert.match(message, /MFA device \(mfa_serial\)/)
})

test('duration_seconds is a number that AWS takes', async () => {
  for (const [value, good] of [['900', true], ['43200', true], ['899', false], ['43201', false], ['1h', false], ['1e3.5', false]] as const) {
    const load = () => fromProfile(inBoth(`role_arn = a\nsource_profile = default\nduration_seconds = ${value}\n${KEYS}`, '', STS))
    if (good) assert.equal((await load()).accessKeyId, 'ASIA')
    else await failure(load, 'CREDENTIALS_INVALID')
  }
})

test('a credential_source that nobody knows, or that has nothing, ends the search', async () => {
  assert.match((await failure(() => fromProfile(inBoth('role_arn = a\ncredential_source = Magic', '')), 'CREDENTIALS_INVALID')).message, /none of Environment/)
  assert.match((await failure(() => fromProfile(inBoth('role_arn = a\ncredential_source = EcsContainer', '')), 'CREDENTIALS_INVALID')).message, /credential_source of the profile: no AWS_CONTAINER_CREDENTIALS/)
  assert.match((await failure(() => fromProfile(inBoth('role_arn = a\nsource_profile = empty\n[profile empty]\nregion = x', '')), 'CREDENTIALS_INVALID')).message, /source_profile of the profile: the profile holds no credentials/)
  assert.match((await failure(() => fromProfile(inBoth('role_arn = a\ncredential_source = Ec2InstanceMetadata', '')), 'CREDENTIALS_INVALID')).message, /hop limit of 1/)
})

const locked = (code: string) => ({ readText: () => { throw Object.assign(new Error('no'), { code }) } })

test('a home folder that may not be looked into holds no profile; a file that was chosen must be readable', async () => {
  await failure(() => fromProfile(world({ files: locked('EACCES') })), 'CREDENTIALS_NOT_FOUND')
  await failure(() => fromProfile(world({ files: locked('EACCES'), env: { AWS_CONFIG_FILE: '/a' } })), 'CREDENTIALS_INVALID')
  await failure(() => fromProfile(world({ files: locked('EIO') })), 'CREDENTIALS_INVALID')
  await failure(() => fromProfile(world({ files: disk({}), env: { AWS_CONFIG_FILE: '/a' } })), 'CREDENTIALS_NOT_FOUND')
})

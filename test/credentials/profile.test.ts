import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromProfile } from '../../src/credentials/profile.ts'
import type { CredentialsErrorCode } from '../../src/credentials/source.ts'
import { secret } from '../kit/leaks.ts'
import { conformance, readJson } from '../kit/vectors.ts'
import { disk, failure, revealed, world } from './kit.ts'

interface Location {
  readonly _name: string
  readonly environment: Readonly<Record<string, string>>
  readonly profile?: string
  readonly configLocation: string
  readonly credentialsLocation: string
}

interface Chained {
  readonly _name: string
  readonly input: { readonly selected_profile: string; readonly profiles: Readonly<Record<string, Readonly<Record<string, string>>>> }
  readonly output: { readonly ProfileChain?: readonly Readonly<Record<string, Readonly<Record<string, string>>>>[]; readonly Error?: string }
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

  /** What profiles of later providers, and the suite's malformed ones, are refused with. All others must give what the suite says. */
  const REFUSED: Readonly<Record<string, readonly [CredentialsErrorCode, RegExp]>> = {
    AssumeRole: ['CREDENTIALS_UNSUPPORTED', /role_arn/],
    Sso: ['CREDENTIALS_UNSUPPORTED', /sso_session/],
    // Refused before it is looked at how they are malformed.
    'profile must contain `source_profile`': ['CREDENTIALS_UNSUPPORTED', /role_arn/],
    'profile contained both source_profile and credential_source': ['CREDENTIALS_UNSUPPORTED', /role_arn/],
    'profile missing aws_secret_access_key': ['CREDENTIALS_UNSUPPORTED', /role_arn/],
    'could not find source profile B referenced from A': ['CREDENTIALS_UNSUPPORTED', /role_arn/],
    'profile formed an infinite loop': ['CREDENTIALS_UNSUPPORTED', /role_arn/],
    'if `sso_account_id` is set, then `sso_role_name` must also be set': ['CREDENTIALS_UNSUPPORTED', /sso_session/],
    '`sso_region` can only be specified in the [sso-session] config when a session name is given': ['CREDENTIALS_UNSUPPORTED', /sso_session/],
    'sso-session named `oops` (referenced by profile `A`) was not found': ['CREDENTIALS_UNSUPPORTED', /sso_session/],
  }

  for (const { _name, input, output } of readJson<Chained[]>(folder, 'open', 'assume-role-tests.json')) {
    const last = output.ProfileChain?.at(-1)
    const [kind] = Object.keys(last ?? {})
    const refused = REFUSED[output.Error ?? kind!]
    test(`${_name}: ${refused === undefined ? 'as the suite says' : 'refused by name'}`, async () => {
      const text = Object.entries(input.profiles).map(([name, settings]) => `[profile ${name}]\n${Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`).join('')}`).join('')
      const bodies: string[] = []
      const host = world({
        profile: input.selected_profile, texts: { '/.aws/config': text, '/var/token.jwt': 'a.web.token' },
        http: async ({ body }) => ({ status: (bodies.push(body!), 418), body: '' }),
      })
      if (refused !== undefined) {
        const { message } = await failure(() => fromProfile(host), refused[0])
        return assert.match(message, refused[1])
      }
      const { role_arn, role_session_name } = last!.WebIdentityToken!
      await failure(() => fromProfile(host), 'CREDENTIALS_REFUSED')
      const form = new URLSearchParams(bodies[0])
      assert.deepEqual([form.get('RoleArn'), form.get('RoleSessionName'), form.get('WebIdentityToken')], [role_arn, role_session_name ?? 'bedrock-sso-proxy', 'a.web.token'])
    })
  }

  for (const { _name, configContents } of readJson<{ _name: string; configContents: string }[]>(folder, 'open', 'login-provider-test-cases.json')) {
    test(`${_name}: refused by name`, async () => {
      const { message } = await failure(() => fromProfile(world({ profile: 'signin', texts: { '/.aws/config': configContents } })), 'CREDENTIALS_UNSUPPORTED')
      assert.match(message, /login_session/)
    })
  }
})

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

test('each kind of profile that is not built is refused by its own name', async () => {
  for (const [settings, what] of [['role_arn = a\nsource_profile = b', 'role_arn'], ['role_arn = a\ncredential_source = EcsContainer', 'role_arn'], ['credential_process = /bin/true', 'credential_process'], ['sso_start_url = https://x', 'sso_session'], ['login_session = x', 'login_session']] as const) {
    const { message } = await failure(() => fromProfile(inBoth(settings, '')), 'CREDENTIALS_UNSUPPORTED')
    assert.ok(message.includes(`through ${what}`), message)
  }
})

const locked = (code: string) => ({ readText: () => { throw Object.assign(new Error('no'), { code }) } })

test('a home folder that may not be looked into holds no profile; a file that was chosen must be readable', async () => {
  await failure(() => fromProfile(world({ files: locked('EACCES') })), 'CREDENTIALS_NOT_FOUND')
  await failure(() => fromProfile(world({ files: locked('EACCES'), env: { AWS_CONFIG_FILE: '/a' } })), 'CREDENTIALS_INVALID')
  await failure(() => fromProfile(world({ files: locked('EIO') })), 'CREDENTIALS_INVALID')
  await failure(() => fromProfile(world({ files: disk({}), env: { AWS_CONFIG_FILE: '/a' } })), 'CREDENTIALS_NOT_FOUND')
})

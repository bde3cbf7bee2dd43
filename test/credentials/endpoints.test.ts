import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configuredEndpoint, CredentialsError, type Sight } from '../../src/credentials/index.ts'
import { oidcUrl, portalUrl } from '../../src/credentials/sso.ts'
import { stsUrl } from '../../src/credentials/sts.ts'
import { conformance, readJson } from '../kit/vectors.ts'

interface Case {
  readonly _name: string
  readonly params: { readonly Region?: string; readonly UseFIPS?: boolean; readonly UseDualStack?: boolean; readonly Endpoint?: string; readonly UseGlobalEndpoint?: boolean }
  readonly expect: { readonly endpoint?: { readonly url: string }; readonly error?: string }
}

const files = { readText: () => { throw Object.assign(new Error('no files'), { code: 'ENOENT' }) } }

/** An endpoint of one's own is given as the SDKs know it. */
function sightOf({ Region = 'us-east-1', UseFIPS = false, UseDualStack = false, Endpoint }: Case['params'], variable: string): Sight {
  return { env: Endpoint === undefined ? {} : { [variable]: Endpoint }, configured: {}, files, region: Region, fips: UseFIPS, dualStack: UseDualStack }
}

const urlOf = (read: () => URL): string => {
  try {
    return read().origin
  } catch (error) {
    return error instanceof CredentialsError ? error.code : 'another error'
  }
}

const SERVICES = [
  ['sts', 'AWS_ENDPOINT_URL_STS', stsUrl],
  ['sso', 'AWS_ENDPOINT_URL_SSO', (sight: Sight) => portalUrl(sight, sight.region)],
  ['sso-oidc', 'AWS_ENDPOINT_URL_SSO_OIDC', (sight: Sight) => oidcUrl(sight, sight.region)],
] as const

conformance('aws-endpoints', (folder) => {
  for (const [service, variable, url] of SERVICES) {
    for (const { _name, params, expect } of readJson<readonly Case[]>(folder, 'open', `${service}-endpoint-tests.json`)) {
      // Deviation: the global endpoint of STS, from the time before regions, is never asked; tokens of regional ones are good everywhere.
      const expected = params.UseGlobalEndpoint === true && params.Endpoint === undefined ? `https://sts.${params.Region!}.amazonaws.com` : expect.endpoint?.url ?? 'CREDENTIALS_INVALID'
      test(_name, () => assert.equal(urlOf(() => url(sightOf(params, variable))), expected))
    }
  }
})

test('aws.sts_endpoint goes before what environment and profile say of STS', () => {
  const sight = { ...sightOf({ Endpoint: 'https://theirs.example' }, 'AWS_ENDPOINT_URL'), stsEndpoint: 'https://ours.example' }
  assert.equal(stsUrl(sight).origin, 'https://ours.example')
  assert.equal(portalUrl(sight, 'eu-west-1').origin, 'https://theirs.example')
})

test('a variable that leads to this proxy is passed over, and the next one counts', () => {
  const isOwn = (url: string) => url === 'http://localhost:3000'
  const env = { AWS_ENDPOINT_URL_STS: 'http://localhost:3000', AWS_ENDPOINT_URL: 'https://all.example' }
  assert.deepEqual(configuredEndpoint({ env, files, isOwn }, 'sts'), { value: 'https://all.example', where: 'AWS_ENDPOINT_URL' })
  assert.equal(configuredEndpoint({ env: { AWS_ENDPOINT_URL: 'http://localhost:3000' }, files, isOwn }, 'sts'), undefined)
})

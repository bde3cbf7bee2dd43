import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { egress } from '../../src/cli/egress.ts'
import { readSetup } from '../../src/cli/setup.ts'
import { endpointsOf } from '../../src/cli/upstreams.ts'
import { endpointOf } from '../../src/upstream/index.ts'
import { FakeBedrock } from '../kit/bedrock.ts'
import { ask } from '../kit/client.ts'
import { JWT_SECRET, startProxy, token } from '../kit/proxy.ts'
import { conformance, readJson } from '../kit/vectors.ts'

const folder = mkdtempSync(join(tmpdir(), 'endpoints-'))
after(() => rmSync(folder, { recursive: true }))

type Env = Readonly<Record<string, string>>

/** Where each service is with these variables; or what is wrong with them. */
function resolve(given: Env, awsFile = ''): { readonly urls: Readonly<Record<string, string>>; readonly hosts: readonly string[] } | readonly string[] {
  const file = join(folder, 'aws')
  writeFileSync(file, awsFile)
  const env = { JWT__SECRET: JWT_SECRET, HOME: '/nowhere', AWS_CONFIG_FILE: file, AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', ...given }
  const read = readSetup({}, { env, cwd: () => '/nowhere' })
  if ('problems' in read) return read.problems
  const urls = Object.entries(endpointsOf(read.setup.config)).map(([service, { secure, host }]) => [service, `${secure ? 'https' : 'http'}://${host}`])
  return { urls: Object.fromEntries(urls) as Record<string, string>, hosts: egress(read.setup.config, env).map(({ host }) => host) }
}

function urlsOf(given: Env, awsFile?: string): Readonly<Record<string, string>> {
  const found = resolve(given, awsFile)
  if (!('urls' in found)) assert.fail(found.join('\n'))
  return found.urls
}

interface EndpointCase {
  readonly _name: string
  readonly params?: { readonly Region?: string; readonly UseFIPS?: boolean; readonly UseDualStack?: boolean; readonly Endpoint?: string }
  readonly expect: { readonly endpoint?: { readonly url: string }; readonly error?: string }
}

interface UrlCases {
  readonly testSuites: readonly [{
    readonly profiles: Readonly<Record<string, Env>>
    readonly services: Readonly<Record<string, Readonly<Record<string, Env>>>>
    readonly client_configs: Readonly<Record<string, { readonly endpoint_url?: string; readonly ignore_configured_endpoint_urls?: boolean }>>
    readonly environments: Readonly<Record<string, Env>>
    readonly endpointUrlTests: readonly { readonly _name: string; readonly profile: string; readonly client_config: string; readonly environment: string; readonly service: 's3' | 'dynamodb'; readonly output: { readonly endpointUrl: string } }[]
  }]
}

/** The suite is about two services; here they are those of Bedrock. */
const OURS = { s3: ['BEDROCK_RUNTIME', 'bedrock_runtime', 'runtime'], dynamodb: ['BEDROCK', 'bedrock', 'control'] } as const
const ours = (text: string): string => text.replaceAll('_S3', `_${OURS.s3[0]}`).replaceAll('_DYNAMODB', `_${OURS.dynamodb[0]}`)
const section = (name: string, settings: Env): string => `[${name}]\n${Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`).join('')}`

conformance('aws-endpoints', (suite) => {
  for (const { _name, params: { Region, UseFIPS = false, UseDualStack = false, Endpoint } = {}, expect } of readJson<readonly EndpointCase[]>(suite, 'open', 'bedrock-runtime-endpoint-tests.json')) {
    const variants = { AWS__FIPS: String(UseFIPS), AWS__DUAL_STACK: String(UseDualStack) }
    for (const [way, endpoint] of [['aws.endpoint', 'AWS__ENDPOINT'], ['the variable of the SDKs', 'AWS_ENDPOINT_URL_BEDROCK_RUNTIME']] as const) {
      test(`${_name}, by ${way}`, () => {
        const found = resolve({ ...variants, ...(Region !== undefined && { AWS__REGION: Region }), ...(Endpoint !== undefined && { [endpoint]: Endpoint }) })
        // Deviation: a region is needed beside an endpoint, too. Requests are signed for it.
        if (expect.error !== undefined || Region === undefined) return assert.ok(!('urls' in found))
        assert.ok('urls' in found, String(found))
        assert.equal(found.urls.runtime, expect.endpoint!.url)
        assert.ok(found.hosts.includes(`${new URL(expect.endpoint!.url).hostname}:443`), 'the list for the firewall has it')
        assert.equal(`https://${endpointOf('runtime', { region: Region, fips: UseFIPS, dualStack: UseDualStack, overrides: { runtime: Endpoint } }).host}`, expect.endpoint!.url)
      })
    }
  }

  const [{ profiles, services, client_configs: configs, environments, endpointUrlTests }] = readJson<UrlCases>(suite, 'open', 'configured-endpoint-url-tests.json').testSuites
  const awsFile = [
    ...Object.entries(profiles).map(([name, settings]) => section(`profile ${name}`, settings)),
    ...Object.entries(services).map(([name, urls]) => `[services ${name}]\n${Object.entries(urls).map(([service, { endpoint_url: url }]) => `${OURS[service as 's3'][1]} =\n  endpoint_url = ${url}\n`).join('')}`),
  ].join('')
  for (const { _name, profile, client_config: config, environment, service, output } of endpointUrlTests) {
    test(_name, () => {
      const { endpoint_url: endpoint, ignore_configured_endpoint_urls: ignores } = configs[config]!
      const env = Object.fromEntries(Object.entries(environments[environment]!).map(([name, value]) => [ours(name), value]))
      const urls = urlsOf({
        ...env, AWS_PROFILE: profile, AWS__REGION: 'fake-region-10', ...(endpoint !== undefined && { AWS__ENDPOINT: endpoint }),
        // Deviation: there is no option of our own for this one, the variable does it.
        ...(ignores === true && { AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true' }),
      }, awsFile)
      assert.equal(urls[OURS[service][2]], output.endpointUrl.replace('//s3.fake', '//bedrock-runtime.fake'))
    })
  }
})

const REGION = { AWS__REGION: 'eu-central-1' }
const RUNTIME = 'https://bedrock-runtime.eu-central-1.amazonaws.com'
const SELF = 'http://localhost:3000'

test('an endpoint of our own is a wall: what the SDKs would take for the other services makes no hole in it', () => {
  const wall = { ...REGION, AWS__ENDPOINT: 'https://wall.example', AWS_ENDPOINT_URL: 'https://all.example', AWS_ENDPOINT_URL_BEDROCK: 'https://control.example' }
  assert.deepEqual(new Set(Object.values(urlsOf(wall))), new Set(['https://wall.example']))
  assert.equal(urlsOf({ ...wall, AWS__CONTROL_ENDPOINT: 'https://named.example' }).control, 'https://named.example')
})

test('FIPS and dual stack may be said as the SDKs know them, by variable or profile; ours goes before both', () => {
  assert.equal(urlsOf({ ...REGION, AWS_USE_FIPS_ENDPOINT: 'true' }).runtime, 'https://bedrock-runtime-fips.eu-central-1.amazonaws.com')
  assert.equal(urlsOf({ ...REGION, AWS_USE_DUALSTACK_ENDPOINT: 'True' }).runtime, 'https://bedrock-runtime.eu-central-1.api.aws')
  assert.equal(urlsOf(REGION, '[default]\nuse_fips_endpoint = true\nuse_dualstack_endpoint = true\n').runtime, 'https://bedrock-runtime-fips.eu-central-1.api.aws')
  assert.equal(urlsOf({ ...REGION, AWS_USE_FIPS_ENDPOINT: 'true', AWS__FIPS: 'false' }, '[default]\nuse_fips_endpoint = true\n').runtime, RUNTIME)
  assert.deepEqual(resolve({ ...REGION, AWS_USE_FIPS_ENDPOINT: 'yes' }), ['AWS_USE_FIPS_ENDPOINT: aws.fips: expected true or false, found "yes"'])
})

for (const [claim, env] of [
  ['by any name of loopback', { AWS_ENDPOINT_URL_BEDROCK_RUNTIME: 'http://127.0.0.1:3000', AWS_ENDPOINT_URL_BEDROCK: 'http://[::1]:3000/' }],
  ['with the path of a surface', { AWS_ENDPOINT_URL: `${SELF}/bedrock` }],
  ['by its own address', { SERVER__HOST: 'proxy.example', SERVER__PORT: '443', AWS_ENDPOINT_URL: 'https://proxy.example' }],
  ['on every interface', { SERVER__HOST: '0.0.0.0', AWS_ENDPOINT_URL: SELF }],
] as const) {
  test(`what is set for clients of this proxy, ${claim}, is passed over: it does not call itself`, () => assert.equal(urlsOf({ ...REGION, ...env }).runtime, RUNTIME))
}

test('an endpoint of our own that is this proxy is a problem; one on another port is none', () => {
  assert.deepEqual(resolve({ ...REGION, AWS__ENDPOINT: SELF }), ['AWS__ENDPOINT: aws.endpoint: expected an endpoint of AWS: this one is the proxy itself'])
  assert.deepEqual(resolve({ ...REGION, AWS__STS_ENDPOINT: SELF }), ['AWS__STS_ENDPOINT: aws.sts_endpoint: expected an endpoint of AWS: this one is the proxy itself'])
  assert.equal(urlsOf({ ...REGION, AWS__ENDPOINT: 'http://localhost:3001' }).runtime, 'http://localhost:3001')
})

test('aws.sts_endpoint: it is the STS that roles are asked of', () => {
  const web = { ...REGION, AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_WEB_IDENTITY_TOKEN_FILE: '/jwt', AWS_ROLE_ARN: 'arn:aws:iam::111122223333:role/r', AWS__STS_ENDPOINT: 'https://sts.example:8443' }
  const found = resolve(web)
  assert.ok('hosts' in found && found.hosts.includes('sts.example:8443'))
})

test('AWS_ENDPOINT_URL_BEDROCK_RUNTIME and AWS_ENDPOINT_URL_BEDROCK: requests go there', async () => {
  const [runtime, control] = await Promise.all([FakeBedrock.start(), FakeBedrock.start()])
  const proxy = await startProxy(runtime, { AWS__ENDPOINT: '', AWS_ENDPOINT_URL_BEDROCK_RUNTIME: runtime.url, AWS_ENDPOINT_URL_BEDROCK: control.url })
  const headers = { authorization: `Bearer ${token()}` }
  assert.equal((await ask('HTTP/1.1', proxy.port, '/model/x/invoke', { headers, body: '{}' })).status, 200)
  assert.equal((await ask('HTTP/1.1', proxy.port, '/foundation-models', { method: 'GET', headers })).status, 200)
  assert.deepEqual([runtime, control].map(({ seen }) => seen.map(({ target }) => target)), [['/model/x/invoke'], ['/foundation-models']])
  await proxy.stop()
  await Promise.all([runtime.close(), control.close()])
})

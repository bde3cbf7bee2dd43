import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { egress } from '../../src/cli/egress.ts'
import { readSetup } from '../../src/cli/setup.ts'
import { secret } from '../kit/leaks.ts'
import { Program } from '../kit/program.ts'
import { JWT_SECRET } from '../kit/proxy.ts'

const GOOD = { JWT__SECRET: JWT_SECRET, AWS__REGION: 'eu-central-1' }

async function check(args: readonly string[], env: Readonly<Record<string, string>>): Promise<{ code: number | null; out: readonly string[]; err: readonly string[] }> {
  const program = new Program(['check', ...args], env)
  return { code: await program.ended(), out: program.stdout, err: program.stderr }
}

test('check says that a good configuration is good', async () => {
  const { code, out } = await check([], GOOD)
  assert.equal(code, 0)
  assert.equal(out.at(-1), 'the configuration is good')
})

test('check tells every problem at once, and ends with 78', async () => {
  const { code, err } = await check([], { SERVER__PORT: 'http', SERVER__PROT: '1' })
  assert.equal(code, 78)
  for (const problem of [/^SERVER__PROT: .*did you mean SERVER__PORT\?$/, /^SERVER__PORT: server\.port: expected an integer/, /aws\.region/, /a key to check tokens with/]) {
    assert.ok(err.some((line) => problem.test(line)), String(problem))
  }
})

test('check refuses a file of authorities that holds none: Node would trust others instead', async () => {
  const { code, err } = await check([], { ...GOOD, AWS__CA_FILE: '/dev/null' })
  assert.equal(code, 78)
  assert.ok(err.includes('aws.ca_file: /dev/null is not one certificate or more in PEM'), err.join('\n'))
})

test('check --print shows each option with its source, and no secret', async () => {
  const { code, out } = await check(['--print'], GOOD)
  assert.equal(code, 0)
  assert.ok(out.includes('server.port = 3000  (default)'))
  assert.ok(out.includes('aws.region = eu-central-1  (AWS__REGION)'))
  assert.ok(out.includes('jwt.secret = [secret]  (JWT__SECRET)'))
})

test('check --egress lists every host that the proxy can connect to', async () => {
  const keys = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' }
  assert.deepEqual((await check(['--egress'], { ...GOOD, ...keys, AWS__ENDPOINT: 'https://vpce.example' })).out, [
    'vpce.example:443  Bedrock runtime, Bedrock control, Bedrock mantle',
  ])
  assert.deepEqual((await check(['--egress'], { AWS__REGION: 'eu-central-1', AWS__ENDPOINT: 'https://vpce.example', JWT__ISSUER: 'https://idp.example:8443/x' })).out, [
    'vpce.example:443  Bedrock runtime, Bedrock control, Bedrock mantle',
    '169.254.169.254:80  AWS credentials of an instance',
    'idp.example:8443  issuer: its description, keys of the issuer',
    '*  keys of the issuer (any host that https://idp.example:8443/x names over https; jwt.named_hosts says which it may)',
  ])
  const sso = { ...GOOD, SSO__ISSUER: 'https://sso.example', SSO__CLIENT_ID: 'c', SSO__REDIRECT_URL: 'https://p.example/sign-in/callback' }
  assert.deepEqual((await check(['--egress'], { ...sso, ...keys, AWS__ENDPOINT: 'https://vpce.example' })).out.slice(1), [
    'sso.example:443  issuer: its description, keys of the issuer, sign-in: tokens',
    '*  keys of the issuer (any host that https://sso.example names over https; jwt.named_hosts says which it may), sign-in: tokens (any host that https://sso.example names over https; jwt.named_hosts says which it may)',
  ])
  assert.deepEqual((await check(['--egress'], { ...GOOD, AWS__FIPS: 'true' })).out.filter((line) => line.includes('Bedrock')), [
    'bedrock-runtime-fips.eu-central-1.amazonaws.com:443  Bedrock runtime',
    'bedrock-fips.eu-central-1.amazonaws.com:443  Bedrock control',
    'bedrock-mantle.eu-central-1.api.aws:443  Bedrock mantle',
  ])
})

const folder = mkdtempSync(join(tmpdir(), 'check-'))
after(() => rmSync(folder, { recursive: true }))

test('check tells of every issuer of a list what is wrong with its keys, prints each, and lists its hosts', async () => {
  const file = join(folder, 'config.yaml')
  const env = { AWS__REGION: 'eu-central-1', BEDROCK_SSO_PROXY_CONFIG: file }
  const write = (...issuers: readonly object[]) => writeFileSync(file, JSON.stringify({ jwt: { issuers } }), { mode: 0o600 })
  write({ issuer: 'a', secret: 'your-jwt-secret' }, { issuer: 'b', jwks_file: 'gone' }, { issuer: 'https://c', ca_file: '/dev/null' }, { issuer: 'd', secret: JWT_SECRET, algorithms: ['RS256'] })
  assert.deepEqual((await check([], env)).err, [
    'jwt.issuers[0]: the secret has 15 bytes, 32 are needed; make one with: openssl rand -base64 48',
    `jwt.issuers[1].jwks_file: ${join(folder, 'gone')} cannot be read (ENOENT)`,
    'jwt.issuers[2].ca_file: /dev/null is not one certificate or more in PEM',
    'jwt.issuers[3]: none of jwt.algorithms fits the key',
  ])
  write({ issuer: 'a', secret: JWT_SECRET }, { issuer: 'https://b.example' }, { issuer: 'c', jwks_url: 'https://c.example:8443/keys' })
  const { out } = await check(['--print', '--egress'], env)
  assert.ok(out.includes(`jwt.issuers[0].secret = [secret]  (${file}:1)`), out.join('\n'))
  assert.ok(out.includes(`jwt.issuers = 3 given  (${file}:1)`))
  assert.deepEqual(out.filter((line) => /^[bc]\.example:/.test(line)), ['b.example:443  issuer: its description, keys of the issuer', 'c.example:8443  keys of the issuer'])
})

test('check --egress lists who is asked for credentials, by the rules by which they are asked', () => {
  const hosts = (given: Readonly<Record<string, string>>) => {
    const env = { ...GOOD, HOME: '/nowhere', ...given }
    const read = readSetup({}, { env, cwd: () => '/nowhere' })
    if ('problems' in read) assert.fail(read.problems.join('\n'))
    return egress(read.setup.config, env).filter(({ purposes }) => purposes.some((purpose) => /credentials|tokens of/.test(purpose))).map(({ host }) => host)
  }
  const METADATA = '169.254.169.254:80'
  const STS = 'sts.eu-central-1.amazonaws.com:443'
  const WEB = { AWS_WEB_IDENTITY_TOKEN_FILE: '/jwt', AWS_ROLE_ARN: 'arn:aws:iam::111122223333:role/irsa' }
  const shared = join(folder, 'aws-profiles')
  writeFileSync(shared, `[profile keys]\naws_access_key_id = a\n[profile role]\nrole_arn = r\nsource_profile = keys\n[profile task]\nrole_arn = r\ncredential_source = EcsContainer
[profile instance]\nrole_arn = r\ncredential_source = Ec2InstanceMetadata\n[profile loop]\nrole_arn = r\nsource_profile = loop
[profile sso]\nsso_session = s\nsso_account_id = 1\nsso_role_name = n\n[sso-session s]\nsso_region = eu-north-1\nsso_start_url = https://x\n`)
  for (const [env, expected, more] of [
    [{}, [METADATA]],
    [WEB, [STS]],
    [{ ...WEB, AWS__REGION: 'cn-north-1' }, ['sts.cn-north-1.amazonaws.com.cn:443']],
    [{ ...WEB, AWS__FIPS: 'true' }, ['sts-fips.eu-central-1.amazonaws.com:443']],
    [{ ...WEB, AWS__DUAL_STACK: 'true' }, ['sts.eu-central-1.api.aws:443']],
    [{ ...WEB, AWS_ENDPOINT_URL_STS: 'https://sts.internal:8443' }, ['sts.internal:8443']],
    [{ AWS_ENDPOINT_URL_STS: '', AWS_EC2_METADATA_SERVICE_ENDPOINT: '', AWS_CONTAINER_CREDENTIALS_FULL_URI: '' }, [METADATA]],
    [{ ...WEB, AWS_ENDPOINT_URL_STS: 'sts.internal' }, []],
    [{ ...WEB, AWS_ENDPOINT_URL: 'https://all.internal' }, ['all.internal:443']],
    [{ AWS_EC2_METADATA_DISABLED: 'TRUE' }, []],
    [{ AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: 'IPv6' }, ['[fd00:ec2::254]:80']],
    [{ AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/x' }, ['169.254.170.2:80']],
    [{ AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://elsewhere' }, []],
    [{ AWS_ACCESS_KEY_ID: 'a' }, [METADATA]],
    [{ AWS_CONFIG_FILE: shared, AWS_PROFILE: 'keys' }, []],
    [{ AWS_CONFIG_FILE: shared, AWS_PROFILE: 'role' }, [STS]],
    [{ AWS_CONFIG_FILE: shared, AWS_PROFILE: 'task' }, ['169.254.170.2:80', STS], { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/x' }],
    [{ AWS_CONFIG_FILE: shared, AWS_PROFILE: 'instance' }, [METADATA, STS]],
    [{ AWS_CONFIG_FILE: shared, AWS_PROFILE: 'sso' }, ['oidc.eu-north-1.amazonaws.com:443', 'portal.sso.eu-north-1.amazonaws.com:443']],
    [{ AWS_CONFIG_FILE: shared, AWS_PROFILE: 'loop' }, []],
    [{ AWS__ACCESS_KEY_ID: 'a', AWS__SECRET_ACCESS_KEY: 'b' }, []],
  ] as const) assert.deepEqual(hosts({ ...env, ...more }), expected, JSON.stringify(env))
})

test('a region may stand in the profile; without any, or with files that cannot be read, check says what to set', async () => {
  const config = join(folder, 'aws-config')
  writeFileSync(config, '[default]\nregion = eu-west-3\n[profile other]\nregion = cn-north-1\n[profile none]\n')
  const env = { JWT__SECRET: JWT_SECRET, AWS_CONFIG_FILE: config }
  assert.ok((await check(['--print'], env)).out.includes('aws.region = eu-west-3  (profile default)'))
  assert.ok((await check(['--print'], { ...env, AWS_PROFILE: 'other' })).out.includes('aws.region = cn-north-1  (profile other)'))
  assert.ok((await check(['--print'], { ...env, AWS_PROFILE: 'other', AWS_DEFAULT_REGION: 'us-east-1' })).out.includes('aws.region = us-east-1  (AWS_DEFAULT_REGION)'))
  const MISSING = 'environment: aws.region: expected a region: AWS__REGION, AWS_REGION, AWS_DEFAULT_REGION, aws.region or the region of the profile'
  const none = await check([], { ...env, AWS__PROFILE: 'none', AWS__ENDPOINT: 'https://vpce.example' })
  assert.deepEqual([none.code, none.err], [78, ['AWS__PROFILE: aws.profile: expected a region: AWS__REGION, AWS_REGION, AWS_DEFAULT_REGION, aws.region or the region of the profile']])
  writeFileSync(config, 'region = eu-west-3\n')
  const broken = await check([], env)
  assert.deepEqual([broken.code, broken.err], [78, [MISSING, 'aws.profile: line 1 of the shared config file: a setting stands before the first section']])
})

test('check --egress lists the egress proxy, and which hosts are reached through it; no password is shown', async () => {
  const { code, out } = await check(['--egress', '--print'], { ...GOOD, AWS__PROXY_URL: `http://bastion:${secret('the password of the egress proxy', 'kit-pr0xy-word')}@proxy.example:3128` })
  assert.equal(code, 0)
  assert.deepEqual(out.slice(-6), [
    'proxy.example:3128  egress proxy',
    'bedrock-runtime.eu-central-1.amazonaws.com:443  Bedrock runtime (through the egress proxy)',
    'bedrock.eu-central-1.amazonaws.com:443  Bedrock control (through the egress proxy)',
    'bedrock-mantle.eu-central-1.api.aws:443  Bedrock mantle (through the egress proxy)',
    '169.254.169.254:80  AWS credentials of an instance',
    'sts.eu-central-1.amazonaws.com:443  AWS identity, asked by doctor alone (through the egress proxy)',
  ])
  assert.ok(out.includes('aws.proxy_url = [secret]  (AWS__PROXY_URL)'))
})

test('check --egress lists the hosts that an issuer may name, where the configuration says which, and the proxy through which it is asked', async () => {
  const file = join(folder, 'issuers.json')
  const issuers = [
    { issuer: 'https://accounts.example', named_hosts: ['keys.example', 'tokens.example:8443'], proxy_url: 'http://proxy.example:3128' },
    { issuer: 'https://own.example', named_hosts: [] }, { issuer: 'static', secret: JWT_SECRET, proxy_url: 'http://unused.example:1' },
  ]
  const sso = { issuer: 'https://accounts.example', client_id: 'c', redirect_url: 'https://p.example/sign-in/callback' }
  writeFileSync(file, JSON.stringify({ jwt: { issuers }, sso }), { mode: 0o600 })
  const { out } = await check(['--egress'], { AWS__REGION: 'eu-central-1', AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS__ENDPOINT: 'https://vpce.example', BEDROCK_SSO_PROXY_CONFIG: file })
  const said = '(where https://accounts.example says so) (through the egress proxy)'
  assert.deepEqual(out.slice(1), [
    'proxy.example:3128  egress proxy',
    'accounts.example:443  issuer: its description (through the egress proxy), keys of the issuer (through the egress proxy), sign-in: tokens (through the egress proxy)',
    `keys.example:443  keys of the issuer ${said}, sign-in: tokens ${said}`,
    `tokens.example:8443  keys of the issuer ${said}, sign-in: tokens ${said}`,
    'own.example:443  issuer: its description, keys of the issuer',
  ])
})

test('check --egress lists an egress proxy on a Unix socket', async () => {
  const { code, out } = await check(['--egress'], { ...GOOD, AWS__PROXY_URL: 'unix:/run/egress/socket' })
  assert.equal(code, 0)
  assert.deepEqual(out.slice(0, 2), ['unix:/run/egress/socket  egress proxy', 'bedrock-runtime.eu-central-1.amazonaws.com:443  Bedrock runtime (through the egress proxy)'])
})

test('an option or command that is not known ends with 64 and the usage', async () => {
  assert.equal((await check(['--nothing'], GOOD)).code, 64)
  const program = new Program(['nothing'], {})
  assert.equal(await program.ended(), 64)
  assert.match(program.stderr.join('\n'), /no such command: nothing/)
})

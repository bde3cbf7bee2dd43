import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ACCESS_KEY_ID, FakeBedrock, type Seen } from '../kit/bedrock.ts'
import { ask, type Got } from '../kit/client.ts'
import { Program } from '../kit/program.ts'
import { proxyEnv, startProxy, startWithAdmin, type TestProxy, token } from '../kit/proxy.ts'
import { FakeSts } from '../kit/sts.ts'

/** Roles of callers, through the door. */

const folder = mkdtempSync(join(tmpdir(), 'roles-'))
const [bedrock, sts] = [await FakeBedrock.start(), await FakeSts.start()]
bedrock.others = sts.keysOf
after(async () => {
  rmSync(folder, { recursive: true })
  await Promise.all([bedrock.close(), sts.close()])
})

let files = 0
function configured(aws: object, more: object = {}): Record<string, string> {
  const file = join(folder, `${files++}.json`)
  writeFileSync(file, JSON.stringify({ aws, ...more }), { mode: 0o600 })
  return { BEDROCK_SSO_PROXY_CONFIG: file, AWS_ENDPOINT_URL_STS: sts.url }
}

async function proxyWith(aws: object, env: Record<string, string> = {}): Promise<TestProxy> {
  const proxy = await startProxy(bedrock, { ...configured(aws), ...env })
  after(() => proxy.stop())
  return proxy
}

const invoke = (port: number, claims: object = {}): Promise<Got> => ask('HTTP/1.1', port, '/model/m/invoke', { headers: { authorization: `Bearer ${token(claims as Record<string, unknown>)}` }, body: '{}' })
const ROLE = 'arn:aws:iam::111122223333:role/bedrock-user'
const OPS = 'arn:aws:iam::111122223333:role/ops'

/** The form of the session that a request was signed in; nothing where it was the proxy itself. */
function sessionOf({ signature }: Seen): Record<string, string> | undefined {
  if (signature instanceof Error) throw signature
  const issued = sts.keysOf(signature.accessKeyId)
  if (issued === undefined) assert.equal(signature.accessKeyId, ACCESS_KEY_ID)
  return issued && Object.fromEntries([...issued.form].slice(2))
}

async function sessionFor(port: number, claims: object): Promise<Record<string, string> | undefined> {
  assert.equal((await invoke(port, claims)).status, 200)
  return sessionOf(bedrock.seen.at(-1)!)
}

test('aws.assume_role: each caller calls in a session of the role that has their name, tags and source identity', async () => {
  const { port } = await proxyWith({ assume_role: { role_arn: ROLE, session_name: '{user}', source_identity: '{claim:/email}', tags: { team: '{claim:/org/team}', via: 'proxy' }, duration: '15m', external_id: 'ext' } })
  const expected = (name: string, team: string) => ({ RoleArn: ROLE, RoleSessionName: name, DurationSeconds: '900', 'Tags.member.1.Key': 'team', 'Tags.member.1.Value': team, 'Tags.member.2.Key': 'via', 'Tags.member.2.Value': 'proxy', ExternalId: 'ext', SourceIdentity: `${name}@example.com` })
  for (const [sub, team] of [['alice', 'search'], ['bob', 'ml platform'], ['alice', 'search']] as const) {
    assert.deepEqual(await sessionFor(port, { sub, email: `${sub}@example.com`, org: { team } }), expected(sub, team))
  }
  assert.equal(sts.issued.length, 2)
})

test('aws.assume_role.rules: the first that fits decides, and what it leaves out is as for everybody', async () => {
  const { port } = await proxyWith({ assume_role: { tags: { who: '{user}' }, duration: '30m', rules: [{ users: ['carol'], role_arn: OPS, session_name: 'boss-{user}', tags: {}, duration: '1h', external_id: 'x/1' }, { groups: ['ops'], role_arn: OPS }] } })
  assert.deepEqual(await sessionFor(port, { sub: 'carol', groups: ['ops'] }), { RoleArn: OPS, RoleSessionName: 'boss-carol', DurationSeconds: '3600', ExternalId: 'x/1' })
  assert.deepEqual(await sessionFor(port, { sub: 'dave', groups: ['dev', 'ops'] }), { RoleArn: OPS, RoleSessionName: 'dave', DurationSeconds: '1800', 'Tags.member.1.Key': 'who', 'Tags.member.1.Value': 'dave' })
  assert.equal(await sessionFor(port, { sub: 'erin', groups: [] }), undefined)
})

test('a role that STS refuses is 503 for its caller only, and named in log and metrics', async () => {
  const proxy = await startWithAdmin(bedrock, configured({ assume_role: { role_arn: ROLE } }))
  after(() => proxy.stop())
  sts.refuse = (form) => (form.get('RoleSessionName') === 'mallory' ? 'AccessDenied' : undefined)
  const line = proxy.nextRequestLine()
  const { status, headers } = await invoke(proxy.port, { sub: 'mallory' })
  assert.deepEqual([status, headers['x-amzn-errortype']], [503, 'ServiceUnavailableException'])
  const { error, failed, detail } = await line
  assert.deepEqual([error, failed, detail], ['AWS_ROLE_REFUSED', 'proxy', `role ${ROLE} as mallory: STS refused the role (AccessDenied)`])
  assert.equal((await invoke(proxy.port, { sub: 'alice' })).status, 200)
  sts.refuse = () => undefined
  const metrics = await ask('HTTP/1.1', proxy.admin, '/metrics', { method: 'GET' })
  assert.match(metrics.body.toString(), /errors_total\{error="AWS_ROLE_REFUSED"\} 1\n/)
})

test('credentials of a role that AWS takes for expired are renewed, and the request is signed once more', async () => {
  const proxy = await proxyWith({ assume_role: { role_arn: ROLE } })
  let refusals = 0
  const script = bedrock.script
  bedrock.script = (seen, response) => {
    if (refusals++ > 0) return script(seen, response)
    response.writeHead(403, { 'x-amzn-ErrorType': 'ExpiredTokenException' }).end('{}')
  }
  const before = sts.issued.length
  assert.equal((await invoke(proxy.port, { sub: 'alice' })).status, 200)
  assert.equal(sts.issued.length, before + 2)
  bedrock.script = script
})

test('the real program: a thousand requests of ten callers are ten sessions; a reload gives other roles', async () => {
  const env = proxyEnv(bedrock, configured({ assume_role: { role_arn: ROLE } }))
  const program = new Program(['serve'], env)
  const port = await program.port()
  const before = sts.issued.length
  for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 10 }, (_, user) => invoke(port, { sub: `user-${user}` })))
  assert.deepEqual([...new Set(sts.issued.slice(before).map(({ form }) => form.get('RoleSessionName')))].sort(), Array.from({ length: 10 }, (_, user) => `user-${user}`))
  assert.equal(sts.issued.length, before + 10)
  writeFileSync(env.BEDROCK_SSO_PROXY_CONFIG!, JSON.stringify({ aws: { assume_role: { role_arn: OPS, tags: { team: '{claim:/team}' } } } }), { mode: 0o600 })
  program.child.kill('SIGHUP')
  await program.line(/"msg":"reloaded"/)
  assert.deepEqual(await sessionFor(port, { sub: 'user-1', team: 'x' }), { RoleArn: OPS, RoleSessionName: 'user-1', DurationSeconds: '3600', 'Tags.member.1.Key': 'team', 'Tags.member.1.Value': 'x' })
  program.child.kill('SIGTERM')
  await program.ended()
})

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { FakeBedrock, type Seen } from '../kit/bedrock.ts'
import { secret } from '../kit/leaks.ts'
import { Program } from '../kit/program.ts'
import { proxyEnv, token } from '../kit/proxy.ts'
import { FakeSts } from '../kit/sts.ts'

/** What doctor asks of AWS with the credentials. */

const folder = mkdtempSync(join(tmpdir(), 'inquiry-'))
const [bedrock, sts] = [await FakeBedrock.start(), await FakeSts.start()]
bedrock.others = sts.keysOf
after(async () => {
  rmSync(folder, { recursive: true })
  await Promise.all([bedrock.close(), sts.close()])
})

const ERRORS: Readonly<Record<string, readonly [number, string, string]>> = {
  good: [400, 'ValidationException', '1 validation error detected: Value at messages failed to satisfy constraint'],
  unknown: [400, 'ValidationException', 'The provided model identifier is invalid.'],
  throughput: [400, 'ValidationException', 'Invocation of model ID x with on-demand throughput isn’t supported.'],
  denied: [403, 'AccessDeniedException', 'not authorized to perform: bedrock:InvokeModel'],
  retired: [404, 'ResourceNotFoundException', 'end of its life'],
  busy: [429, 'ThrottlingException', 'Too many requests'],
}
bedrock.script = ({ target }: Seen, response) => {
  if (target === '/foundation-models') return response.end('{"modelSummaries":[{},{}]}')
  const [status, type, message] = ERRORS[/^\/model\/(\w+)/.exec(target)?.[1] ?? ''] ?? [200, '', '']
  response.writeHead(status, { 'x-amzn-errortype': type }).end(JSON.stringify({ message }))
}

let files = 0
async function doctor(config: object, env: Readonly<Record<string, string>> = {}, ...args: readonly string[]): Promise<{ readonly code: number | null; readonly lines: readonly string[] }> {
  const file = join(folder, `${files++}.json`)
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 })
  const program = new Program(['doctor', ...args], { ...proxyEnv(bedrock), BEDROCK_SSO_PROXY_CONFIG: file, ...env })
  const code = await program.ended()
  assert.deepEqual(program.stderr, [])
  return { code, lines: program.stdout }
}

const about = ({ lines }: { readonly lines: readonly string[] }, what: RegExp) => lines.filter((line) => what.test(line))
const STS = { AWS_ENDPOINT_URL_STS: sts.url }
const ROLE = 'arn:aws:iam::111122223333:role/bedrock-user'

describe('doctor tells', { concurrency: 2 }, () => {
  test('whom AWS takes the proxy for, and that its keys are taken', async () => {
    const told = await doctor({}, STS)
    assert.deepEqual([told.code, about(told, /identity/), about(told, /control: /)], [0, ['ok    AWS identity: arn:aws:iam::111122223333:user/proxy'], ['ok    Bedrock control: takes the credentials, and lists 2 models']])
  })

  test('that the keys are refused, by STS and by Bedrock', async () => {
    const told = await doctor({}, { ...STS, AWS_SECRET_ACCESS_KEY: secret('a wrong secret key', 'kit/not-the-secret-key') })
    assert.equal(told.code, 1)
    assert.match(about(told, /identity/).join(), /^FAIL {2}AWS identity: STS does not say who we are \(SignatureDoesNotMatch\) {2}\(the keys are wrong/)
    assert.match(about(told, /control: /).join(), /^FAIL {2}Bedrock control: AWS refuses the credentials \(InvalidSignatureException\)/)
  })

  test('nothing of STS where an endpoint is a wall and nothing needs STS, and no more than a warning where it is not reached', async () => {
    assert.deepEqual(about(await doctor({}), /identity/), [])
    const told = await doctor({}, { AWS_ENDPOINT_URL_STS: 'http://127.0.0.1:9' })
    assert.equal(told.code, 0)
    assert.match(about(told, /identity/).join(), /^warn {2}AWS identity: the connection failed \(ECONNREFUSED\)/)
  })

  test('the role of a user, by name and groups or by a token, and what STS has against it', async () => {
    sts.refuse = (form) => (form.get('RoleSessionName') === 'mallory' ? 'AccessDenied' : undefined)
    const config = { aws: { assume_role: { rules: [{ groups: ['ops'], role_arn: ROLE, tags: { team: '{claim:/team}' } }] } } }
    const role = async (...args: string[]) => about(await doctor(config, STS, ...args), /role of/)
    assert.deepEqual(await role('--user', 'ann', '--groups', 'dev,ops'), [`ok    role of ann: ${ROLE}, session ann`])
    assert.deepEqual(await role('--token', token({ sub: 'bob', groups: ['ops'], team: 'search' })), [`ok    role of bob: ${ROLE}, session bob`])
    assert.equal(sts.forms.at(-1)!.get('Tags.member.1.Value') ?? sts.forms.at(-2)!.get('Tags.member.1.Value'), 'search')
    assert.deepEqual(await role('--user', 'carl'), ['ok    role of carl: none, calls are made with the credentials of the proxy'])
    assert.match((await role('--user', 'mallory', '--groups', 'ops')).join(), /^FAIL {2}role of mallory: role .* as mallory: STS refused the role \(AccessDenied\) {2}\(see that the role trusts the proxy/)
  })

  test('which models can be called, without running one', async () => {
    const rules = [{ models: ['good', 'unknown', 'any*'], effect: 'allow' }, { models: ['busy'], effect: 'deny' }]
    const told = await doctor({ policy: { rules } }, {}, '--model', 'denied', '--model', 'throughput', '--model', 'retired', '--model', 'busy')
    assert.equal(told.code, 1)
    assert.deepEqual(about(told, /model /).map((line) => line.split('  (')[0]), [
      'ok    model good: can be called',
      'FAIL  model unknown: AWS does not know it here (ValidationException)',
      'FAIL  model denied: may not be called (AccessDeniedException)',
      'FAIL  model throughput: AWS does not know it here (ValidationException)',
      'FAIL  model retired: may not be called (ResourceNotFoundException)',
      'warn  model busy: answered 429 (ThrottlingException)',
    ])
    assert.ok(bedrock.seen.filter(({ target }) => target.endsWith('/converse')).every(({ body }) => body.toString() === '{}'))
  })

  test('what the policy has against a model for a user, and the profile that is called in its place', async () => {
    const profile = 'arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc'
    const config = { policy: { rules: [{ users: ['ann'], models: ['anthropic.good-v1:0'], effect: 'allow' }] }, aws: { profiles: [{ models: ['*'], profile }] } }
    assert.deepEqual(about(await doctor(config, {}, '--user', 'ann'), /model /), [`ok    model anthropic.good-v1:0 by ${profile}: can be called`])
    assert.deepEqual(about(await doctor(config, {}, '--user', 'bob'), /model /), [`ok    model anthropic.good-v1:0 by ${profile}: not for bob (default)`])
  })

  test('what is wrong with how a user is named', async () => {
    const told = await doctor({}, {}, '--user', 'ann', '--token', 'x')
    assert.deepEqual([told.code, told.lines.at(-1)], [1, 'FAIL  arguments: either --user or --token says who asks  (see --help)'])
  })
})

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { secret } from '../kit/leaks.ts'
import { Program } from '../kit/program.ts'
import { JWT_SECRET, token } from '../kit/proxy.ts'

const folder = mkdtempSync(join(tmpdir(), 'explain-'))
after(() => rmSync(folder, { recursive: true }))

const RULES = `
[[policy.rules]]
groups = ["interns"]
models = ["anthropic.claude-opus-*"]
effect = "deny"

[[policy.rules]]
users = ["alice"]
operations = ["Converse", "ListFoundationModels"]
geographies = ["eu"]
effect = "allow"

[[policy.rules]]
groups = ["engineering"]
models = ["anthropic.*"]
effect = "allow"
`

const OPUS = 'eu.anthropic.claude-opus-4-1-20250805-v1:0'

let files = 0

/** What the program says of a request, and how it ends. */
async function explained(args: readonly string[], rules = RULES, env: Readonly<Record<string, string>> = { JWT__SECRET: JWT_SECRET }) {
  const config = join(folder, `${files++}.toml`)
  writeFileSync(config, rules)
  const program = new Program(['explain', '--config', config, ...args], { AWS__REGION: 'eu-west-1', HOME: '/nowhere', ...env })
  const code = await program.ended()
  return { code, stdout: program.stdout, stderr: program.stderr }
}

const ROWS: readonly (readonly [name: string, args: readonly string[], code: number, stdout: readonly string[]])[] = [
  ['a user', ['--user', 'alice', '--operation', 'Converse', '--model', OPUS], 0,
    ['allowed by policy.rules[1]', '  alice, in no group', `  ${OPUS}: ${OPUS.slice(3)}, eu`]],
  ['groups', ['--user', 'alice', '--groups', 'engineering,interns', '--operation', 'Converse', '--model', OPUS], 1,
    ['denied by policy.rules[0]', '  alice, in engineering, interns', `  ${OPUS}: ${OPUS.slice(3)}, eu`]],
  ['another user', ['--user', 'bob', '--issuer', 'x', '--groups', 'engineering', '--operation', 'InvokeModel', '--model', OPUS], 0,
    ['allowed by policy.rules[2]', '  bob of x, in engineering', `  ${OPUS}: ${OPUS.slice(3)}, eu`]],
  ['an opaque model', ['--user', 'bob', '--groups', 'engineering', '--operation', 'Converse', '--model', 'abc123def456'], 1,
    ['denied by default', '  bob, in engineering', '  abc123def456: unknown, what is behind it is not known here']],
  ['an operation without a model', ['--user', 'alice', '--operation', 'ListFoundationModels'], 1, ['denied by default', '  alice, in no group']],
]

for (const [name, args, code, stdout] of ROWS) {
  test(`explain tells which rule decides: ${name}`, async () => {
    assert.deepEqual(await explained(args), { code, stdout, stderr: [] })
  })
}

test('explain reads who asks from a token, whether it is still good or not', async () => {
  for (const jwt of [token({ sub: 'carol', iss: 'https://sso' }), token({ sub: 'carol', iss: 'https://sso' }, -600)]) {
    assert.deepEqual(await explained(['--token', jwt, '--operation', 'InvokeModel', '--model', OPUS]),
      { code: 0, stdout: ['allowed by policy.rules[2]', '  carol of https://sso, in engineering', `  ${OPUS}: ${OPUS.slice(3)}, eu`], stderr: [] })
  }
})

test('explain says nothing of a token that steers a terminal', async () => {
  const { stdout } = await explained(['--token', token({ sub: 'carol', groups: ['a\u001b[2J\u009b\u202eb'] }), '--operation', 'InvokeModel'])
  assert.equal(stdout[1], '  carol, in a\ufffd[2J\ufffd\ufffdb')
})

test('explain follows policy.default, and allows everything without rules', async () => {
  const args = ['--user', 'bob', '--operation', 'InvokeModel', '--model', OPUS]
  assert.equal((await explained(args, `policy.default = "allow"\n${RULES}`)).stdout[0], 'allowed by default')
  assert.equal((await explained(args, '')).stdout[0], 'allowed by default')
  assert.equal((await explained(args, '', { JWT__SECRET: JWT_SECRET, POLICY__DEFAULT: 'deny' })).stdout[0], 'denied by default')
})

const ISSUERS = ['a', 'b'].map((name) => `[[jwt.issuers]]\nissuer = "${name}"\nsecret = "${secret('an issuer secret', randomBytes(48).toString('base64'))}"\n`).join('')

test('explain tells the users of several issuers apart', async () => {
  const rules = `${ISSUERS}[[policy.rules]]\nusers = ["a|ann"]\neffect = "allow"\n`
  const of = (issuer: string) => ['--user', 'ann', '--issuer', issuer, '--operation', 'Converse', '--model', OPUS]
  assert.equal((await explained(of('a'), rules, {})).code, 0)
  assert.equal((await explained(of('b'), rules, {})).code, 1)
})

const PROBLEMS: readonly (readonly [name: string, args: readonly string[], rules: string, stderr: readonly string[]])[] = [
  ['nobody', ['--operation', 'Converse'], RULES, ['either --user or --token says who asks']],
  ['two who ask', ['--user', 'a', '--token', 'b', '--operation', 'Converse'], RULES, ['either --user or --token says who asks']],
  ['no operation', ['--user', 'a'], RULES, ['--operation is the name of one: openapi prints them']],
  ['what is no token', ['--token', 'x', '--operation', 'Converse'], RULES, ['the token is not three base64url parts with two dots between them']],
  ['a rule with an operation that does not exist', ['--user', 'a', '--operation', 'Converse'], RULES.replace('"Converse"', '"converse"'), ['policy.rules[1]: there is no such operation']],
  ['a bare user with several issuers', ['--user', 'a', '--operation', 'Converse'], ISSUERS + RULES, ['policy.rules[1]: with several issuers a user is written issuer|user']],
  ['an issuer that is not named', ['--user', 'a', '--operation', 'Converse'], ISSUERS, ['with several issuers --issuer is needed']],
]

for (const [name, args, rules, stderr] of PROBLEMS) {
  test(`explain says what is wrong with the question: ${name}`, async () => {
    assert.deepEqual(await explained(args, rules, rules.includes('jwt.issuers') ? {} : undefined), { code: 78, stdout: [], stderr })
  })
}

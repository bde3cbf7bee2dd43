import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { main } from '../../src/cli/main.ts'
import { output } from '../kit/leaks.ts'
import { CLIENT_ID, Provider } from '../kit/provider.ts'
import { JWT_SECRET, token } from '../kit/proxy.ts'

const provider = await Provider.start()
const folder = mkdtempSync(join(tmpdir(), 'inspect-'))
after(() => {
  provider.close()
  rmSync(folder, { recursive: true })
})
beforeEach(() => provider.repent())

const REVOKED = join(folder, 'revoked.yaml')
writeFileSync(REVOKED, '- { user: mallory }\n')
const OURS = { JWT__SECRET: JWT_SECRET, JWT__REVOCATION_FILE: REVOKED }
const THEIRS = { JWT__ISSUER: provider.url, JWT__AUDIENCE: CLIENT_ID }

async function inspected(text: string, env: Readonly<Record<string, string>>): Promise<{ code: number; lines: string[] }> {
  const file = join(folder, 'token')
  writeFileSync(file, `${text}\n`)
  let out = ''
  const stream = { writableLength: 0, write: (more: string) => { out += more }, on: () => undefined, once: () => undefined }
  const terminal = { env: { AWS__REGION: 'us-east-1', ...env }, stdout: stream, stderr: stream, versions: process.versions, pid: 1, cwd: () => folder, exit: () => undefined, on: () => undefined }
  const code = await main(['token', 'inspect', '--file', file], terminal)
  output(out)
  return { code, lines: out.split('\n') }
}

test('token inspect says that a token is accepted, of whom, and what it says of itself; never the token', async () => {
  const { code, lines } = await inspected(token({ iss: 'ci' }), OURS)
  assert.equal(code, 0)
  assert.deepEqual(lines.slice(0, 3), ['accepted', '  user: "alice"', '  groups: ["engineering"]'])
  assert.ok(lines.includes('  iss: "ci"') && lines.includes('  alg: "HS256"'))
})

test('token inspect asks an issuer for its keys, as serve does', async () => {
  assert.equal((await inspected(provider.token({ aud: CLIENT_ID }), THEIRS)).lines[0], 'accepted')
})

for (const [claim, make, env, reason] of [
  ['is none', () => 'hello', OURS, 'refused: JWT_MALFORMED: the token is not three base64url parts with two dots between them'],
  ['has expired', () => token({}, -100), OURS, 'refused: JWT_EXPIRED: "exp" is in the past'],
  ['is signed by another key', () => `${token().slice(0, -4)}AAAA`, OURS, 'refused: JWT_SIGNATURE_INVALID: the signature does not verify'],
  ['is revoked', () => token({ sub: 'mallory' }), OURS, 'refused: TOKEN_REVOKED: a row of jwt.revocation_file is about it'],
  ['names nobody', () => token({ sub: undefined }), OURS, 'refused: IDENTITY_NO_USER: no claim names the user'],
  ['is for another service', () => provider.token({ aud: 'other' }), THEIRS, `refused: JWT_AUDIENCE_MISMATCH: aud "other" not in ["${CLIENT_ID}"]`],
  ['is of another issuer', () => token({ iss: '\u001b[2J' }), THEIRS, `refused: JWT_ISSUER_MISMATCH: iss "\\u001b[2J" not in ["${provider.url}"]`],
] as const) {
  test(`token inspect says why a token is refused that ${claim}`, async () => {
    const { code, lines } = await inspected(make(), env)
    assert.deepEqual([code, lines[0]], [1, reason])
    assert.ok(lines.every((line) => /^[\x20-\x7e]*$/.test(line)), 'nothing steers the terminal')
  })
}

test('token inspect says first what is wrong with the configuration', async () => {
  const { code, lines } = await inspected('x', {})
  assert.equal(code, 78)
  assert.match(lines.join('\n'), /a key to check tokens with/)
})

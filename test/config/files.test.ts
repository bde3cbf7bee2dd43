import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { formatProblem, loadConfig } from '../../src/config/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'config-'))
after(() => rmSync(folder, { recursive: true }))

function write(name: string, content: string | Uint8Array, mode = 0o600): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  chmodSync(path, mode)
  return path
}

const env = { AWS__REGION: 'us-east-1' }
const load = (config: string) => loadConfig({ args: { config }, env, cwd: folder })

test('A configuration on a real disk is read, its secret file too, with a hint when others can read it', () => {
  const key = write('key', 'hush\n', 0o644)
  const { config, hints } = load(write('a.json', JSON.stringify({ jwt: { secret_file: 'key' } })))
  assert.equal(config?.jwt.secret?.reveal(), 'hush')
  assert.deepEqual(hints.map(({ key, found }) => [key, found]), [['jwt.secret_file', 'mode 644']])
  chmodSync(key, 0o640)
  assert.deepEqual(load('a.json').hints, [])
})

test('A secret of bytes that are no text is refused, not turned into replacement characters', () => {
  write('raw', Uint8Array.of(0xff, 0xfe, 0x80))
  const { problems } = load(write('b.json', '{"jwt": {"secret_file": "raw"}}'))
  assert.deepEqual(problems.map(({ key, found }) => [key, found]), [['jwt.secret_file', 'ERR_ENCODING_INVALID_ENCODED_DATA']])
})

test('A folder in the place of a file is a problem, and one of the key of the certificate is no error', () => {
  write('c', '-')
  const { problems } = loadConfig({ args: { config: '.' }, env, cwd: folder })
  assert.match(formatProblem(problems[0]!), /expected a name that ends in \.yaml/)
  const missing = load(write('d.json', '{"jwt": {"secret": "s"}, "server": {"tls": {"cert_file": "no", "key_file": "no"}}}'))
  assert.deepEqual([missing.problems, missing.hints], [[], []])
  assert.equal(load(write('e.json', '{"jwt": {"secret_file": "."}}')).problems[0]?.found, 'EISDIR')
})

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { main } from '../../src/cli/main.ts'
import { startProvider } from '../../src/cli/provider.ts'

// What it does with the real provider is tried where that is installed: test/interop/demo.interop.ts.

const root = mkdtempSync(join(tmpdir(), 'demo-sso-'))
after(() => rmSync(root, { recursive: true }))

/** A checkout whose provider is this program. */
function checkout(name: string, source: string): string {
  const folder = join(root, name, 'test', 'interop')
  mkdirSync(join(folder, 'node_modules', 'oidc-provider'), { recursive: true })
  writeFileSync(join(folder, 'provider.ts'), source)
  return join(root, name, 'bin', 'program.ts')
}

test('demo --sso without the sources beside it says that it needs them', async () => {
  let said = ''
  const stdout = { writableLength: 0, write: () => undefined, on: () => undefined, once: () => undefined }
  const terminal = { env: {}, stdout, stderr: { write: (text: string) => { said += text } }, versions: process.versions, pid: 1, cwd: () => '/', exit: () => undefined, on: () => undefined }
  assert.equal(await main(['demo', '--sso'], terminal), 78)
  assert.equal(said, 'demo --sso is for a checkout of the sources: the OpenID provider that it starts is in none of the binaries\n')
})

test('a binary in a checkout says the same', async () => {
  checkout('binary', '')
  await assert.rejects(startProvider(join(root, 'binary', 'dist', 'bedrock-sso-proxy')), { name: 'ProviderError', message: /^demo --sso is for a checkout of the sources/ })
})

test('where the packages of the provider are missing, the line that installs them is told', async () => {
  const folder = join(root, 'bare', 'test', 'interop')
  mkdirSync(folder, { recursive: true })
  await assert.rejects(startProvider(join(root, 'bare', 'bin', 'program.ts')), { name: 'ProviderError', message: `the OpenID provider of the demo is not installed: npm ci --ignore-scripts --prefix ${folder}` })
})

test('a provider that does not start: its last words are told', async () => {
  const entry = checkout('broken', "throw new Error('of no use')")
  await assert.rejects(startProvider(entry), { name: 'ProviderError', message: /^the OpenID provider of the demo does not start:\n[^]*of no use/ })
})

test('a provider that says something else: what it says is told', async () => {
  const entry = checkout('chatty', "console.log('Hello')\nprocess.stdin.resume().once('end', () => process.exit())")
  await assert.rejects(startProvider(entry), { name: 'ProviderError', message: 'the OpenID provider of the demo does not say where it is:\nHello\n' })
})

test('the provider has nothing of the environment, says where it is, and ends when it is stopped', async () => {
  const entry = checkout('good', `
    import { writeFileSync } from 'node:fs'
    import { join } from 'node:path'
    // Node hands it to every child where coverage is measured.
    console.log(JSON.stringify({ issuer: 'http://127.0.0.1:1', client_id: Object.keys(process.env).filter((name) => !name.startsWith('__') && name !== 'NODE_V8_COVERAGE').join() }))
    process.stdin.resume().once('end', () => writeFileSync(join(import.meta.dirname, 'ended'), ''))`)
  const provider = await startProvider(entry)
  assert.deepEqual([provider.issuer, provider.clientId], ['http://127.0.0.1:1', ''])
  await provider.stop()
  rmSync(join(root, 'good', 'test', 'interop', 'ended'))
})

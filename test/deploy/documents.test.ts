import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from '../../src/config/index.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const GUIDE = read('deploy/README.md')
const blocks = (language: string) => [...GUIDE.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'))].map(([, text]) => text!)

test('every configuration of the guide is one that the proxy takes, but for the files that it names', () => {
  assert.ok(blocks('yaml').length >= 4)
  for (const text of blocks('yaml')) {
    const files = { exists: () => true, readText: (path: string) => (path.endsWith('config.yaml') ? text : 'x'.repeat(40)), mode: () => 0o600 }
    assert.deepEqual(loadConfig({ args: { config: '/etc/config.yaml' }, env: {}, cwd: '/', files }).problems, [], text)
  }
})

test('every policy and setting of the guide is JSON; no policy allows all', () => {
  assert.ok(blocks('json').length >= 5)
  for (const text of blocks('json')) assert.doesNotMatch(JSON.stringify(JSON.parse(text)), /"(?:bedrock|sts):\*"|"Action":"\*"/)
})

test('files that the documents name are there', () => {
  for (const document of ['deploy/README.md', 'deploy/AUDITORS.md', 'deploy/SECURITY.md']) {
    for (const [, path] of read(document).matchAll(/`((?:deploy|src|test)\/[\w./-]+)`/g)) assert.ok(existsSync(join(ROOT, path!)), `${document}: ${path}`)
  }
})

test('workflows have no rights but those of their jobs, and use actions by their commits', () => {
  for (const name of readdirSync(join(ROOT, '.github', 'workflows'))) {
    const text = read(`.github/workflows/${name}`)
    assert.match(text, /^permissions: \{\}$/m, name)
    for (const [, used] of text.matchAll(/uses: (\S+)/g)) assert.match(used!, /@[0-9a-f]{40}$/, name)
  }
})

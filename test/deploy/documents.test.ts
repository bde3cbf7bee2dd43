import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from '../../src/config/index.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const GUIDE = read('deploy/README.md')
const blocks = (language: string, document = GUIDE) => [...document.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'))].map(([, text]) => text!)

/** What is wrong with a configuration, but for the files that it names. */
function problemsOf(text: string, env: Readonly<Record<string, string>> = {}) {
  const files = { exists: () => true, readText: (path: string) => (path.endsWith('config.yaml') ? text : 'x'.repeat(40)), mode: () => 0o600 }
  return loadConfig({ args: { config: '/etc/config.yaml' }, env, cwd: '/', files }).problems
}

test('every configuration of the guide is one that the proxy takes, but for the files that it names', () => {
  assert.ok(blocks('yaml').length >= 4)
  for (const text of blocks('yaml')) assert.deepEqual(problemsOf(text), [], text)
})

test('every configuration of README is one that the proxy takes, with a region and an issuer where it is about something else', () => {
  const readme = read('README.md')
  const inline = [...readme.matchAll(/`(\w+: \{ [^`]+ \})`/g)].map(([, text]) => text!)
  const indented = [...readme.matchAll(/^    (?:jwt|aws|limits):\n(?:     .*\n)+/gm)].map(([text]) => text.replace(/^    /gm, ''))
  const texts = [...blocks('yaml', readme), ...inline, ...indented]
  assert.deepEqual([inline.length, indented.length, texts.length >= 8], [1, 1, true])
  for (const text of texts) assert.deepEqual(problemsOf(text, { AWS__REGION: 'us-east-1', ...(!/^jwt:/m.test(text) && { JWT__ISSUER: 'https://login.example.com/', JWT__AUDIENCE: 'bedrock' }) }), [], text)
})

test('every policy and setting of the guide is JSON; no policy allows all', () => {
  assert.ok(blocks('json').length >= 5)
  for (const text of blocks('json')) assert.doesNotMatch(JSON.stringify(JSON.parse(text)), /"(?:bedrock|sts):\*"|"Action":"\*"/)
})

test('Claude Code is told the same by the guide, by README and by /setup', () => {
  const [settings] = blocks('json').filter((text) => text.includes('apiKeyHelper'))
  assert.ok(read('README.md').includes(settings!))
  const setup = read('src/server/snippets.ts')
  for (const name of Object.keys((JSON.parse(settings!) as { env: object }).env)) assert.ok(setup.includes(`"${name}"`), name)
})

test('files that the documents name are there', () => {
  for (const document of ['deploy/README.md', 'deploy/AUDITORS.md', 'deploy/SECURITY.md']) {
    for (const [, path] of read(document).matchAll(/`((?:deploy|src|test)\/[\w./-]+)`/g)) assert.ok(existsSync(join(ROOT, path!)), `${document}: ${path}`)
  }
})

test('the changelog has a section for this version, which is what a release tells; the chart is of the same version', () => {
  const { version } = JSON.parse(read('package.json')) as { version: string }
  const notes = (of: string) => spawnSync(join(ROOT, '.ci', 'notes'), [of], { encoding: 'utf8' })
  assert.match(notes(version).stdout, /^### (Added|Changed|Deprecated|Removed|Fixed|Security)\n\n- /)
  assert.doesNotMatch(notes(version).stdout, /^## /m)
  assert.deepEqual([notes('0.0.0').status, notes('0.0.0').stdout], [1, ''])
  assert.match(read('.github/workflows/release.yml'), /\.ci\/notes "\$\{GITHUB_REF_NAME#v\}" >"\$RUNNER_TEMP\/notes\.md"/)
  assert.match(read('deploy/helm/Chart.yaml'), new RegExp(`^version: ${version}\nappVersion: ${version}$`, 'm'))
})

test('each version of the changelog is dated and above the one before it', () => {
  const heads = [...read('CHANGELOG.md').matchAll(/^## (.*)$/gm)].map(([, head]) => head!)
  assert.equal(heads[0], '[Unreleased]')
  const order = heads.slice(1).map((head) => /^\[(\d+)\.(\d+)\.(\d+)\] - \d{4}-\d{2}-\d{2}$/.exec(head)?.slice(1).reduce((sum, part) => sum * 1000 + Number(part), 0))
  assert.deepEqual(order, order.toSorted((a, b) => b! - a!), heads.join())
  assert.ok(order.every((one) => one !== undefined), heads.join())
})

test('every job of the workflows runs a part of .ci/run that there is', () => {
  const groups = new Set([...read('.ci/run').matchAll(/^group=(\w+)$/gm)].map(([, group]) => group))
  const named = [...read('.github/workflows/ci.yml').matchAll(/\{ group: (\w+),/g)].map(([, group]) => group)
  // The tests have a job for each line of Node, beside these.
  assert.deepEqual(new Set([...named, 'tests']), groups)
})

test('workflows have no rights but those of their jobs, and use actions by their commits', () => {
  for (const name of readdirSync(join(ROOT, '.github', 'workflows'))) {
    const text = read(`.github/workflows/${name}`)
    assert.match(text, /^permissions: \{\}$/m, name)
    for (const [, used] of text.matchAll(/uses: (\S+)/g)) assert.match(used!, /@[0-9a-f]{40}$/, name)
  }
})

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseYaml } from '../../src/yaml/index.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const FOLDER = join(ROOT, 'deploy', 'monitoring')
const read = (name: string) => readFileSync(join(FOLDER, name), 'utf8')
const METRICS = names(readFileSync(join(ROOT, 'src', 'server', 'metrics.ts'), 'utf8'))

interface Rule { readonly alert: string; readonly expr: string; readonly annotations: Readonly<Record<string, string>>; readonly labels: Readonly<Record<string, string>> }
const { groups } = parseYaml(read('rules.yaml')).value as { groups: { rules: Rule[] }[] }
const RULES = groups.flatMap(({ rules }) => rules)
const { panels } = JSON.parse(read('dashboard.json')) as { panels: { title: string; targets: { expr: string }[] }[] }

test('rules and dashboard ask for metrics that there are, and the dashboard shows nearly all', () => {
  const asked = new Set([...RULES.map(({ expr }) => expr), ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))].flatMap(used))
  assert.deepEqual([...asked].filter((name) => !METRICS.has(name)), [])
  assert.ok(asked.size > 18)
})

test('every alert says what is so, how bad it is, and what to do', () => {
  assert.ok(RULES.length >= 10)
  for (const { alert, labels, annotations } of RULES) {
    assert.match(alert, /^BedrockProxy[A-Z]\w+$/)
    assert.match(labels.severity!, /^(page|ticket)$/)
    assert.match(annotations.summary!, /\{\{ \$labels\.instance \}\}/)
    assert.match(annotations.runbook!, /\.$/)
  }
})

const promtool = (args: readonly string[]) => spawnSync('promtool', args, { encoding: 'utf8' })
const needsPromtool = promtool(['--version']).error === undefined ? {} : { skip: process.env.CI === 'true' ? false : 'promtool is not there' }

test('promtool takes configuration and rules', needsPromtool, () => {
  for (const [act, file] of [['config', 'prometheus.yml'], ['rules', 'rules.yaml']] as const) {
    const { status, stdout, stderr } = promtool(['check', act, join(FOLDER, file)])
    assert.equal(status, 0, stdout + stderr)
  }
})

test('promtool: every alert fires when it should, and none for a proxy that is well', needsPromtool, () => {
  const cases = join(import.meta.dirname, 'rules.test.yaml')
  const { status, stdout, stderr } = promtool(['test', 'rules', cases])
  assert.equal(status, 0, stdout + stderr)
  const expected = [...readFileSync(cases, 'utf8').matchAll(/alertname="(\w+)"\}', value: 1/g)].map(([, name]) => name)
  assert.deepEqual(expected, RULES.map(({ alert }) => alert))
})

/** Metrics as their table spells them; of a histogram what Prometheus makes of it. */
function names(source: string): ReadonlySet<string> {
  const found = [...source.matchAll(/(?:\$\{P\}|'(?=process_))([a-z_]+)/g)].map(([all, name]) => (all.startsWith('$') ? `bedrock_sso_proxy_${name}` : name!))
  return new Set(found.flatMap((name) => [name, `${name}_bucket`]))
}

function used(expr: string): string[] {
  return expr.match(/\b(?:bedrock_sso_proxy|process)_[a-z_]+/g) ?? []
}

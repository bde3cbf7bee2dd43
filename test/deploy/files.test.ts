import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '..', '..')

/** What is shipped, the check that would fail without it, and the words in that check which reach it. */
const CHECKS: Readonly<Record<string, readonly [check: string, reached: string]>> = {
  'AUDITORS.md': ['test/deploy/documents.test.ts', "'deploy/AUDITORS.md'"],
  'README.md': ['test/deploy/documents.test.ts', "'deploy/README.md'"],
  'SECURITY.md': ['test/deploy/documents.test.ts', "'deploy/SECURITY.md'"],
  'build/blob.ts': ['test/deploy/build.test.ts', 'deploy/build/blob.ts'],
  'build/build.ts': ['test/guard/build.test.ts', 'deploy/build/build.ts'],
  'build/elf.ts': ['test/deploy/build.test.ts', 'deploy/build/elf.ts'],
  'build/flavours.ts': ['test/deploy/build.test.ts', 'deploy/build/flavours.ts'],
  'build/link.ts': ['test/deploy/build.test.ts', 'deploy/build/link.ts'],
  'build/main.ts': ['.ci/ship', 'npm run -s build'],
  'build/nodes.ts': ['.ci/ship', 'npm run -s build'],
  'build/parts.ts': ['test/deploy/build.test.ts', 'deploy/build/parts.ts'],
  'build/sbom.ts': ['test/deploy/build.test.ts', 'deploy/build/sbom.ts'],
  'build/tsconfig.json': ['test/guard/build.test.ts', 'compile()'],
  'build/verify.ts': ['test/deploy/build.test.ts', 'deploy/build/verify.ts'],
  'container/Dockerfile': ['.ci/ship', '--file deploy/container/Dockerfile'],
  'container/compose.yaml': ['test/interop/compose.interop.ts', "'compose.yaml'"],
  'container/rootfs': ['deploy/container/Dockerfile', 'deploy/container/rootfs'],
  'container/standin.ts': ['test/interop/compose.interop.ts', 'standInFile(standin)'],
  'container/try': ['.ci/ship', 'deploy/container/try'],
  'helm/Chart.yaml': ['.ci/ship', 'template bedrock-sso-proxy deploy/helm'],
  'helm/templates/all.yaml': ['.ci/ship', 'template bedrock-sso-proxy deploy/helm'],
  'helm/values.schema.json': ['.ci/ship', '--set replicas=many'],
  'helm/values.yaml': ['.ci/ship', 'template bedrock-sso-proxy deploy/helm'],
  'kubernetes/bedrock-sso-proxy.yaml': ['.ci/ship', 'kubernetes-validate --strict deploy/kubernetes/bedrock-sso-proxy.yaml'],
  'monitoring/dashboard.json': ['test/interop/compose.interop.ts', "'dashboard.json'"],
  'monitoring/grafana/dashboards.yaml': ['test/deploy/container.test.ts', "'grafana/dashboards.yaml'"],
  'monitoring/grafana/datasource.yaml': ['test/deploy/container.test.ts', "'grafana/datasource.yaml'"],
  'monitoring/prometheus.yml': ['test/interop/compose.interop.ts', "'prometheus.yml'"],
  'monitoring/rules.yaml': ['test/deploy/rules.test.yaml', 'deploy/monitoring/rules.yaml'],
  'systemd/bedrock-sso-proxy-admin.socket': ['.ci/systemd', 'bedrock-sso-proxy-admin.socket'],
  'systemd/bedrock-sso-proxy.service': ['.ci/systemd', 'bedrock-sso-proxy.service'],
  'systemd/bedrock-sso-proxy.socket': ['.ci/systemd', 'bedrock-sso-proxy.socket'],
  'systemd/locked-down.conf': ['.ci/systemd', 'deploy/systemd/locked-down.conf'],
  'systemd/notify-fd.conf': ['.ci/systemd', 'deploy/systemd/notify-fd.conf'],
}

test('every file of deploy is reached by a check that can fail', () => {
  const folder = join(ROOT, 'deploy')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => statSync(join(folder, path)).isFile())
  assert.deepEqual(files.toSorted(), Object.keys(CHECKS).toSorted())
  for (const [file, [check, reached]] of Object.entries(CHECKS)) assert.ok(readFileSync(join(ROOT, check), 'utf8').includes(reached), `${file}: ${check} says nothing of ${reached}`)
})

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { READ, WRITE } from '../../deploy/build/flavours.ts'
import { readSetup } from '../../src/cli/setup.ts'
import { parseYaml } from '../../src/yaml/index.ts'

interface Probe { readonly httpGet: { readonly path: string; readonly port: string } }
interface Container {
  readonly env: readonly { readonly name: string; readonly value: string }[]
  readonly lifecycle: { readonly preStop: { readonly sleep: { readonly seconds: number } } }
  readonly securityContext: unknown
  readonly readinessProbe: Probe
  readonly livenessProbe: Probe
  readonly startupProbe: Probe
  readonly volumeMounts: readonly { readonly mountPath: string; readonly readOnly?: boolean }[]
}
interface Pod { readonly terminationGracePeriodSeconds: number; readonly automountServiceAccountToken: boolean; readonly securityContext: Record<string, unknown>; readonly containers: readonly [Container] }

const text = readFileSync(join(import.meta.dirname, '..', '..', 'deploy', 'kubernetes', 'bedrock-sso-proxy.yaml'), 'utf8')
const objects = new Map(text.split(/^---$/m).slice(1).map((part) => parseYaml(part).value as { kind: string; spec: unknown; data: Record<string, string> }).map((one) => [one.kind, one]))
const { spec: pod } = (objects.get('Deployment')!.spec as { template: { spec: Pod } }).template
const [container] = pod.containers
const CONFIG = objects.get('ConfigMap')!.data['config.json']!

test('all that a cluster needs is there', () => {
  assert.deepEqual([...objects.keys()].toSorted(), ['ConfigMap', 'Deployment', 'HorizontalPodAutoscaler', 'NetworkPolicy', 'PodDisruptionBudget', 'Service', 'ServiceAccount'])
})

test('the configuration is one that the proxy takes', () => {
  const env = Object.fromEntries(container.env.map(({ name, value }) => [name, value]))
  const files = { exists: () => false, readText: (path: string) => (path.endsWith('/config.json') ? CONFIG : ''), mode: () => 0o444 }
  const read = readSetup({ config: '/etc/bedrock-sso-proxy/config.json' }, { env, cwd: () => '/' }, files)
  assert.ok('setup' in read, JSON.stringify(read))
  const { server, admin } = read.setup.config
  assert.deepEqual([server.host, server.port, admin.host, admin.port], ['0.0.0.0', 3000, '0.0.0.0', 9464])
  // What a pod is given to end: the balancers, the drain, the last words.
  assert.equal(server.drain_timeout, 30_000)
  assert.ok(pod.terminationGracePeriodSeconds * 1000 >= container.lifecycle.preStop.sleep.seconds * 1000 + server.drain_timeout + 5000)
})

test('a pod that is not ready gets no requests; none but one that does not answer is restarted', () => {
  const { readinessProbe, livenessProbe, startupProbe } = container
  assert.deepEqual([readinessProbe, livenessProbe, startupProbe].map(({ httpGet: { path, port } }) => `${path} ${port}`), ['/health metrics', '/health/live metrics', '/health/live metrics'])
})

test('the pod is restricted, as Pod Security says it, and its root is read-only', () => {
  assert.deepEqual(container.securityContext, { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } })
  assert.deepEqual([pod.securityContext.runAsNonRoot, pod.securityContext.seccompProfile, pod.automountServiceAccountToken], [true, { type: 'RuntimeDefault' }, false])
})

test('what is mounted is open to the sealed binary: to write only where it may', () => {
  for (const { mountPath, readOnly } of container.volumeMounts) assert.ok((readOnly === true ? READ : WRITE).some((folder) => `${mountPath}/`.startsWith(`${folder}/`)), mountPath)
})

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { FLAVOURS, WRITE } from '../../deploy/build/flavours.ts'
import { parseYaml } from '../../src/yaml/index.ts'

const FOLDER = join(import.meta.dirname, '..', '..', 'deploy', 'container')
const read = (name: string) => readFileSync(join(FOLDER, name), 'utf8')

interface Service { readonly build?: { readonly context: string; readonly dockerfile: string }; readonly read_only?: boolean; readonly cap_drop?: readonly string[]; readonly security_opt?: readonly string[]; readonly image?: string; readonly ports?: readonly string[]; readonly volumes?: readonly string[]; readonly environment?: Readonly<Record<string, string>> }
const { services } = parseYaml(read('compose.yaml')).value as { services: Record<string, Service> }

test('the image is the binary and what it needs, for nobody in particular', () => {
  const dockerfile = read('Dockerfile')
  const last = dockerfile.split(/^FROM /m).at(-1)!
  assert.match(last, /^scratch\nCOPY --from=build \/root-of-image \/\nUSER 65532:65532\n/)
  assert.match(last, /^ENTRYPOINT \["\/usr\/local\/bin\/bedrock-sso-proxy"\]\nCMD \["serve"\]$/m)
  const flavour = /npm run build (\S+)/.exec(dockerfile)![1]
  assert.ok(FLAVOURS.some(({ name }) => name === flavour))
  for (const [line, file] of dockerfile.matchAll(/^COPY (?!--)(\S+) /gm)) assert.ok(existsSync(join(FOLDER, '..', '..', file!)), line)
})

test('the folders of the image are those that the sealed binary may write', () => {
  for (const folder of WRITE) assert.match(read('rootfs'), new RegExp(`for folder in [^;]*${folder.split('/').slice(1, -1).join('/')}\\b`), folder)
})

test('compose runs everything without powers and for this host alone, what is ours read-only, and mounts files that are there', () => {
  for (const [name, { build, read_only: readOnly, cap_drop: dropped, security_opt: options, ports = [], image, volumes = [] }] of Object.entries(services)) {
    assert.deepEqual([dropped, options], [['ALL'], ['no-new-privileges:true']], name)
    assert.equal(readOnly, ['proxy', 'standin', 'redis'].includes(name) ? true : undefined, name)
    for (const port of ports) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/, name)
    if (build !== undefined) assert.ok(existsSync(join(FOLDER, build.context, build.dockerfile)))
    else assert.match(image!, /:v?\d+\.\d+\.\d+(-[a-z-]+)?$/)
    for (const from of volumes.map((volume) => volume.split(':')[0]!).filter((from) => from.startsWith('.'))) assert.ok(existsSync(join(FOLDER, from)), from)
  }
  assert.match(services.standin!.image!, new RegExp(`^node:${FLAVOURS[0]!.node.version}-`))
})

test('proxy and stand-in have the same keys, and Grafana finds Prometheus and the dashboard where they are', () => {
  const { proxy, standin, prometheus, grafana } = services as Record<'proxy' | 'standin' | 'prometheus' | 'grafana', Service>
  for (const name of ['AWS__REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) assert.equal(proxy.environment![name], standin.environment![name], name)
  assert.equal(proxy.environment!.AWS__ENDPOINT, `http://127.0.0.1:${standin.environment!.PORT}`)
  assert.equal((standin as { network_mode?: string }).network_mode, 'service:proxy')
  const monitoring = (path: string) => parseYaml(readFileSync(join(FOLDER, '..', 'monitoring', path), 'utf8')).value
  const { scrape_configs: [scraped] } = monitoring('prometheus.yml') as { scrape_configs: [{ static_configs: unknown }] }
  assert.deepEqual(scraped.static_configs, [{ targets: ['proxy:9464'] }])
  assert.equal(proxy.environment!.ADMIN__HOST, '0.0.0.0')
  const { datasources: [source] } = monitoring('grafana/datasource.yaml') as { datasources: [{ type: string; url: string }] }
  assert.deepEqual([source.type, source.url], ['prometheus', `http://prometheus:${prometheus.ports![0]!.split(':').at(-1)}`])
  const mounts = new Map(grafana.volumes!.map((volume) => volume.split(':') as [string, string]))
  const { providers: [provider] } = monitoring('grafana/dashboards.yaml') as { providers: [{ type: string; options: { path: string } }] }
  assert.deepEqual([provider.type, dirname(mounts.get('../monitoring/dashboard.json')!)], ['file', provider.options.path])
  assert.deepEqual(['datasource', 'dashboards'].map((name) => dirname(mounts.get(`../monitoring/grafana/${name}.yaml`)!)), ['/etc/grafana/provisioning/datasources', '/etc/grafana/provisioning/dashboards'])
})

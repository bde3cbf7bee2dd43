import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FLAVOURS, WRITE } from '../../deploy/build/flavours.ts'
import { parseYaml } from '../../src/yaml/index.ts'

const FOLDER = join(import.meta.dirname, '..', '..', 'deploy', 'container')
const read = (name: string) => readFileSync(join(FOLDER, name), 'utf8')

interface Service { readonly build?: { readonly context: string; readonly dockerfile: string }; readonly read_only?: boolean; readonly cap_drop?: readonly string[]; readonly image?: string; readonly volumes?: readonly string[] }
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

test('compose runs what it builds read-only and without powers, and mounts files that are there', () => {
  const ours = Object.values(services).filter(({ build }) => build !== undefined)
  assert.equal(ours.length, 2)
  for (const { build, read_only: readOnly, cap_drop: dropped } of ours) {
    assert.ok(existsSync(join(FOLDER, build!.context, build!.dockerfile)))
    assert.deepEqual([readOnly, dropped], [true, ['ALL']])
  }
  const mounted = Object.values(services).flatMap(({ volumes }) => volumes ?? []).map((volume) => volume.split(':')[0]!).filter((path) => path.startsWith('.'))
  assert.ok(mounted.length >= 3)
  for (const path of mounted) assert.ok(existsSync(join(FOLDER, path)), path)
  for (const { image } of Object.values(services)) if (image !== undefined) assert.match(image, /:v?\d+\.\d+\.\d+$/)
})

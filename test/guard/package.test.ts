import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '..', '..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const readJson = (path: string) => JSON.parse(read(path)) as Record<string, Record<string, unknown>>

test('the program needs no package to run, and three to be developed', () => {
  const manifest = readJson('package.json')
  for (const kind of ['dependencies', 'optionalDependencies', 'peerDependencies', 'bundleDependencies', 'bundledDependencies', 'workspaces', 'overrides']) {
    assert.equal(manifest[kind], undefined, kind)
  }
  assert.deepEqual(Object.keys(manifest.devDependencies!).toSorted(), ['@types/node', 'tsx', 'typescript'])
})

const LOCKED = ['.', 'test/interop', 'test/interop/claude-code', 'test/bench']

test('versions of packages are exact, and the lock files hold their hashes', () => {
  for (const folder of LOCKED) {
    const { dependencies, devDependencies } = readJson(`${folder}/package.json`)
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) assert.match(String(version), /^\d+\.\d+\.\d+$/, name)
    for (const [path, entry] of lockedPackages(folder)) assert.match(String(entry.integrity), /^sha512-/, path)
  }
})

test('lock files say what to install, not from where', () => {
  for (const folder of LOCKED) {
    for (const [path, entry] of lockedPackages(folder)) {
      assert.match(path, /^node_modules\//)
      assert.equal(entry.resolved, undefined, path)
      assert.equal(entry.link, undefined, path)
    }
  }
})

/** No host of a registry: which one is used is the business of the machine. Spelt so that this file holds none. */
const HOSTS = ['registry npmjs org', 'registry yarnpkg com', 'pypi org', 'files pythonhosted org', 'crates io', 'proxy golang org', 'sum golang org', 'repo maven apache org', 'deb debian org'].map((host) => host.replaceAll(' ', '.'))
/** What stands at the top of the disk, such as /tmp, every machine has: there is nothing to find then. */
const MACHINE = [dirname(ROOT), homedir()].filter((folder) => dirname(folder) !== '/' && folder !== '/').map((folder) => `${folder}/`)

const listed = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT, encoding: 'utf8' })
const files = (listed.stdout ?? '').split('\0').filter((path) => path !== '' && existsSync(join(ROOT, path)))

test('no file names a registry host or a path of this machine', { skip: files.length === 0 && 'git lists no files here' }, () => {
  for (const path of files) {
    const text = read(path)
    for (const name of [...HOSTS, ...MACHINE]) assert.ok(!text.includes(name), `${path} holds ${name}`)
  }
})

function lockedPackages(folder: string): [string, Record<string, unknown>][] {
  const { packages } = readJson(`${folder}/package-lock.json`)
  return Object.entries(packages!).filter(([path]) => path !== '') as [string, Record<string, unknown>][]
}

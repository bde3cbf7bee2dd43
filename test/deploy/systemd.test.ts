import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { FORBIDDEN } from '../../src/cli/gate.ts'
import { optionsTable } from '../../src/config/index.ts'

const read = (name: string) => readFileSync(join(import.meta.dirname, '..', '..', 'deploy', 'systemd', name), 'utf8')
const SERVICE = read('bedrock-sso-proxy.service')
const folder = mkdtempSync(join(tmpdir(), 'units-'))
after(() => rmSync(folder, { recursive: true }))
const analyze = (args: readonly string[]) => spawnSync('systemd-analyze', args, { encoding: 'utf8', env: { ...process.env, SYSTEMD_COLORS: '0', SYSTEMD_EMOJI: '0' } })
const needsSystemd = analyze(['--version']).status === 0 ? {} : { skip: process.env.CI === 'true' ? false : 'systemd-analyze is not there' }

for (const [what, dropIns, most] of [['the service', [], 1], ['the service where systemd is old', ['notify-fd.conf'], 1], ['the locked-down service', ['locked-down.conf'], 0.2]] as const) {
  test(`${what} is exposed by ${most.toFixed(1)} at most, as systemd-analyze security counts`, needsSystemd, () => {
    const unit = join(folder, 'bedrock-sso-proxy.service')
    writeFileSync(unit, [SERVICE.replace(/\[Install\][^]*/, ''), ...dropIns.map(read)].join('\n'))
    const { stdout, stderr } = analyze(['security', '--offline=true', '--no-pager', unit])
    const [, score] = /Overall exposure level for \S+: ([\d.]+)/.exec(stdout) ?? assert.fail(stderr)
    assert.ok(Number(score) <= most, `${score}: ${stdout}`)
    // What this systemd does not know yet is in the service for those that do.
    assert.deepEqual(stderr.split('\n').filter((line) => line !== '' && !line.includes("'OpenFile'")), [])
  })
}

test('the service waits longer for a stop than the proxy drains', () => {
  const drain = optionsTable().split('\n').find((row) => row.includes('`server.drain_timeout`'))!
  const [, seconds] = /`(\d+)s`/.exec(drain)!
  assert.ok(Number(/^TimeoutStopSec=(\d+)s$/m.exec(SERVICE)![1]) > Number(seconds))
})

test('the service takes no variable from its manager that the proxy would refuse', () => {
  const unset = [...SERVICE.matchAll(/^UnsetEnvironment=(.*)$/gm)].flatMap(([, names]) => names!.split(' '))
  assert.deepEqual(FORBIDDEN.map(([name]) => name).filter((name) => !unset.includes(name)), [])
})

test('every path of the units is open to the sealed binary, or a program', async () => {
  const { READ, WRITE } = await import('../../deploy/build/flavours.ts')
  const folders = [...READ, ...WRITE, '/usr', '/lib', '/lib64', '/run/systemd/notify', '/run/bedrock-egress']
  const texts = ['bedrock-sso-proxy.service', 'locked-down.conf', 'notify-fd.conf'].map(read).join('\n').replace(/^#.*$/gm, '').replace(/file:\S+/g, '')
  const paths = [...texts.matchAll(/(?<![\w%@.])(\/[a-z][\w./-]+)/g)].map(([, path]) => path!)
  assert.ok(paths.length > 8)
  for (const path of paths) assert.ok(folders.some((one) => path === one || path.startsWith(`${one}/`)), path)
})

test('the socket opens the port of the defaults, by the name that the proxy looks for', () => {
  const socket = read('bedrock-sso-proxy.socket')
  assert.match(socket, /^ListenStream=127\.0\.0\.1:3000$/m)
  assert.match(socket, /^FileDescriptorName=proxy$/m)
})

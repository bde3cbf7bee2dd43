import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Reply } from '../../src/resp/index.ts'
import { parseYaml } from '../../src/yaml/index.ts'
import { ask } from '../kit/client.ts'
import { freePort } from '../kit/port.ts'
import { Program } from '../kit/program.ts'
import { RedisServer } from '../kit/redis.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const FOLDER = join(ROOT, 'deploy', 'container')
const read = (...path: readonly string[]) => readFileSync(join(ROOT, 'deploy', ...path), 'utf8')

interface Service { readonly environment: Readonly<Record<string, string>>; readonly command: readonly string[]; readonly volumes: readonly string[] }
const { services } = parseYaml(read('container', 'compose.yaml')).value as { services: Record<'proxy' | 'standin' | 'redis' | 'prometheus', Service> }
const missing = ['prometheus', 'redis-server'].filter((program) => spawnSync(program, ['--version']).error !== undefined)
const skip = missing.length === 0 || process.env.CI === 'true' ? false : `not there: ${missing.join(', ')}`

const SECRET = randomBytes(48).toString('base64')
const MODEL = 'anthropic.claude-3-haiku-20240307-v1:0'
/** A dashboard asks for whatever fits its width. */
const INTERVAL = '10s'
/** What compose has by names and ports is on loopback here, on free ones. */
const PORTS: Readonly<Record<string, number>> = { 'proxy:9464': await freePort(), 'prometheus:9090': await freePort(), '127.0.0.1:3900': await freePort() }
const here = (text: string) => Object.entries(PORTS).reduce((all, [place, port]) => all.replaceAll(place, `127.0.0.1:${port}`), text)

let server: ChildProcess | undefined
const redis = skip === false ? await RedisServer.start(services.redis.command[0]!, services.redis.command.slice(1)) : undefined

interface Answer<T> { readonly status: string; readonly data: T }
interface Found { readonly result: readonly unknown[] }

describe('what compose.yaml starts, by programs of this machine', { skip, timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'compose-'))
  const ended: (() => Promise<unknown>)[] = []
  let port: number
  let token: string

  before(async () => {
    const { proxy, standin, prometheus } = services
    const play = spawn(process.execPath, ['--import', 'tsx', standInFile(standin)], { cwd: ROOT, env: { ...standin.environment, PORT: String(PORTS['127.0.0.1:3900']) }, stdio: ['ignore', 'pipe', 'inherit'] })
    ended.push(() => kill(play))
    assert.match(String((await once(play.stdout, 'data'))[0]), /^a stand-in for Bedrock on /)
    const env = { ...proxy.environment, SERVER__PORT: '0', ADMIN__PORT: String(PORTS['proxy:9464']), JWT__SECRET: SECRET, AUDIT__FILE: join(folder, 'audit.jsonl'), AWS__ENDPOINT: here(proxy.environment.AWS__ENDPOINT!), LIMITS__URL: proxy.environment.LIMITS__URL!.replace('redis://redis:6379', redis!.url) }
    const program = new Program(['serve'], env)
    ended.push(() => kill(program.child))
    port = await program.port()
    const mint = new Program(['token', 'mint', '--sub', 'alice'], env)
    token = await mint.line(/^ey/)
    await mint.ended()
    for (const name of ['prometheus.yml', 'rules.yaml']) writeFileSync(join(folder, name), here(read('monitoring', name)).replaceAll('interval: 15s', 'interval: 1s'))
    const flags = prometheus.command.map((flag) => flag.replace(/=\/prometheus$/, `=${join(folder, 'data')}`).replace('/etc/prometheus', folder))
    server = spawn('prometheus', [...flags, `--web.listen-address=127.0.0.1:${PORTS['prometheus:9090']}`], { stdio: 'ignore' })
    ended.push(() => kill(server!))
  })

  after(async () => {
    for (const stop of ended.toReversed()) await stop()
    rmSync(folder, { recursive: true })
  })

  test('the stand-in takes the signature of the proxy: they have the same keys and region', async () => {
    const call = (authorization: string) => ask('HTTP/1.1', port, `/model/${MODEL}/invoke`, { headers: { authorization }, body: '{"max_tokens":100,"messages":[]}' })
    const { status, body } = await call(`Bearer ${token}`)
    assert.equal(status, 200, body.toString())
    assert.equal((await call('Bearer nobody')).status, 401)
  })

  test('what alice used is counted in Redis, which has it again after its end, and drops nothing for want of memory', async () => {
    const setting = async (name: string) => ((await redis!.command('CONFIG', 'GET', name)) as readonly Reply[]).map(String)
    assert.deepEqual(await setting('appendonly'), ['appendonly', 'yes'])
    assert.deepEqual(await setting('maxmemory-policy'), ['maxmemory-policy', 'noeviction'])
    const keys = await redis!.command('DBSIZE')
    assert.ok(typeof keys === 'number' && keys > 0, String(keys))
    const health = await (await fetch(`http://127.0.0.1:${PORTS['proxy:9464']}/health`)).text()
    assert.match(health, /"limits":(?:true|"ok"|\{)/)
  })

  test('Prometheus reads the proxy, and every rule can be asked; none is angry about a proxy that is well', async () => {
    await until(async () => (await query<Found>('query?query=up == 1')).result.length === 1)
    await until(async () => (await rules()).every(({ health }) => health !== 'unknown'))
    assert.deepEqual((await rules()).map(({ name, health, state }) => [name, health, state]), [...read('monitoring', 'rules.yaml').matchAll(/alert: (\w+)/g)].map(([, name]) => [name, 'ok', 'inactive']))
  })

  test('every panel of the dashboard has something to show, but for what has not happened', async () => {
    const { panels } = JSON.parse(read('monitoring', 'dashboard.json')) as { panels: { title: string; targets: { expr: string }[] }[] }
    const shown = async (expr: string) => (await query<Found>(`query?query=${encodeURIComponent(expr.replaceAll('$__rate_interval', INTERVAL))}`)).result.length > 0
    await until(() => shown('rate(bedrock_sso_proxy_requests_total[$__rate_interval])'))
    const empty: string[] = []
    for (const { title, targets } of panels) for (const { expr } of targets) if (!await shown(expr)) empty.push(title)
    // These keys do not expire, a secret has no age, and no price is known.
    assert.deepEqual(empty, ['Cost per hour, by model', 'AWS credentials: time left', 'Age of the keys of issuers'])
  })
})

/** What is mounted where the command looks for the stand-in. */
function standInFile({ command, volumes }: Service): string {
  const [node, path] = command
  assert.equal(node, 'node')
  const mounts = volumes.map((volume) => volume.split(':') as [string, string])
  const root = mounts.find(([from]) => from === '../../src')![1].replace(/\/src$/, '')
  const [file] = mounts.find(([, to]) => to === path)!
  assert.equal(join(ROOT, path!.slice(root.length)), join(FOLDER, file))
  return join(FOLDER, file)
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
}

/** Of the API of Prometheus; nothing yet where it does not answer yet. */
async function query<T>(path: string): Promise<T> {
  const { status, data } = await (await fetch(`http://127.0.0.1:${PORTS['prometheus:9090']}/api/v1/${path}`)).json() as Answer<T>
  assert.equal(status, 'success', path)
  return data
}

async function rules() {
  const { groups } = await query<{ groups: { rules: { name: string; health: string; state: string }[] }[] }>('rules')
  return groups.flatMap((group) => group.rules)
}

/** Asks again until it is so: Prometheus tells nobody. The test's own time limit ends it. */
async function until(so: () => Promise<boolean>): Promise<void> {
  const quietly = (error: Error) => { assert.equal(error.message, 'fetch failed'); return false }
  while (!await so().catch(quietly)) {
    assert.equal(server!.exitCode, null, 'Prometheus has ended')
    await pause(100)
  }
}

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readdirSync, readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { hammer } from './load.ts'

export interface Setting {
  /** Where logs and the audit file go. */
  readonly folder: string
  readonly secret: string
  readonly upstreamPort: number
  /** The node that runs the peers, with what it needs to run TypeScript. */
  readonly node: readonly string[]
  /** Our single binary, in place of the source. */
  readonly binary: string | undefined
  readonly bare: boolean
}

interface Peer {
  readonly what: string
  readonly measures: readonly ('requests' | 'streams')[]
  readonly command: (setting: Setting) => readonly string[]
}

const ROOT = join(import.meta.dirname, '..', '..')
const file = (name: string): string => join(import.meta.dirname, name)
const bare = (kind: string) => (setting: Setting) => [...setting.node, file('bare.ts'), kind]

export const peers = new Map<string, Peer>([
  ['floor', { what: 'node:http answering at once', measures: ['requests'], command: bare('floor') }],
  ['ours', { what: 'bedrock-sso-proxy', measures: ['requests', 'streams'], command: ours }],
  ['off', { what: 'the same, policy, limits, audit and metrics off', measures: ['requests', 'streams'], command: ours }],
  ['fastify', { what: 'Fastify + jose + aws4 + undici', measures: ['requests', 'streams'], command: ({ node }) => [...node, file('fastify.ts')] }],
  ['haproxy', { what: 'HAProxy, JWT verified, no SigV4', measures: ['requests', 'streams'], command: () => ['haproxy', '-db', '-f', file('haproxy.cfg')] }],
  ['pipe', { what: 'node:http piping, nothing else', measures: ['requests', 'streams'], command: bare('pipe') }],
  ['raw', { what: 'Node copying raw sockets', measures: ['streams'], command: bare('raw') }],
])

/** With everything on (audit, limits in a journal, policy, prices, metrics) unless `bare`. */
function ours({ node, binary, bare }: Setting): string[] {
  const program = binary ? [binary] : [...node, join(ROOT, 'bin', 'bedrock-sso-proxy.ts')]
  return bare ? [...program, 'serve'] : [...program, 'serve', '--config', file('everything-on.json')]
}

function environment({ folder, secret, upstreamPort, bare }: Setting, port: number, adminPort: number): Record<string, string> {
  const aws = { AWS__REGION: 'us-east-1', AWS__ENDPOINT: `http://127.0.0.1:${upstreamPort}` }
  const keys = { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }
  const proxy = { SERVER__PORT: `${port}`, SERVER__MAX_CONNECTIONS: '20000', JWT__SECRET: secret, LOGGING__LEVEL: 'info' }
  // The listener of metrics is what turns them on.
  const all = bare ? { ADMIN__PORT: '0' } : { AUDIT__FILE: join(folder, 'audit.jsonl'), LIMITS__PATH: join(folder, 'limits'), ADMIN__PORT: `${adminPort}` }
  const others = { PORT: `${port}`, UPSTREAM_PORT: `${upstreamPort}`, SECRET: secret }
  return { PATH: process.env.PATH ?? '', HOME: folder, ...aws, ...keys, ...proxy, ...all, ...others }
}

/** A peer in a process of its own on core 0. */
export interface Running {
  readonly name: string
  readonly child: ChildProcess
  readonly ended: Promise<unknown>
  readonly port: number
  readonly startMs: number
}

export const hasTaskset = spawnSync('taskset', ['-c', '0', 'true']).status === 0
const children = new Set<ChildProcess>()
process.on('exit', () => { for (const child of children) child.kill('SIGKILL') })

/** Starts a peer and waits for its first good answer to `request`. */
export async function start(name: string, given: Setting, request: Buffer): Promise<Running> {
  const setting = name === 'off' ? { ...given, bare: true } : given
  const port = await freePort()
  const log = join(setting.folder, `${name}.log`)
  const output = openSync(log, 'w')
  const [program, ...args] = [...(hasTaskset ? ['taskset', '-c', '0'] : []), ...peers.get(name)!.command(setting)]
  const begun = performance.now()
  const child = spawn(program!, args, { cwd: ROOT, env: environment(setting, port, await freePort()), stdio: ['ignore', output, output] })
  const ended = new Promise((resolve) => child.on('error', resolve).on('exit', resolve))
  children.add(child)
  void ended.then(() => children.delete(child))
  let problem: string | undefined = 'did not start'
  while (performance.now() - begun < 10_000 && child.exitCode === null && child.pid) {
    problem = await hammer(port, request, 1, 1).then(() => undefined, (error: Error) => error.message)
    if (problem === undefined) return { name, child, ended, port, startMs: performance.now() - begun }
    await setTimeout(2)
  }
  child.kill('SIGKILL')
  const lines = readFileSync(log, 'utf8').trim().split('\n')
  throw new Error(`${problem}: ${(lines.find((line) => /error|failed/i.test(line)) ?? lines[0])?.slice(0, 300)}`)
}

/** User and system time of all threads in µs: the scheduler's own count, which /proc/PID/stat rounds to 10 ms. */
export function cpuMicros({ child }: Running): number {
  const nanos = readdirSync(`/proc/${child.pid}/task`).map((id) => readFileSync(`/proc/${child.pid}/task/${id}/schedstat`, 'utf8'))
  return nanos.reduce((sum, text) => sum + Number.parseInt(text), 0) / 1000
}

export function rssKib({ child }: Running): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1])
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

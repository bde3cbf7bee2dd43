// Every peer in a process of its own on core 0, at work one at a time; the load (this process) and the stand-in for Bedrock on core 1.
import { fork, spawnSync } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Client, hammer, openStreams, paced, prepare, received } from './load.ts'
import { cpuMicros, hasTaskset, peers, rssKib, type Running, type Setting, start } from './peers.ts'

const { values: options } = parseArgs({
  options: {
    peers: { type: 'string', default: [...peers.keys()].join() },
    node: { type: 'string', default: process.execPath },
    binary: { type: 'string' },
    bare: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    requests: { type: 'string', default: '16000' },
    // V8 goes on compiling for some 20,000 requests: before that its compiler is measured, not the peer.
    warm: { type: 'string', default: '24000' },
    connections: { type: 'string', default: '32' },
    chunks: { type: 'string', default: '200' },
    'per-tick': { type: 'string', default: '10' },
    streams: { type: 'string', default: '2000' },
  },
})
const names = options.peers.split(',')
const stranger = names.find((name) => !peers.has(name))
if (stranger !== undefined) throw new Error(`no peer ${stranger}; there are ${[...peers.keys()].join()}`)
const requests = Number(options.requests)
const warm = Number(options.warm)
const connections = Number(options.connections)
const chunks = Number(options.chunks)
const memoryStreams = Number(options.streams)
const chunkStreams = 50
const BATCH = 800
const perSecond = 200

type Measure = 'request' | 'p50' | 'p99' | 'chunk' | 'reads' | 'memory' | 'start'
interface Column { title: string; measure: Measure; digits: number; over?: string; goal?: string }
const columns: readonly Column[] = [
  { title: 'µs/request', measure: 'request', digits: 1, goal: '≤ 50' },
  { title: '× Fastify', measure: 'request', digits: 2, over: 'fastify', goal: '≤ 0.40' },
  { title: '+p50 ms', measure: 'p50', digits: 2, goal: '≤ 0.30' },
  { title: '+p99 ms', measure: 'p99', digits: 2, goal: '≤ 2.00' },
  { title: 'µs/chunk', measure: 'chunk', digits: 1 },
  { title: '× raw', measure: 'chunk', digits: 2, over: 'raw', goal: '≤ 1.15' },
  { title: 'reads/chunk', measure: 'reads', digits: 2 },
  { title: 'KiB/stream', measure: 'memory', digits: 0, goal: '≤ 50 (Node 26)' },
  { title: 'start ms', measure: 'start', digits: 0, goal: '≤ 150 (binary)' },
]
const samples: { peer: string; measure: Measure; value: number }[] = []
const failures = new Map<string, string>()

const about = spawnSync(options.node, ['-p', 'process.version + " " + Boolean(process.features.typescript)'], { encoding: 'utf8' })
const [version, strips] = about.stdout.trim().split(' ')
const folder = mkdtempSync(join(tmpdir(), 'bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
if (hasTaskset) spawnSync('taskset', ['-acp', '1', `${process.pid}`])
const standin = fork(join(import.meta.dirname, 'standin.ts'), [options['per-tick']])
const [upstreamPort] = (await once(standin, 'message')) as [number]
const secret = randomBytes(32).toString('base64url')
const node = strips === 'true' ? [options.node] : [options.node, '--import', 'tsx']
const setting: Setting = { folder, secret, upstreamPort, node, binary: options.binary, bare: options.bare }
const token = mint()
const invoke = prepare('invoke', token)
const stream = prepare('invoke-with-response-stream', token)

console.log(`Node ${version}${strips === 'true' ? '' : ' through tsx'}, ${cpus().length} × ${cpus()[0]?.model}, load average ${loadavg()[0]?.toFixed(1)} before`)
console.log(hasTaskset ? 'peer on core 0, load and stand-in on core 1' : 'no taskset here: nothing is pinned, and the figures are rougher')
await hammer(upstreamPort, invoke, connections, requests / 2)
const differences: number[] = []
for (let round = 1; round <= Number(options.rounds); round++) {
  await measureRound(round)
  for (const name of names) {
    const [request, chunk] = ['request', 'chunk'].map((measure) => figure(samples.findLast((one) => one.peer === name && one.measure === measure)?.value))
    console.log(`round ${round}  ${name.padEnd(8)}${failures.get(name) ?? `µs per request ${request}, per chunk ${chunk}`}`)
  }
}
report()
process.exit()

async function measureRound(round: number): Promise<void> {
  const able = (measure: 'requests' | 'streams') => ({ name }: { readonly name: string }) => !failures.has(name) && peers.get(name)!.measures.includes(measure)
  const running: Running[] = []
  for (const name of names.filter((name) => !failures.has(name))) await start(name, setting, invoke).then((peer) => running.push(peer), (error: Error) => failures.set(name, error.message))
  for (const { name, startMs } of running) add(name, 'start', startMs)
  await measureRequests(running.filter(able('requests')))
  for (const peer of running.filter(able('requests'))) await trying(peer, measureDelays)
  for (const peer of running) {
    if (able('streams')(peer)) await trying(peer, measureChunks)
    // Its end closes all streams.
    await end(peer)
  }
  if (round > 1) return
  for (const { name } of running.filter(able('streams'))) {
    const peer = await start(name, setting, invoke)
    await trying(peer, measureMemory)
    await end(peer)
  }
}

function add(peer: string, measure: Measure, value: number): void {
  samples.push({ peer, measure, value })
}

async function trying(peer: Running, measure: (peer: Running) => Promise<void>): Promise<void> {
  await measure(peer).catch((error: Error) => failures.set(peer.name, error.message))
}

async function end({ child, ended }: Running): Promise<void> {
  child.kill('SIGKILL')
  await ended
}

/** All in turn, a batch of some tenths of a second each, forwards and backwards: whatever else the machine does meets all of them. */
async function measureRequests(running: readonly Running[]): Promise<void> {
  const costs = new Map(running.map((peer): [Running, number[]] => [peer, []]))
  for (const peer of running) await trying(peer, ({ port }) => hammer(port, invoke, connections, warm))
  for (let batch = 0; batch < requests / BATCH; batch++) {
    for (const [peer, values] of batch % 2 === 0 ? costs : [...costs].reverse()) {
      if (failures.has(peer.name)) continue
      const before = cpuMicros(peer)
      await trying(peer, ({ port }) => hammer(port, invoke, connections, BATCH))
      values.push((cpuMicros(peer) - before) / BATCH)
    }
  }
  for (const [peer] of costs) if (failures.has(peer.name)) costs.delete(peer)
  for (const [{ name }, values] of costs) add(name, 'request', quantile(values, 0.5))
  const [on, off] = ['ours', 'off'].map((name) => [...costs].find(([peer]) => peer.name === name)?.[1])
  if (on !== undefined && off !== undefined) differences.push(quantile(on.map((value, i) => value - off[i]!), 0.5))
}

async function measureDelays({ name, port }: Running): Promise<void> {
  // In turn, so that both meet the same noise; never at once, as they would queue for the stand-in.
  const begun = performance.now()
  const pace = (port: number, offsetMs: number): Promise<number[]> => paced(port, invoke, begun + offsetMs, perSecond, 500)
  const [through, direct] = await Promise.all([pace(port, 0), pace(upstreamPort, 500 / perSecond)])
  for (const [measure, q] of [['p50', 0.5], ['p99', 0.99]] as const) {
    add(name, measure, quantile(through, q) - quantile(direct, q))
    add('direct', measure, quantile(direct, q))
  }
}

async function measureChunks(peer: Running): Promise<void> {
  const open = await openStreams(peer.port, stream, chunkStreams)
  const now = () => ({ cpu: cpuMicros(peer), reads: open.reduce((sum, client) => sum + client.reads, 0) })
  const total = chunkStreams * chunks
  await send(open, chunks, 1)
  let [before, after] = [now(), now()]
  // Chunks that coalesce, as they do when something else takes the core, tell little: then twice more.
  for (let attempt = 1; attempt <= 3 && after.reads - before.reads < 0.9 * total; attempt++) {
    before = now()
    await send(open, chunks, 1 + attempt * chunks)
    after = now()
  }
  add(peer.name, 'chunk', (after.cpu - before.cpu) / total)
  add(peer.name, 'reads', (after.reads - before.reads) / total)
}

/** What a fresh process grows by with all streams open, four chunks sent on each. */
async function measureMemory(peer: Running): Promise<void> {
  await hammer(peer.port, invoke, connections, 500)
  const before = rssKib(peer)
  const open = await openStreams(peer.port, stream, memoryStreams)
  await send(open, 3, 1)
  await setTimeout(500)
  add(peer.name, 'memory', (rssKib(peer) - before) / memoryStreams)
}

/** Has the stand-in send `each` frames on every open stream, and waits for them; `had` came before on each. */
async function send(open: readonly Client[], each: number, had: number): Promise<void> {
  standin.send(each)
  await received(open, open.length * (had + each))
}

function report(): void {
  const median = (peer: string, measure: Measure): number =>
    quantile(samples.filter((one) => one.peer === peer && one.measure === measure).map((one) => one.value), 0.5)
  const cell = (peer: string, { measure, digits, over }: Column): string =>
    figure(median(peer, measure) / (over === undefined ? 1 : median(over, measure)), digits)
  const rows = names.map((peer) => [peers.get(peer)!.what, ...columns.map((column) => cell(peer, column))])
  const goals = ['goals for bedrock-sso-proxy', ...columns.map(({ goal }) => goal ?? '')]
  const table = [['', ...columns.map(({ title }) => title)], ...rows, goals]
  const widths = goals.map((_, i) => Math.max(...table.map((row) => row[i]!.length)))
  console.log(`\nmedians of ${options.rounds} rounds; ${connections} connections; ${options['per-tick']} chunks a ms over ${chunkStreams} streams; memory with ${memoryStreams}`)
  console.log(`delays at ${perSecond}/s over going direct (p50 ${figure(median('direct', 'p50'), 2)}, p99 ${figure(median('direct', 'p99'), 2)} ms)\n`)
  for (const row of table) console.log(row.map((text, i) => (i ? text.padStart(widths[i]!) : text.padEnd(widths[0]!))).join('  '))
  if (options.bare || differences.length === 0) return
  console.log(`\neverything on costs ${figure(quantile(differences, 0.5))} µs per request more than everything off (the rounds: ${differences.map((one) => figure(one)).join(', ')}); to look for counts in a chunk:`)
  console.log(spawnSync(node[0]!, [...node.slice(1), join(import.meta.dirname, '..', 'usage', 'cost.ts')], { encoding: 'utf8' }).stdout)
}

function mint(): string {
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')
  const iat = Math.floor(Date.now() / 1000)
  const claims = { iss: 'https://sso.example.com', sub: 'ada', groups: ['engineers'], iat, exp: iat + 3600 }
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

function quantile(values: readonly number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * q)] ?? Number.NaN
}

function figure(value = Number.NaN, digits = 1): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '–'
}

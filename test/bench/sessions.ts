// CPU of a conversation: the proxy on core 0, this process (clients and the stand-in for Bedrock) on core 1.
import { spawnSync } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { type ClientHttp2Stream, connect, createServer as createH2Server, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { crc32 } from 'node:zlib'
import { sniff } from '../../src/server/index.ts'
import { prepare } from './load.ts'
import { cpuMicros, hasTaskset, rssKib, type Setting, start } from './peers.ts'

const { values: options } = parseArgs({
  options: {
    node: { type: 'string', default: process.execPath },
    binary: { type: 'string' },
    sessions: { type: 'string', default: '50' },
    seconds: { type: 'string', default: '5' },
    'per-second': { type: 'string', default: '25' },
    bytes: { type: 'string', default: '1024' },
  },
})
const sessions = Number(options.sessions)
const perSecond = Number(options['per-second'])
const each = Number(options.seconds) * perSecond
const EVENT = message({ ':event-type': 'chunk', ':content-type': 'application/json', ':message-type': 'event' }, Buffer.from(JSON.stringify({ bytes: randomBytes(Number(options.bytes)).toString('base64') })))
/** As the AWS SDKs send it. */
const SIGNED = signed(EVENT)

const folder = mkdtempSync(join(tmpdir(), 'bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
if (hasTaskset) spawnSync('taskset', ['-acp', '1', `${process.pid}`])
const secret = randomBytes(32).toString('base64url')
const token = mint()
const strips = spawnSync(options.node, ['-p', 'Boolean(process.features.typescript)'], { encoding: 'utf8' }).stdout.trim() === 'true'
const setting: Setting = { folder, secret, upstreamPort: await standIn(), node: strips ? [options.node] : [options.node, '--import', 'tsx'], binary: options.binary, bare: true }
const peer = await start('ours', setting, prepare('invoke', token))

const open = await Promise.all(Array.from({ length: sessions }, talk))
await Promise.all(open.map((session) => session.say(2 * perSecond)))
const [before, rss] = [cpuMicros(peer), rssKib(peer)]
const begun = performance.now()
await Promise.all(open.map((session) => session.say(each)))
const seconds = (performance.now() - begun) / 1000
const cpu = cpuMicros(peer) - before
const events = 2 * sessions * each
console.log(`${sessions} sessions, ${(each / seconds).toFixed(1)} events a second each way of ${SIGNED.length} bytes in and ${EVENT.length} out`)
console.log(`CPU ${(cpu / events).toFixed(1)} µs an event (both ways counted), ${(cpu / seconds / 10_000).toFixed(1)} % of a core; memory ${(rssKib(peer) / 1024).toFixed(0)} MB, ${((rssKib(peer) - rss) / 1024).toFixed(1)} MB more than before`)
peer.child.kill('SIGKILL')
process.exit()

interface Talk {
  /** Sends so many events at the usual pace, and waits for as many to come back. */
  say(count: number): Promise<void>
}

async function talk(): Promise<Talk> {
  const session = connect(`http://127.0.0.1:${peer.port}`)
  const stream: ClientHttp2Stream = session.request({
    ':method': 'POST', ':path': '/model/amazon.nova-sonic-v1%3A0/invoke-with-bidirectional-stream', authorization: `Bearer ${token}`, 'content-type': 'application/vnd.amazon.eventstream',
  })
  let bytes = 0
  let wanted = 0
  let reached: () => void = () => undefined
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes >= wanted) reached()
  })
  stream.write(SIGNED)
  await once(stream, 'response')
  wanted = EVENT.length
  if (bytes < wanted) await new Promise<void>((resolve) => { reached = resolve })
  return {
    async say(count) {
      wanted += count * EVENT.length
      const heard = new Promise<void>((resolve) => { reached = resolve })
      const fromMs = performance.now() + Math.random() * 1000 / perSecond
      for (let sent = 0; sent < count; sent++) {
        await setTimeout(fromMs + sent * 1000 / perSecond - performance.now())
        stream.write(SIGNED)
      }
      await heard
    },
  }
}

/** Answers every frame with one of its own, and requests of HTTP/1.1 with nothing. */
async function standIn(): Promise<number> {
  const h1 = createHttpServer((request, response) => void request.resume().on('end', () => response.end('{}')))
  const h2 = createH2Server()
  h2.on('stream', (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/vnd.amazon.eventstream' })
    let bytes = 0
    stream.on('error', () => undefined).on('data', (chunk: Buffer) => {
      for (bytes += chunk.length; bytes >= SIGNED.length; bytes -= SIGNED.length) stream.write(EVENT)
    })
  })
  const server = createServer((socket: Socket) => sniff(socket, 10_000, (socket, isH2) => (isH2 ? h2 : h1).emit('connection', socket))).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

function signed(event: Buffer): Buffer {
  const date = Buffer.concat([Buffer.from('\x05:date\x08', 'latin1'), Buffer.alloc(8)])
  return frame(Buffer.concat([date, Buffer.from('\x10:chunk-signature\x06\0\x20', 'latin1'), randomBytes(32)]), event)
}

function message(fields: Readonly<Record<string, string>>, payload: Buffer): Buffer {
  const header = ([name, value]: [string, string]): number[] => [name.length, ...Buffer.from(name), 7, 0, value.length, ...Buffer.from(value)]
  return frame(Buffer.from(Object.entries(fields).flatMap(header)), payload)
}

function frame(headers: Buffer, payload: Buffer): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(12), headers, payload, Buffer.alloc(4)])
  bytes.writeUInt32BE(bytes.length, 0)
  bytes.writeUInt32BE(headers.length, 4)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 8)), 8)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, -4)), bytes.length - 4)
  return bytes
}

function mint(): string {
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')
  const iat = Math.floor(Date.now() / 1000)
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ iss: 'https://sso.example.com', sub: 'ada', iat, exp: iat + 3600 })}`
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

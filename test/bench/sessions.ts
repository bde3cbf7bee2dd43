// CPU of a conversation: the proxy on core 0, this process (clients and the stand-in for Bedrock) on core 1.
import { spawnSync } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer as createH2Server, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
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
const EVENT = message({ ':event-type': 'chunk', ':content-type': 'application/json', ':message-type': 'event' }, Buffer.from(JSON.stringify({ bytes: Buffer.from(JSON.stringify('x'.repeat(Number(options.bytes) - 2))).toString('base64') })))
/** As the AWS SDKs send it. */
const SIGNED = signed(EVENT)

const folder = mkdtempSync(join(tmpdir(), 'bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
if (hasTaskset) spawnSync('taskset', ['-acp', '1', `${process.pid}`])
const secret = randomBytes(32).toString('base64url')
const token = mint()
const strips = spawnSync(options.node, ['-p', 'Boolean(process.features.typescript)'], { encoding: 'utf8' }).stdout.trim() === 'true'
const setting: Setting = { folder, secret, upstreamPort: await standIn(), node: strips ? [options.node] : [options.node, '--import', 'tsx'], binary: options.binary, bare: true }
/** What goes in and what comes out for each event: a signed frame and a frame, or a text masked and a text. */
const [TEXT, MASKED] = texts()
const WAYS = { 'over h2c': { open: byHttp2, sent: SIGNED, heard: EVENT }, 'on WebSockets': { open: byWebSocket, sent: MASKED, heard: TEXT } }
const PATH = '/model/amazon.nova-sonic-v1%3A0/invoke-with-bidirectional-stream'

for (const [name, way] of Object.entries(WAYS)) {
  const peer = await start('ours', setting, prepare('invoke', token))
  const talks = await Promise.all(Array.from({ length: sessions }, () => talk(peer.port, way)))
  await Promise.all(talks.map((talk) => talk.say(2 * perSecond)))
  const [before, rss] = [cpuMicros(peer), rssKib(peer)]
  const begun = performance.now()
  await Promise.all(talks.map((talk) => talk.say(each)))
  const seconds = (performance.now() - begun) / 1000
  const cpu = cpuMicros(peer) - before
  const events = 2 * sessions * each
  console.log(`${sessions} sessions ${name}, ${(each / seconds).toFixed(1)} events a second each way of ${way.sent.length} bytes in and ${way.heard.length} out`)
  console.log(`CPU ${(cpu / events).toFixed(1)} µs an event (both ways counted), ${(cpu / seconds / 10_000).toFixed(1)} % of a core; memory ${(rssKib(peer) / 1024).toFixed(0)} MB, ${((rssKib(peer) - rss) / 1024).toFixed(1)} MB more than before`)
  peer.child.kill('SIGKILL')
}
process.exit()

interface Talk {
  /** Sends so many events at the usual pace, and waits for as many to come back. */
  say(count: number): Promise<void>
}

type Way = (typeof WAYS)[keyof typeof WAYS]

async function talk(port: number, { open, sent, heard: each }: Way): Promise<Talk> {
  let bytes = 0
  let wanted = each.length
  let reached: () => void = () => undefined
  const first = new Promise<void>((resolve) => { reached = resolve })
  const stream = await open(port)
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes >= wanted) reached()
  })
  stream.write(sent)
  await first
  return {
    async say(count) {
      wanted += count * each.length
      const heard = new Promise<void>((resolve) => { reached = resolve })
      const fromMs = performance.now() + Math.random() * 1000 / perSecond
      for (let at = 0; at < count; at++) {
        await setTimeout(Math.max(0, fromMs + at * 1000 / perSecond - performance.now()))
        stream.write(sent)
      }
      await heard
    },
  }
}

async function byHttp2(port: number): Promise<Duplex> {
  return connect(`http://127.0.0.1:${port}`).request({ ':method': 'POST', ':path': PATH, authorization: `Bearer ${token}`, 'content-type': 'application/vnd.amazon.eventstream' })
}

async function byWebSocket(port: number): Promise<Duplex> {
  const socket = connectTcp({ port, host: '127.0.0.1', noDelay: true })
  const key = randomBytes(16).toString('base64')
  socket.write(`GET ${PATH} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`)
  const [head] = await once(socket, 'data') as [Buffer]
  if (!head.toString('latin1').startsWith('HTTP/1.1 101 ')) throw new Error(head.toString('latin1'))
  return socket
}

/** The model's event in EVENT as a server's frame, and as a client's (RFC 6455 §5.2). */
function texts(): readonly [server: Buffer, client: Buffer] {
  const text = Buffer.from((JSON.parse(EVENT.subarray(12 + EVENT.readUInt32BE(4), -4).toString()) as { bytes: string }).bytes, 'base64')
  const key = randomBytes(4)
  const head = (masked: number) => Buffer.of(0x81, masked | 126, text.length >> 8, text.length & 0xff)
  return [Buffer.concat([head(0), text]), Buffer.concat([head(0x80), key, text.map((byte, at) => byte ^ key[at % 4]!)])]
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

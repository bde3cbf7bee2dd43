import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get } from 'node:http'
import net from 'node:net'
import type { Readable } from 'node:stream'
import { afterEach, test } from 'node:test'
import { inherit } from '../../src/server/index.ts'
import { ask, PROTOCOLS } from '../kit/client.ts'
import { Program } from '../kit/program.ts'
import { proxyEnv } from '../kit/proxy.ts'
import { authorization, bedrock, beginStreams } from './kit.ts'

const started: Program[] = []
const sockets: Handle[] = []
afterEach(() => {
  for (const program of started.splice(0)) program.child.kill('SIGKILL')
  for (const socket of sockets.splice(0)) socket.close()
})

interface Handle {
  readonly fd: number
  getsockname(name: { port?: number }): void
  close(): void
}

/** A socket as systemd would hold it: nobody accepts here. A server of Node's would. */
function socket(): { readonly fd: number; readonly port: number } {
  const { _createServerHandle } = net as unknown as { _createServerHandle(address: string, port: number, family: 4): Handle }
  const handle = _createServerHandle('127.0.0.1', 0, 4)
  sockets.push(handle)
  const name: { port?: number } = {}
  handle.getsockname(name)
  return { fd: handle.fd, port: name.port! }
}

function serve(env: Readonly<Record<string, string>>, inherited: readonly (number | 'pipe')[]): Program {
  const program = new Program(['serve'], { ...proxyEnv(bedrock), LISTEN_FDS: String(inherited.length), ...env } as Record<string, string>, inherited)
  started.push(program)
  return program
}

test('descriptors count only where they are for this process, and each by its name', () => {
  const env = { LISTEN_PID: '7', LISTEN_FDS: '3', LISTEN_FDNAMES: 'notify:proxy:admin', WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }
  assert.deepEqual(inherit(env, 7), { proxy: 4, admin: 5, notify: 3, watchdogMs: 30_000 })
  assert.deepEqual(inherit(env, 8), { proxy: undefined, admin: undefined, notify: undefined, watchdogMs: undefined })
  assert.deepEqual(inherit({ LISTEN_PID: '7', LISTEN_FDS: '1' }, 7), { proxy: 3, admin: undefined, notify: undefined, watchdogMs: undefined })
  assert.deepEqual(inherit({ NOTIFY_FD: '9' }, 7), { proxy: undefined, admin: undefined, notify: 9, watchdogMs: undefined })
})

test('the door is the socket that was handed over, whatever host and port say; so is the admin listener', async () => {
  const [door, admin] = [socket(), socket()]
  const program = serve({ SERVER__HOST: '127.0.0.9', SERVER__PORT: '1', LISTEN_FDNAMES: 'proxy:admin' }, [door.fd, admin.fd])
  assert.equal(await program.port(), door.port)
  for (const protocol of PROTOCOLS) assert.equal((await ask(protocol, door.port, '/health', { method: 'GET' })).status, 200)
  assert.equal((await ask('HTTP/1.1', admin.port, '/metrics', { method: 'GET' })).status, 200)
})

test('the supervisor hears that we are ready, alive, reloading, ready again, and stopping', async () => {
  const { fd } = socket()
  const program = serve({ LISTEN_FDNAMES: 'proxy:notify', WATCHDOG_USEC: '300000' }, [fd, 'pipe'])
  const heard = listen(program.child.stdio[4] as Readable)
  await heard(/^READY=1\nSTATUS=http:\/\/127\.0\.0\.1:\d+$/m)
  await heard(/^WATCHDOG=1$/m)
  program.child.kill('SIGHUP')
  await heard(/^RELOADING=1\nMONOTONIC_USEC=\d+$[^]*^READY=1$/m)
  program.child.kill('SIGTERM')
  await heard(/^STOPPING=1$/m)
  assert.equal(await program.ended(), 0)
})

test('restarts under load: nobody is refused or reset, and streams that have begun end as they should', async () => {
  const { fd, port } = socket()
  const next = () => serve({ LISTEN_FDNAMES: 'proxy' }, [fd])
  let program = next()
  await program.port()
  const load = new Load(port)
  for (let round = 0; round < 3; round++) {
    const { answers, finish } = await beginStreams(port, 2)
    program.child.kill('SIGTERM')
    await program.line(/"msg":"draining"/)
    // Nobody accepts now: who comes waits in the queue of the socket.
    finish()
    for (const { status, body } of await Promise.all(answers)) assert.deepEqual([status, body.length > 100], [200, true])
    assert.equal(await program.ended(), 0)
    program = next()
    await program.port()
  }
  const { answered, failures } = await load.end()
  assert.deepEqual(failures, [])
  assert.ok(answered > 20, String(answered))
})

/** Eight clients that ask again and again, each time by a new connection. */
class Load {
  #running = true
  #answered = 0
  readonly #failures: string[] = []
  readonly #clients: Promise<void[]>

  constructor(port: number) {
    this.#clients = Promise.all(Array.from({ length: 8 }, () => this.#ask(port)))
  }

  async end(): Promise<{ answered: number; failures: readonly string[] }> {
    this.#running = false
    await this.#clients
    return { answered: this.#answered, failures: this.#failures }
  }

  async #ask(port: number): Promise<void> {
    while (this.#running) {
      const result = await new Promise<string>((resolve) => {
        get({ port, path: '/health', agent: false, headers: { authorization: authorization() } }, (response) => response.resume().once('end', () => resolve(String(response.statusCode))))
          .once('error', ({ message }) => resolve(message))
      })
      if (result === '200') this.#answered++
      else this.#failures.push(result)
    }
  }
}

/** Waits for a text among all that came so far. */
function listen(stream: Readable): (pattern: RegExp) => Promise<void> {
  let text = ''
  stream.on('data', (chunk: Buffer) => { text += chunk.toString() })
  return async (pattern) => {
    while (!pattern.test(text)) await once(stream, 'data')
    text = text.replace(new RegExp(`^[^]*?${pattern.source}`, 'm'), '')
  }
}

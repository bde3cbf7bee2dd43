import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createInterface } from 'node:readline'
import { encodeCommand, type Reply, ReplyParser } from '../../src/resp/index.ts'
import { freePort } from './port.ts'

/**
 * Declares tests that need a real server, which they share. Where there is none one test is reported as skipped, with the reason; in CI it fails, for there they are installed.
 */
export async function withRedis(declare: (server: RedisServer) => void, programs: readonly string[] = ['redis-server', 'valkey-server']): Promise<void> {
  for (const program of programs) {
    if (spawnSync(program, ['--version']).status === 0) declare(await RedisServer.start(program))
    else {
      const reason = `${program} is not on this machine`
      test(`limits in ${program}`, { skip: process.env.CI === 'true' ? false : reason }, () => { throw new Error(reason) })
    }
  }
}

/** A server of its own, on loopback, with a folder of its own; it writes down every command before it answers. */
export class RedisServer {
  readonly program: string
  readonly port: number
  readonly #flags: readonly string[]
  readonly #folder = mkdtempSync(join(tmpdir(), 'redis-'))
  #child: ChildProcess | undefined
  #socket: Socket | undefined
  #waiting: ((reply: Reply) => void)[] = []

  private constructor(program: string, port: number, flags: readonly string[]) {
    this.program = program
    this.port = port
    this.#flags = flags
  }

  /** @param flags - What it keeps, and how. */
  static async start(program: string, flags: readonly string[] = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'no']): Promise<RedisServer> {
    const server = new RedisServer(program, await freePort(), flags)
    after(async () => {
      await server.kill()
      rmSync(server.#folder, { recursive: true })
    })
    await server.start()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** On the same port, with what it had written down. */
  async start(): Promise<void> {
    const child = this.#child = spawn(this.program, ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.#folder, ...this.#flags], { stdio: ['ignore', 'pipe', 'inherit'] })
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`${this.program} ended with ${code}`)))
      createInterface({ input: child.stdout }).on('line', (line) => { if (/Ready to accept connections/.test(line)) resolve() })
    })
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    this.#socket?.destroy()
    this.#socket = undefined
    if (child === undefined || child.exitCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  /** Stands still, with its connections open, or goes on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child!.kill(signal)
  }

  /** A command of the test itself. */
  async command(...words: readonly string[]): Promise<Reply> {
    if (this.#socket === undefined) {
      const socket = this.#socket = connect(this.port, '127.0.0.1')
      const parser = new ReplyParser({ lineBytes: 65_536, bulkBytes: 16_000_000, items: 100_000, depth: 4 })
      this.#waiting = []
      socket.on('data', (chunk: Buffer) => { for (const reply of parser.push(chunk)) this.#waiting.shift()?.(reply) })
      socket.on('error', () => undefined)
      socket.unref()
    }
    this.#socket.write(encodeCommand(words))
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}

import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectTls, createSecureContext, rootCertificates } from 'node:tls'
import { encodeCommand, ErrorReply, type Reply, ReplyParser, RespError } from '../resp/index.ts'
import type { RedisAddress } from './address.ts'

export interface LinkOptions extends RedisAddress {
  /** PEM of the only authorities to trust, in place of those that Node brings. */
  readonly ca: string | undefined
  /** How long connecting may take, and how long an answer. */
  readonly timeoutMs: number
}

export interface LinkWorld {
  /** A clock that nobody sets. */
  readonly monotonicMs: () => number
  readonly random: () => number
  readonly after: (delayMs: number, run: () => void) => () => void
}

/** Who is told what becomes of the connection. */
export interface LinkListener {
  /** Commands of our own that every connection begins with; one that is refused ends it. */
  readonly opening: () => readonly Command[]
  readonly up: () => void
  /** @param why - A word or two, and no secret. After the first try that failed, and after each connection that was up. */
  readonly down: (why: string) => void
}

export type Command = readonly string[]

interface Pending {
  readonly dueMs: number
  /** Nothing is told of a connection that broke before the answer came: whether the command has run, nobody knows. */
  readonly done: (reply: Reply | undefined) => void
}

const REPLY_LIMITS = { lineBytes: 65_536, bulkBytes: 65_536, items: 16, depth: 2 }
const [FIRST_WAIT_MS, LONGEST_WAIT_MS] = [50, 5000]

/** It is about the server, not the command: another one, or this one later, may take it. */
const NOT_NOW: ReadonlySet<string> = new Set(['LOADING', 'READONLY', 'MASTERDOWN', 'CLUSTERDOWN', 'BUSY', 'OOM', 'MISCONF', 'NOREPLICAS', 'NOAUTH', 'NOPERM', 'TRYAGAIN'])

/**
 * One connection to a Redis, made anew whenever it is lost. Commands go out as they come, and are answered in their order; an answer that does
 * not come in time ends the connection, so that none can come late.
 *
 *     trying ──▶ up ──▶ waiting ──▶ trying …
 */
export class RedisLink {
  readonly #options: LinkOptions
  readonly #world: LinkWorld
  readonly #listener: LinkListener
  readonly #trust: ReturnType<typeof createSecureContext> | undefined
  #socket: Socket | undefined
  #pending: Pending[] = []
  #isUp = false
  #failures = 0
  #cancelRetry: (() => void) | undefined
  #cancelWatch: (() => void) | undefined
  #closed = false
  /** Those who wait for the end of the first try. */
  #waiting: (() => void)[] | undefined = []

  constructor(options: LinkOptions, world: LinkWorld, listener: LinkListener) {
    this.#options = options
    this.#world = world
    this.#listener = listener
    this.#trust = options.tls ? createSecureContext({ ca: options.ca ?? [...rootCertificates], minVersion: 'TLSv1.2' }) : undefined
    this.#try()
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** A promise until the first try has ended, well or not. */
  get tried(): Promise<void> | undefined {
    const waiting = this.#waiting
    return waiting && new Promise((resolve) => waiting.push(resolve))
  }

  /** Sends a command, while the connection is up. */
  send(command: Command, done: Pending['done']): void {
    const socket = this.#socket!
    // What is sent in one turn leaves in one write.
    if (socket.writableCorked === 0) {
      socket.cork()
      process.nextTick(() => socket.uncork())
    }
    socket.write(encodeCommand(command))
    this.#pending.push({ dueMs: this.#world.monotonicMs() + this.#options.timeoutMs, done })
    this.#cancelWatch ??= this.#later(this.#options.timeoutMs, () => this.#watch())
  }

  /** For good. */
  close(): void {
    this.#closed = true
    this.#break('closed')
    this.#cancelRetry?.()
  }

  #try(): void {
    const { host, port } = this.#options
    const socket = this.#socket = this.#trust === undefined ? connectPlain({ host, port })
      : connectTls({ host, port, secureContext: this.#trust, rejectUnauthorized: true, minVersion: 'TLSv1.2', ...(isIP(host) === 0 && { servername: host }) })
    const parser = new ReplyParser(REPLY_LIMITS)
    socket.setNoDelay(true)
    socket.setKeepAlive(true, 30_000)
    const lost = (why: string) => { if (socket === this.#socket) this.#break(why) }
    this.#cancelWatch = this.#later(this.#options.timeoutMs, () => lost('no connection in time'))
    socket.on('error', (error: NodeJS.ErrnoException) => lost(error.code ?? 'failed'))
    socket.on('close', () => lost('closed by the server'))
    socket.on('data', (chunk: Buffer) => { if (socket === this.#socket) this.#read(parser, chunk) })
    socket.once(this.#trust === undefined ? 'connect' : 'secureConnect', () => {
      this.#cancelWatch?.()
      this.#cancelWatch = undefined
      this.#open()
    })
  }

  #open(): void {
    const { user, password, db } = this.#options
    const steps: Command[] = []
    if (password !== undefined) steps.push(user === undefined ? ['AUTH', password.reveal()] : ['AUTH', user, password.reveal()])
    if (db !== 0) steps.push(['SELECT', String(db)])
    steps.push(...this.#listener.opening())
    for (const [i, step] of steps.entries()) {
      this.send(step, (reply) => {
        if (reply === undefined) return
        // Some servers repeat in an error what they were sent.
        if (reply instanceof ErrorReply) return this.#break(step[0] === 'AUTH' ? `AUTH: ${wordOf(reply)}` : reply.message)
        if (i === steps.length - 1) this.#up()
      })
    }
  }

  #up(): void {
    this.#isUp = true
    this.#failures = 0
    this.#listener.up()
    this.#endFirst()
  }

  #read(parser: ReplyParser, chunk: Buffer): void {
    try {
      for (const reply of parser.push(chunk)) this.#take(reply)
    } catch (error) {
      if (!(error instanceof RespError)) throw error
      this.#break(error.code)
    }
  }

  #take(reply: Reply): void {
    const first = this.#pending.shift()
    if (first === undefined) return this.#break('an answer to nothing')
    if (this.#isUp && reply instanceof ErrorReply && NOT_NOW.has(reply.code)) {
      first.done(undefined)
      return this.#break(reply.code)
    }
    first.done(reply)
  }

  /** Ends the connection where the oldest command has no answer in time. */
  #watch(): void {
    this.#cancelWatch = undefined
    const oldest = this.#pending[0]
    if (oldest === undefined) return
    const leftMs = oldest.dueMs - this.#world.monotonicMs()
    if (leftMs <= 0) return this.#break('no answer in time')
    this.#cancelWatch = this.#later(Math.min(leftMs, this.#options.timeoutMs), () => this.#watch())
  }

  /** Where this process itself was busy, timers come before what has arrived meanwhile: that is read first. */
  #later(ms: number, run: () => void): () => void {
    let cancel = this.#world.after(ms, () => { cancel = this.#world.after(0, run) })
    return () => cancel()
  }

  #break(why: string): void {
    const [socket, pending, wasUp] = [this.#socket, this.#pending, this.#isUp]
    if (socket === undefined) return
    this.#socket = undefined
    this.#pending = []
    this.#isUp = false
    this.#cancelWatch?.()
    this.#cancelWatch = undefined
    socket.destroy()
    if (!this.#closed) {
      if (wasUp || this.#waiting !== undefined) this.#listener.down(why)
      const waitMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures++)
      // Many proxies have lost the same server, and should not all come back at once.
      this.#cancelRetry = this.#world.after(waitMs * (0.5 + this.#world.random() / 2), () => this.#try())
    }
    for (const { done } of pending) done(undefined)
    this.#endFirst()
  }

  #endFirst(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    for (const tell of waiting ?? []) tell()
  }
}

/** The first word of an error, where it is one of those in capitals. */
const wordOf = ({ code }: ErrorReply): string => (/^[A-Z]{1,20}$/.test(code) ? code : 'refused')

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { commandLine, ROOT } from '../../kit/command-line.ts'

const children = new Set<ChildProcess>()
process.once('exit', () => children.forEach((child) => child.kill('SIGKILL')))
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))

/** Variables; those that are `undefined` are not set. */
export type Environment = Readonly<Record<string, string | undefined>>

/** One line of the program's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string }

/** The real program, in a process of its own that has nothing but the environment it is given. */
export class Program {
  /** Its log so far. */
  readonly lines: LogLine[] = []
  #waiting: { readonly wanted: (line: LogLine) => boolean; readonly resolve: (line: LogLine) => void }[] = []
  url = ''
  /** All that it printed. */
  output = ''
  #told = false
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown[]>

  private constructor(env: Environment) {
    const { command: [file, ...args], over } = commandLine(['serve'], env)
    this.#child = spawn(file, args, { cwd: ROOT, env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#closed = once(this.#child, 'close')
    this.#child.once('close', over)
    children.add(this.#child)
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** Starts `serve` and waits until it listens. */
  static async start(env: Environment): Promise<Program> {
    const program = new Program(env)
    await program.#listening()
    return program
  }

  async #listening(): Promise<void> {
    this.#child.stderr!.on('data', (chunk: Buffer) => { this.output += chunk.toString() })
    createInterface(this.#child.stdout!).on('line', (text) => {
      this.output += `${text}\n`
      const line = JSON.parse(text) as LogLine
      this.lines.push(line)
      for (const { wanted, resolve } of this.#waiting) if (wanted(line)) resolve(line)
    })
    const listening = this.line(({ msg }) => msg === 'listening').then(({ url }) => { this.url = String(url) })
    await Promise.race([listening, this.#closed])
    assert.ok(this.url !== '', `the program ended before it listened:\n${this.output}`)
  }

  /** The first line that is `wanted`, as soon as it is written: that may be after the answer. */
  line(wanted: (line: LogLine) => boolean): Promise<LogLine> {
    const found = this.lines.find(wanted)
    return found !== undefined ? Promise.resolve(found) : new Promise((resolve) => this.#waiting.push({ wanted, resolve }))
  }

  /** Asks it to end, once. */
  terminate(): void {
    if (!this.#told) this.#child.kill('SIGTERM')
    this.#told = true
  }

  /** Sees that it ends in good order. Its log is complete then. */
  async stop(): Promise<void> {
    this.terminate()
    const patience = setTimeout(() => this.#child.kill('SIGKILL'), 15_000)
    const [code, signal] = await this.#closed
    clearTimeout(patience)
    // It says by its code whether requests had to be cut.
    const cut = this.lines.find(({ msg }) => msg === 'stopped')?.cut
    assert.deepEqual({ code, signal }, { code: cut === 0 ? 0 : 1, signal: null }, `the program did not end in good order:\n${this.output}`)
  }
}

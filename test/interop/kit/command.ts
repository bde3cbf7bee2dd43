import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { commandLine, ROOT } from '../../kit/command-line.ts'

/** What comes before the arguments of a command on this Node. */
export const COMMAND: readonly string[] = [process.execPath, ...(process.features.typescript ? [] : ['--import', 'tsx']), join(ROOT, 'bin', 'bedrock-sso-proxy.ts')]

/** A command of the real program, as a person types it. */
export class Typed {
  out = ''
  err = ''
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown[]>

  constructor(args: readonly string[], env: Readonly<Record<string, string>>) {
    const { command: [program, ...before], over } = commandLine(args, env)
    this.#child = spawn(program, before, { cwd: ROOT, env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#closed = once(this.#child.once('close', over), 'close')
    this.#child.stdout!.on('data', (chunk: Buffer) => { this.out += chunk.toString() })
    this.#child.stderr!.on('data', (chunk: Buffer) => { this.err += chunk.toString() })
  }

  /** What is in brackets of the pattern, as soon as it is printed. */
  async shows(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = pattern.exec(this.out)?.[1]
      if (found !== undefined) return found
      if (this.#child.exitCode !== null) throw new Error(`it ended with ${this.#child.exitCode} before ${pattern}: ${this.err}`)
      await Promise.race([once(this.#child.stdout!, 'data'), this.#closed])
    }
  }

  /** What Ctrl-C does. */
  interrupt(): void {
    this.#child.kill('SIGINT')
  }

  async ended(): Promise<number> {
    const [code] = await this.#closed
    return Number(code)
  }
}

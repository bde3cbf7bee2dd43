import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { commandLine, ROOT } from './command-line.ts'
import { output } from './leaks.ts'

/** The real program, in a process of its own. */
export class Program {
  readonly child: ChildProcess
  /** What it printed so far, line by line. */
  readonly stdout: string[] = []
  readonly stderr: string[] = []
  #watchers: ((line: string) => void)[] = []

  /** @param inherited - What it finds at descriptor 3 and behind; then it is started by a shell that says so, as systemd does. */
  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}, inherited: readonly (number | 'pipe')[] = []) {
    const { PATH = '' } = process.env
    const { command, over } = commandLine(args, { PATH, ...env })
    const [file, ...more] = inherited.length === 0 ? command : ['/bin/sh', '-c', 'LISTEN_PID=$$ exec "$@"', 'sh', ...command]
    this.child = spawn(file!, more, { cwd: ROOT, env: { PATH, NODE_V8_COVERAGE: undefined, ...env }, stdio: ['ignore', 'pipe', 'pipe', ...inherited] })
    // While the files that the list comes from are there.
    this.child.once('close', over)
    for (const name of ['stdout', 'stderr'] as const) {
      createInterface({ input: this.child[name]! }).on('line', (line) => {
        output(line)
        this[name].push(line)
        for (const watch of this.#watchers) watch(line)
      })
    }
  }

  /** The first line, already printed or still to come, that matches. */
  line(pattern: RegExp): Promise<string> {
    const printed = [...this.stdout, ...this.stderr].find((line) => pattern.test(line))
    return printed === undefined ? this.nextLine(pattern) : Promise.resolve(printed)
  }

  /** The first that matches of those still to come. */
  nextLine(pattern: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#watchers.push((line) => { if (pattern.test(line)) resolve(line) })
      this.child.once('close', (code) => reject(new Error(`ended with ${code} before ${pattern}: ${this.stderr.join('\n')}`)))
    })
  }

  /** Where a `serve` that was started listens. */
  async port(): Promise<number> {
    const { url } = JSON.parse(await this.line(/"msg":"listening"/)) as { url: string }
    return Number(new URL(url).port)
  }

  /** The exit code, once it has ended and all it printed is here. */
  async ended(): Promise<number | null> {
    if ((this.child.exitCode ?? this.child.signalCode) !== null && this.child.stdout!.readableEnded) return this.child.exitCode
    const [code] = await once(this.child, 'close') as [number | null]
    return code
  }
}

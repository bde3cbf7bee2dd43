import { parseArgs } from 'node:util'
import { AuditError } from '../audit/index.ts'
import type { Config } from '../config/index.ts'
import { LimitsError } from '../limits/index.ts'
import { type AdjustableLog, createLog, type Log } from '../log/index.ts'
import { Secret } from '../secret/index.ts'
import { inherit, Supervisor } from '../server/index.ts'
import { type Command, EXIT_CONFIG, type Output, type Terminal } from './command.ts'
import { environmentProblems, isEndOfLife } from './gate.ts'
import { type Running, start } from './running.ts'
import { type ReadSetup, readSetup, type Setup } from './setup.ts'

const EXIT_FAILURE = 1
/** Time for the last lines of the log to be read. */
const LAST_LINES_MS = 1000

export const serveCommand: Command = {
  usage: 'serve [--config FILE]',
  text: 'runs the proxy (this is what happens when no command is named)',
  async run(args, process) {
    const { values } = parseArgs({ args: [...args], options: { config: { type: 'string' } } })
    const unsafe = environmentProblems(process.env)
    const read = unsafe.length > 0 ? { problems: unsafe } : readSetup(values, process)
    if ('problems' in read) {
      for (const problem of read.problems) process.stderr.write(`${problem}\n`)
      return EXIT_CONFIG
    }
    const output = batched(process.stdout, (lost) => log.warn('lines of this log are lost, nobody took them', { lost }))
    // Whoever read the log is gone: lines are lost then, requests are not.
    process.stdout.on('error', () => undefined)
    const log: AdjustableLog = createLog({ ...read.setup.config.logging, nowMs: Date.now, write: output.write })
    warnOfOldNode(log, process.versions.node)
    for (const hint of read.setup.hints) log.warn('configuration', { hint })
    const inherited = inherit(process.env, process.pid)
    const running = await start(read.setup, process.env, log, inherited).catch((error: unknown) => {
      process.stderr.write(`${startProblem(error)}\n`)
    })
    if (running === undefined) return EXIT_FAILURE
    const code = await runToEnd(running, new Supervisor(inherited), read.setup, () => readSetup(values, process), process, log)
    output.flush()
    // What nobody reads would keep the process for ever.
    setTimeout(() => process.exit(code), LAST_LINES_MS).unref()
    return code
  },
}

/** Does what signals ask for until one asks for the end, and then ends it. @returns The exit code. */
async function runToEnd(running: Running, supervisor: Supervisor, setup: Setup, readAnew: () => ReadSetup, process: Terminal, log: AdjustableLog): Promise<number> {
  supervisor.ready(running.url)
  let current = setup
  process.on('SIGHUP', () => {
    supervisor.reloading()
    // Whatever the configuration has become, a renamed log must not grow.
    running.reopen()
    current = reload(running, current, readAnew(), log)
    supervisor.ready(running.url)
  })
  const signal = await firstSignal(process)
  supervisor.stopping()
  log.info('draining', { signal })
  const cut = await running.stop()
  supervisor.close()
  log.info('stopped', { cut })
  return cut === 0 ? 0 : EXIT_FAILURE
}

/** What kept the proxy from starting, for people. */
function startProblem(error: unknown): string {
  if (error instanceof AuditError) return `audit.file: ${error.message}`
  if (error instanceof LimitsError) return `limits.path: ${error.message}`
  const { syscall, code, address, port } = error as NodeJS.ErrnoException & { readonly address?: string; readonly port?: number }
  if (syscall === 'listen') return `cannot listen on ${address}, port ${port}: ${code}`
  throw error
}

/** Takes the configuration as it is now, or, where it is bad, says so and goes on with the old one. */
function reload(running: Running, current: Setup, read: ReadSetup, log: AdjustableLog): Setup {
  const problems = 'problems' in read ? read.problems : running.reload(read.setup)
  for (const problem of problems) log.error('the configuration is not reloaded', { problem })
  if ('problems' in read || problems.length > 0) return current
  log.setLevel(read.setup.config.logging.level)
  log.info('reloaded')
  for (const { name, value, reload } of read.setup.options) {
    const before = current.options.find((option) => option.name === name)?.value
    if (reload === 'restart' && (value !== before || hidden(current.config, name) !== hidden(read.setup.config, name))) log.warn('an option waits for a restart', { option: name })
  }
  return read.setup
}

/** What a secret holds: all of them look alike. */
function hidden(config: Config, option: string): string | undefined {
  const value = option.split('.').reduce<unknown>((tree, part) => (tree as Readonly<Record<string, unknown>> | undefined)?.[part], config)
  return value instanceof Secret ? value.reveal() : undefined
}

/** What a reader that has stopped may leave unread: some ten thousand lines. */
const MAX_UNREAD_BYTES = 8 * 1024 * 1024

/**
 * Lines of one turn of the event loop leave in one write: a write for each would cost more than the line.
 * While too much is unread, lines are lost; how many is told where they would have stood, once all before them is read.
 */
function batched(output: Output, tellLost: (lines: number) => void): { write: (line: string) => void; flush: () => void } {
  let lines = ''
  let lost = 0
  const flush = () => {
    const text = lines
    lines = ''
    if (text !== '') output.write(text)
  }
  const onDrain = () => {
    const count = lost
    lost = 0
    tellLost(count)
  }
  return {
    flush,
    write(line) {
      if (lost > 0 || output.writableLength > MAX_UNREAD_BYTES) {
        if (lost++ === 0) output.once('drain', onDrain)
        return
      }
      if (lines === '') setImmediate(flush)
      lines += line
    },
  }
}

function warnOfOldNode(log: Log, version: string): void {
  if (isEndOfLife(version)) log.warn('this Node.js no longer gets security fixes: use 24 or 26', { node: version })
}

function firstSignal(process: Terminal): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve(signal))
  })
}

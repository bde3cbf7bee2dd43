import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { ANY, type Egress, egress, type Purpose } from '../../src/cli/egress.ts'
import { readSetup, type Setup } from '../../src/cli/setup.ts'
import { type Dial, onDial } from './dials.ts'
import { ONLY_NAMED } from './tallied.ts'

/**
 * Whatever a test of any file starts, it connects to nothing that `check --egress` does not list for the same configuration and
 * environment. Programs write down themselves what they connect to; what runs in this process is known by its asynchronous context.
 */

type Env = Readonly<Record<string, string | undefined>>

/** What may be connected to, as it stands now; `undefined`: whatever is on this machine. */
export type Allowed = () => readonly Pick<Egress, 'host' | 'purposes'>[] | undefined

/** What a test saw that should not be. */
const strays: string[] = []
/** What was connected to for each purpose, for the tally of the whole suite. */
const dialled = new Set<string>()
/** Hosts that issuers of tests name, which no list can know. */
const named = new Set<string>()

/** Says that an issuer of a test names these URLs. */
export function issuerNames(urls: Iterable<unknown>): void {
  for (const url of urls) if (typeof url === 'string' && URL.canParse(url)) named.add(new URL(url).host)
}

/** Judges dials by what is allowed when it is told of them, or was before. */
export class Watch {
  readonly #who: string
  readonly #allowed: Allowed
  readonly #rows = new Map<string, readonly Purpose[]>()
  #isOpen = false
  /** All that was connected to. */
  readonly dials = new Set<Dial>()

  constructor(who: string, allowed: Allowed) {
    this.#who = who
    this.#allowed = allowed
    this.look()
  }

  /** Looks at what is allowed now: a configuration may change. */
  look(): void {
    const rows = this.#allowed()
    this.#isOpen ||= rows === undefined
    for (const { host, purposes } of rows ?? []) this.#rows.set(host, purposes)
  }

  /** All that was ever allowed. */
  get hosts(): readonly string[] {
    return [...this.#rows.keys()]
  }

  judge(dial: Dial): void {
    this.dials.add(dial)
    if (!this.knows(dial)) this.look()
    const found = this.#rowOf(dial)
    if (found !== undefined) count(found, this.#rows.get(found)!)
    else if (!this.knows(dial)) strays.push(`${this.#who} connected to ${dial}, and the list has ${this.hosts.join(', ') || 'nothing'}`)
  }

  knows(dial: Dial): boolean {
    return this.#rowOf(dial) !== undefined || (this.#isOpen && isNear(dial))
  }

  #rowOf(dial: Dial): string | undefined {
    return [dial, dial.replace(/^(127\.0\.0\.1|\[::1\])(?=:)/, 'localhost')].find((one) => this.#rows.has(one)) ?? (this.#rows.has(ANY) && named.has(dial) ? ANY : undefined)
  }
}

const isNear = (dial: Dial): boolean => /^(127\.0\.0\.1|localhost|\[::1\]):\d+$/.test(dial)

/** Purposes that always share a row: the same issuer is asked for all of it. */
const OF_ISSUERS: readonly Purpose[] = ['issuer: its description', 'keys of the issuer', 'sign-in: tokens']

/** A host that serves for several purposes proves none of them. */
function count(host: string, purposes: readonly Purpose[]): void {
  if (host === ANY) dialled.add(ONLY_NAMED)
  if (purposes.length === 1 || purposes.every((one) => OF_ISSUERS.includes(one))) for (const purpose of purposes) dialled.add(purpose)
}

const here = new AsyncLocalStorage<Watch>()
const watches: Watch[] = []

/** Runs something of the program in this process; what it connects to, then and later, is judged. */
export function watched<T>(watch: Watch, run: () => T): T {
  if (watches.length === 0) {
    keepToServers(here)
    onDial(judgeHere)
  }
  if (!watches.includes(watch)) watches.push(watch)
  return here.run(watch, run)
}

function judgeHere(dial: Dial): void {
  const watch = here.getStore()
  if (watch !== undefined) return watch.judge(dial)
  // Callbacks of sockets have lost whose they are: then it has to be allowed to one of all in this process.
  if (!/[/\\]src[/\\](upstream|identity|credentials|limits)[/\\]/.test(stackHere())) return
  const knowing = watches.find((one) => one.knows(dial)) ?? watches[0]!
  knowing.judge(dial)
}

function stackHere(): string {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 40
  const { stack = '' } = new Error()
  Error.stackTraceLimit = stackTraceLimit
  return stack
}

/** Servers answer in the context in which they were made: it does not come with a connection. */
function keepToServers(contexts: AsyncLocalStorage<Watch>): void {
  const owners = new WeakMap<Server, Watch>()
  const { on, emit } = Server.prototype
  Server.prototype.on = function (this: Server, ...args: Parameters<typeof on>) {
    const owner = contexts.getStore()
    if (owner !== undefined) owners.set(this, owner)
    return Reflect.apply(on, this, args) as Server
  } as typeof on
  Server.prototype.emit = function (this: Server, ...args: Parameters<typeof emit>) {
    const owner = owners.get(this)
    return owner === undefined ? Reflect.apply(emit, this, args) as boolean : contexts.run(owner, () => Reflect.apply(emit, this, args) as boolean)
  } as typeof emit
}

/** What `serve` may connect to with a setup: `check --egress`. */
export const listOf = ({ config }: Setup, env: Env): readonly Egress[] => egress(config, env)

/** What a command may connect to; nothing, where its configuration is bad. */
export function allowedTo(args: readonly string[], env: Env, cwd: string): Allowed {
  const command = args[0] === undefined || args[0].startsWith('-') ? 'serve' : args[0]
  const at = args.indexOf('--config')
  const read = () => readSetup({ ...(at > 0 && { config: args[at + 1] }) }, { env, cwd: () => cwd })
  return () => {
    // Its stand-in is on a port of chance.
    if (command === 'demo') return undefined
    if (!['serve', 'doctor', 'explain', 'token', 'login', 'health'].includes(command)) return []
    // On the side of clients: the proxy or the issuer that is named, and the issuer that the proxy names.
    if (command === 'login' || (command === 'token' && !['mint', 'inspect'].includes(args[1]!))) return [...namedHere(args), ...named].map((host) => ({ host, purposes: [] }))
    const setup = read()
    if ('problems' in setup) return []
    const { admin } = setup.setup.config
    return command === 'health' ? [{ host: `${admin.host}:${admin.port}`, purposes: [] }] : listOf(setup.setup, env)
  }
}

const namedHere = (args: readonly string[]): readonly string[] => args.filter((one) => URL.canParse(one)).map((one) => new URL(one).host)

/** Files in which programs write down what they connect to, and who judges it. */
const records: { readonly file: string; readonly watch: Watch; readonly read: typeof linesOf }[] = []
let folder: string | undefined

/** @param read - Takes the dials out of such a file. @returns Where a program is to write. */
export function record(watch: Watch, read = linesOf): string {
  folder ??= mkdtempSync(join(tmpdir(), 'dials-'))
  const file = join(folder, String(records.length))
  records.push({ file, watch, read })
  return file
}

/** Judges what a program has written down so far. */
export function judgeRecord(path: string): void {
  const { watch, read } = records.find(({ file }) => file === path)!
  for (const dial of new Set(read(textOf(path)))) watch.judge(dial)
}

const linesOf = (text: string): readonly Dial[] => text.split('\n').filter((line) => line !== '')

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    // It connected to nothing.
    return ''
  }
}

after(() => {
  for (const { file } of records) judgeRecord(file)
  if (folder !== undefined) rmSync(folder, { recursive: true })
  const { EGRESS_TALLY: tally } = process.env
  if (tally !== undefined && dialled.size > 0) appendFileSync(tally, [...dialled].map((purpose) => `${purpose}\n`).join(''))
  // Hooks behind one that fails do not run, and what they would close keeps the process.
  if (strays.length > 0) setTimeout(() => process.exit(1), 2000).unref()
  assert.deepEqual([...new Set(strays)], [], 'connected to what check --egress does not list')
})

import { readFileSync } from 'node:fs'
import { serve } from '../cli/kit.ts'
import type { Program } from '../kit/program.ts'

export type Line = Readonly<Record<string, unknown>>

/** A row of the journal. */
export type Charge = readonly [key: string, atMs: number, input: number, output: number, cacheRead: number, cacheWrite: number, microUsd: number]

/** What is there of one life of a program, from its start to its end: all of it in the order in which it was written. */
export interface Life {
  /** Of the log, what tells of requests. */
  readonly requests: readonly Line[]
  readonly intents: readonly Line[]
  readonly calls: readonly Line[]
  /** What the journal has, by its records. */
  readonly records: readonly (readonly Charge[])[]
}

/** The characters of a checksum and a space. */
const RECORD_HEAD = 9

/** The real program, which is killed and started anew, with the same journal, audit log and ports. */
export class Lives {
  readonly #env: Readonly<Record<string, string>>
  readonly #audit: string
  readonly #journal: string
  #program: Program
  /** Where this life begins in the audit log. */
  #from = 0

  constructor(env: Readonly<Record<string, string>>, audit: string, journal: string) {
    this.#env = { ...env, AUDIT__FILE: audit }
    this.#audit = audit
    this.#journal = journal
    this.#program = serve(this.#env)
  }

  async listening(): Promise<void> {
    await this.#program.port()
  }

  /** Has it take its configuration anew. */
  async reload(): Promise<void> {
    const reloaded = this.#program.nextLine(/"msg":"reloaded"/)
    this.#program.child.kill('SIGHUP')
    await reloaded
  }

  /** Kills it at once, and starts the next one when it is gone. */
  async kill(): Promise<Life> {
    const life = await this.end('SIGKILL')
    this.#from = readFileSync(this.#audit).length
    this.#program = serve(this.#env)
    await this.listening()
    return life
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<Life> {
    this.#program.child.kill(signal)
    await this.#program.ended()
    return this.soFar()
  }

  soFar(): Life {
    const audit = whole(readFileSync(this.#audit).subarray(this.#from).toString().split('\n'))
    const records = readFileSync(this.#journal, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line.slice(RECORD_HEAD)) as { readonly charges?: readonly Charge[] })
    return {
      requests: whole(this.#program.stdout).filter(({ msg }) => msg === 'request'),
      intents: audit.filter(({ event }) => event === 'intent'), calls: audit.filter(({ event }) => event === 'call'),
      records: records.flatMap(({ charges }) => (charges === undefined ? [] : [charges])),
    }
  }
}

/** The lines without their last, where a kill has torn it. */
function whole(lines: readonly string[]): Line[] {
  return lines.flatMap((line, i) => {
    try {
      return line === '' ? [] : [JSON.parse(line) as Line]
    } catch (error) {
      if (i < lines.length - 1) throw error
      return []
    }
  })
}

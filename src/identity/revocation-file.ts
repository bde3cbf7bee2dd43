import { readFileSync, statSync } from 'node:fs'
import type { Log } from '../log/index.ts'
import type { Caller } from './caller.ts'
import { Revocations } from './revocations.ts'

/** Short enough that an answer under way ends within a second of the file's change. */
const POLL_MS = 500

interface Watch {
  readonly path: string
  readonly issuers: readonly (string | undefined)[]
}

/**
 * Revocations as a file says them, asked for anew while the process runs. Polled: a change by rename, over a network
 * file system or by a mounted secret is seen like any other. A file that is gone or wrong leaves the last good one in force.
 */
export class RevocationFile {
  readonly #after: (delayMs: number, run: () => void) => () => void
  readonly #log: Log
  readonly #onChange: () => void
  #watch: Watch | undefined
  #revocations: Revocations | undefined
  #seen = ''
  #cancel = (): void => {}

  /** @param onChange - Called when what is revoked may have changed. */
  constructor(world: { readonly after: (delayMs: number, run: () => void) => () => void; readonly log: Log }, onChange: () => void) {
    this.#after = world.after
    this.#log = world.log
    this.#onChange = onChange
  }

  /** Takes this file from now on, or, with `undefined`, none. What was read of it already need not be read again. */
  watch(watch: Watch | undefined): void {
    this.close()
    this.#watch = watch
    this.#seen = ''
    if (watch === undefined) this.#revocations = undefined
    else this.#poll(watch)
  }

  close(): void {
    this.#cancel()
  }

  has(caller: Caller): boolean {
    return this.#revocations !== undefined && this.#revocations.has(caller)
  }

  #poll(watch: Watch): void {
    try {
      const { ino, size, mtimeMs, ctimeMs } = statSync(watch.path)
      this.#take(watch, [ino, size, mtimeMs, ctimeMs].join())
    } catch (error) {
      this.#fail('', error)
    }
    this.#cancel = this.#after(POLL_MS, () => this.#poll(watch))
  }

  #take({ path, issuers }: Watch, version: string): void {
    if (version === this.#seen) return
    try {
      this.#revocations = new Revocations(readFileSync(path, 'utf8'), issuers)
      this.#seen = version
      this.#log.info('revocations', { file: path })
      this.#onChange()
    } catch (error) {
      this.#fail(version, error)
    }
  }

  /** Says once what is wrong with each version of the file. */
  #fail(version: string, error: unknown): void {
    const seen = `bad ${version}`
    if (this.#seen === seen) return
    this.#seen = seen
    this.#log.error('the revocation file is not taken: what was revoked before stays revoked', { file: this.#watch?.path, problem: (error as Error).message })
  }
}

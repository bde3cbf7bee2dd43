import type { Caller } from '../identity/index.ts'

/** Why an answer that has begun is ended by us. */
export type EndCode = 'DRAINING' | 'TOKEN_REVOKED'

/** Ends an answer: with an exception that clients know, where that can be. */
export type End = (code: EndCode) => void

/** Answers under way, and whose they are, so that a shutdown or a revocation can end them. */
export class LiveAnswers {
  readonly #callers = new Map<End, Caller>()

  get count(): number {
    return this.#callers.size
  }

  add(end: End, caller: Caller): void {
    this.#callers.set(end, caller)
  }

  delete(end: End): void {
    this.#callers.delete(end)
  }

  /** @returns How many there were to end. */
  end(code: EndCode, of: (caller: Caller) => boolean = () => true): number {
    const ended = [...this.#callers].filter(([, caller]) => of(caller))
    for (const [end] of ended) end(code)
    return ended.length
  }
}

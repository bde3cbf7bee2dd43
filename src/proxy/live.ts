import type { Caller } from '../identity/index.ts'
import type { Exchange } from './exchange.ts'
import { Refusal } from './problem.ts'

/** Why we end what is under way for a request. */
export type EndCode = 'DRAINING' | 'TOKEN_REVOKED'

/** Ends it: by an answer, or, where that has begun, with an exception that clients know, where that can be. */
export type End = (code: EndCode) => void

/** One of them, as it stands in the list. */
export interface Live {
  readonly end: End
  readonly caller: Caller
  place: number
}

/**
 * What is under way with AWS, and for whom, so that a shutdown or a revocation can end it.
 *
 * A list, and no Map: one whose entries come and go leaves tables behind, each pointing at the next, and what has grown
 * old of that chain keeps every request since from an early collection.
 */
export class LiveAnswers {
  readonly #all: Live[] = []

  get count(): number {
    return this.#all.length
  }

  add(end: End, caller: Caller): Live {
    const live = { end, caller, place: this.#all.length }
    this.#all.push(live)
    return live
  }

  /** Harmless when repeated. */
  delete(live: Live | undefined): void {
    const last = this.#all.at(-1)
    if (last === undefined || live === undefined || this.#all[live.place] !== live) return
    this.#all[live.place] = last
    last.place = live.place
    this.#all.pop()
  }

  /** @returns How many there were to end. */
  end(code: EndCode, of: (caller: Caller) => boolean = () => true): number {
    const ended = this.#all.filter(({ caller }) => of(caller))
    for (const { end } of ended) end(code)
    return ended.length
  }
}

/** Work for a request that has no answer yet. */
export class Errand {
  #stop = (): void => undefined
  #ended: Refusal | undefined

  /** To be asked after each wait. @throws Refusal - why nobody wants it any more. */
  check(): void {
    if (this.#ended !== undefined) throw this.#ended
  }

  /** Takes what stops that which is under way now: it is done at the end, or at once where that has been. */
  onEnd(stop: () => void): void {
    this.#stop = stop
    if (this.#ended !== undefined) stop()
  }

  end(why: Refusal): void {
    this.#ended ??= why
    this.#stop()
  }
}

/** What tells whether a caller is still wanted. */
export interface Watch {
  readonly live: LiveAnswers
  /** Asked every time: a token that was good can be revoked. */
  readonly revoked: (caller: Caller) => boolean
}

/**
 * Works as long as it is wanted: not any longer than the client waits, and not beyond a shutdown or the caller's revocation.
 *
 * @throws Refusal - `CLIENT_GONE`, `TOKEN_REVOKED`, `DRAINING` at once, whatever the work is waiting for; and what the work throws.
 */
export function whileWanted<T>(exchange: Exchange, caller: Caller, { live, revoked }: Watch, work: (errand: Errand) => Promise<T>): Promise<T> {
  if (exchange.gone) return Promise.reject(new Refusal('CLIENT_GONE'))
  if (revoked(caller)) return Promise.reject(new Refusal('TOKEN_REVOKED'))
  return new Promise((resolve, reject) => {
    const errand = new Errand()
    const end = (code: EndCode | 'CLIENT_GONE'): void => {
      live.delete(entry)
      const why = new Refusal(code)
      errand.end(why)
      reject(why)
    }
    exchange.onGone = () => end('CLIENT_GONE')
    const entry = live.add(end, caller)
    work(errand).then(
      (value) => { live.delete(entry); resolve(value) },
      (error: Error) => { live.delete(entry); reject(error) },
    )
  })
}

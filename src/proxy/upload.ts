import type { BodySink, BodySource } from '../upstream/index.ts'
import type { Exchange } from './exchange.ts'
import { Refusal } from './problem.ts'

/** Below this, nothing is won by not keeping it. */
const MIN_BYTES = 65_536

/** Whether a body is worth to go up while it comes. AWS wants to know its length before it. */
export const isLarge = (declaredBytes: number): boolean => declaredBytes > MIN_BYTES

/** A request body that goes up while it comes. Nothing of it is kept, so it goes once, and its hash is never known. */
export class Upload implements BodySource {
  /** As declared. */
  readonly bytes: number
  readonly sha256 = ''
  readonly chunks: readonly Buffer[] = []
  readonly source = this
  readonly #exchange: Exchange
  readonly #idleMs: number
  readonly #giveBack: () => void
  #received = 0
  #failure: Refusal | undefined
  #sink: BodySink | undefined
  #idle: NodeJS.Timeout | undefined

  /** @param giveBack - Returns what was taken for it, when it is over. */
  constructor(exchange: Exchange, bytes: number, idleMs: number, giveBack: () => void) {
    this.bytes = bytes
    this.#exchange = exchange
    this.#idleMs = idleMs
    this.#giveBack = giveBack
  }

  get received(): number {
    return this.#received
  }

  /** Why the client's part of it failed, where it did. */
  get failure(): Refusal | undefined {
    return this.#failure
  }

  pour(sink: BodySink): void {
    const { body } = this.#exchange
    this.#sink = sink
    sink.onDrained(this.#onDrained)
    this.#idle = setTimeout(() => this.#fail('BODY_TIMEOUT'), this.#idleMs)
    // Who left while we waited tells it no more.
    if (body.destroyed) return this.#onCut()
    body.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onCut).on('close', this.#onCut)
    this.#exchange.continue()
  }

  /** AWS has answered. One that refuses reads no more, and who serves the client drains what is left. */
  answered(status: number): void {
    if (status >= 400) this.#stop()
  }

  /** Harmless when repeated. */
  release(): void {
    this.#stop()
    if (this.#received < this.bytes) this.#sink?.destroy()
    this.#giveBack()
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#received += chunk.length
    if (this.#received > this.bytes) return this.#fail('BODY_TOO_LARGE')
    this.#idle!.refresh()
    if (this.#sink!.write(chunk)) return
    // It is AWS now who keeps us waiting, and its own timer runs.
    clearTimeout(this.#idle)
    this.#exchange.body.pause()
  }

  readonly #onDrained = (): void => {
    if (!this.#exchange.body.isPaused() || this.#failure !== undefined) return
    this.#idle = setTimeout(() => this.#fail('BODY_TIMEOUT'), this.#idleMs)
    this.#exchange.body.resume()
  }

  readonly #onEnd = (): void => {
    if (this.#received < this.bytes) return this.#fail('BODY_INCOMPLETE')
    this.#stop()
    this.#sink!.end()
  }

  readonly #onCut = (): void => this.#fail(this.#exchange.gone ? 'CLIENT_GONE' : 'BODY_INCOMPLETE')

  #fail(code: 'BODY_TIMEOUT' | 'BODY_TOO_LARGE' | 'BODY_INCOMPLETE' | 'CLIENT_GONE'): void {
    this.#failure ??= new Refusal(code)
    this.#stop()
    this.#sink!.destroy()
  }

  #stop(): void {
    clearTimeout(this.#idle)
    this.#exchange.body.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onCut).off('close', this.#onCut)
  }
}

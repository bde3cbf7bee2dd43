import { createHash, type Hash, hash as hashOf } from 'node:crypto'
import type { RequestFields } from '../http/index.ts'
import type { Caller } from '../identity/index.ts'
import type { MemberScanner } from '../json/index.ts'
import { arrived } from './arrived.ts'
import type { ByteBudget } from './budget.ts'
import type { Exchange } from './exchange.ts'
import { type EndCode, type Live, type Watch, whileWanted } from './live.ts'
import { Refusal } from './problem.ts'
import { isLarge, Upload } from './upload.ts'

/** A request body: SigV4 needs its hash before the first byte goes out, so it is kept, as the chunks it came in. */
// A class: V8 gives an object literal with a getter a shape of its own each time, and that keeps the body long after its request.
export class Payload {
  readonly bytes: number
  /** Lower-case hex. */
  readonly sha256: string
  readonly #reservation: Pick<Reservation, 'release'>
  #chunks: readonly Buffer[]

  constructor(chunks: readonly Buffer[], bytes: number, sha256: string, reservation: Pick<Reservation, 'release'>) {
    this.#chunks = chunks
    this.bytes = bytes
    this.sha256 = sha256
    this.#reservation = reservation
  }

  get chunks(): readonly Buffer[] {
    return this.#chunks
  }

  get received(): number {
    return this.bytes
  }

  /** Nobody will want it again. */
  answered(_status: number): void {
    this.release()
  }

  /** Forgets the chunks and gives their memory back; needed once the answer has begun, harmless when repeated. */
  release(): void {
    this.#chunks = []
    this.#reservation.release()
  }
}

export interface BodyLimits {
  readonly maxBytes: number
  /** Silence after which the client is taken to be gone. */
  readonly idleMs: number
  readonly budget: ByteBudget
  /** Whose it is, and what tells whether they are still wanted. */
  readonly caller: Caller
  readonly watch: Watch
  /** Reads in it piece by piece, as it comes: at its end, all at once, the largest would hold up everybody else. */
  readonly scanner?: MemberScanner | undefined
}

const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
/** For requests of our own. */
export const NO_BODY = new Payload([], 0, EMPTY_SHA256, { release: () => undefined })

/**
 * Takes a body that is to go up while it comes. One whose length is not declared, and a small one, is received as any other.
 *
 * @throws Refusal - as `receiveBody` does; of an upload under way its `failure` tells.
 */
export async function openBody(exchange: Exchange, fields: RequestFields, limits: BodyLimits): Promise<Payload | Upload> {
  const declared = Number(fields.get('content-length') ?? 0)
  if (!exchange.hasBody || !isLarge(declared) || declared > limits.maxBytes) return receiveBody(exchange, fields, limits)
  const reservation = new Reservation(limits.budget, exchange.aheadBytes)
  try {
    const waiting = reservation.cover(Math.min(declared, exchange.aheadBytes))
    if (waiting !== undefined) await whileWanted(exchange, limits.caller, limits.watch, () => waiting)
    return new Upload(exchange, declared, limits.idleMs, () => reservation.release())
  } catch (error) {
    reservation.release()
    throw error
  }
}

/**
 * Receives the body of a request, hashing it as it comes.
 *
 * @throws Refusal - `BODY_TOO_LARGE` at once where the length is declared, else at the byte; `BODY_TIMEOUT`,
 *   `BODY_INCOMPLETE`, `OUT_OF_MEMORY_BUDGET`; `TOKEN_REVOKED`, `DRAINING` at the moment that ends it.
 */
export async function receiveBody(exchange: Exchange, fields: RequestFields, limits: BodyLimits): Promise<Payload> {
  const reservation = new Reservation(limits.budget, exchange.aheadBytes)
  if (!exchange.hasBody) return new Payload([], 0, EMPTY_SHA256, reservation)
  const declared = Number(fields.get('content-length') ?? 0)
  if (declared > limits.maxBytes) throw new Refusal('BODY_TOO_LARGE')
  try {
    const waiting = reservation.cover(declared)
    if (waiting !== undefined) await whileWanted(exchange, limits.caller, limits.watch, () => waiting)
    if (exchange.gone) throw new Refusal('CLIENT_GONE')
    exchange.continue()
    const whole = declared > MIN_HELD_BYTES ? undefined : arrived(exchange.body, declared)
    if (whole === undefined) return await collect(exchange, limits, reservation, declared)
    limits.scanner?.push(whole)
    return new Payload([whole], declared, hashOf('sha256', whole, 'hex'), reservation)
  } catch (error) {
    reservation.release()
    throw error
  }
}

/**
 * What one body has taken of the budget: the declared length first, so that who is let in can finish; more as it comes
 * where none was declared, or where it comes so slowly that what it has not sent yet is of more use to others.
 */
class Reservation {
  readonly #budget: ByteBudget
  readonly #aheadBytes: number
  #bytes = 0
  #released = false

  constructor(budget: ByteBudget, aheadBytes: number) {
    this.#budget = budget
    this.#aheadBytes = aheadBytes
  }

  /** Makes the reservation at least `bytes` large. */
  cover(bytes: number): Promise<void> | undefined {
    const missing = bytes - this.#bytes
    if (missing <= 0) return undefined
    const waiting = this.#budget.take(missing, Math.min(missing, this.#aheadBytes))
    if (waiting === undefined) {
      this.#bytes = bytes
      return undefined
    }
    return waiting.then(() => {
      this.#bytes = bytes
      // The request ended while it stood in line.
      if (this.#released) this.trim(0)
    })
  }

  /** Gives back what is beyond `bytes`. */
  trim(bytes: number): void {
    const rest = this.#bytes - bytes
    if (rest <= 0) return
    this.#bytes = bytes
    this.#budget.give(rest)
  }

  release(): void {
    this.#released = true
    this.trim(0)
  }
}

/** How long a declared length is held for one who has not sent it: the largest body comes in that time at 70 Mbit/s. */
const HOLD_MS = 3000
/** Below this there is nothing to win. */
const MIN_HELD_BYTES = 65_536

function collect(exchange: Exchange, limits: BodyLimits, reservation: Reservation, declared: number): Promise<Payload> {
  const { body } = exchange
  // Over HTTP/2 the end of an empty body does not wait for somebody to hear of it.
  if (body.readableEnded) return Promise.resolve(new Payload([], 0, EMPTY_SHA256, reservation))
  const chunks: Buffer[] = []
  let bytes = 0
  let hash: Hash | undefined
  return new Promise((resolve, reject) => {
    const silence = () => setTimeout(() => fail(new Refusal('BODY_TIMEOUT')), limits.idleMs)
    let idle = silence()
    const hold = declared > MIN_HELD_BYTES ? setTimeout(() => reservation.trim(bytes), HOLD_MS) : undefined
    const onData = (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > limits.maxBytes) return fail(new Refusal('BODY_TOO_LARGE'))
      idle.refresh()
      hash ??= createHash('sha256')
      hash.update(chunk)
      limits.scanner?.push(chunk)
      chunks.push(chunk)
      const waiting = reservation.cover(bytes)
      if (waiting === undefined) return
      // We are silent now, not the client.
      body.pause()
      clearTimeout(idle)
      waiting.then(() => {
        if (settled) return
        idle = silence()
        body.resume()
      }, fail)
    }
    const onEnd = () => {
      settle()
      resolve(new Payload(chunks, bytes, hash?.digest('hex') ?? EMPTY_SHA256, reservation))
    }
    const onCut = () => fail(new Refusal(exchange.gone ? 'CLIENT_GONE' : 'BODY_INCOMPLETE'))
    const onUnwanted = (code: EndCode) => fail(new Refusal(code))
    const fail = (error: Error) => {
      settle()
      reject(error)
    }
    let settled = false
    let live: Live | undefined
    const settle = () => {
      settled = true
      clearTimeout(idle)
      clearTimeout(hold)
      limits.watch.live.delete(live)
      body.off('data', onData).off('end', onEnd).off('error', onCut).off('close', onCut)
    }
    // A body of nothing ends before anybody reads it, and who left while we waited tells it no more.
    if (body.readableEnded) return onEnd()
    if (body.destroyed) return onCut()
    live = limits.watch.live.add(onUnwanted, limits.caller)
    body.on('data', onData).on('end', onEnd).on('error', onCut).on('close', onCut)
  })
}

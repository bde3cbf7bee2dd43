import type { Frame } from '../eventstream/index.ts'
import type { Caller } from '../identity/index.ts'
import type { Session, SessionListener, SessionRefusal, UpstreamError } from '../upstream/index.ts'
import type { UsageTap } from '../usage/index.ts'
import type { Exchange } from './exchange.ts'
import type { Live, LiveAnswers } from './live.ts'
import { exceptionType, type Operation } from './operations.ts'
import { PROBLEMS, type ProblemCode, Refusal, type RefusalCode } from './problem.ts'
import { answerFields, fieldOf, type Passage } from './relay.ts'

/** Longest message of a client, in bytes: none of a conversation comes near. So much of one that is still coming lies in memory. */
export const MAX_EVENT_BYTES = 1024 * 1024

/** The client's side of a conversation, whichever way it came in. None of its functions throws. */
export interface ClientSide {
  /** AWS has accepted with 200: header lines for the client. Once, before any event. What fails before is answered by `Exchange.answer`. */
  accepted(fields: readonly string[]): void
  /**
   * Passes on a message of AWS: an event or an exception, whole and as it came.
   *
   * @returns Whether the client takes more at once; if not, {@link Talk.drained} is called when it does.
   */
  event(frame: Frame): boolean
  /** AWS takes no more for now: the client is not read until `resume`. What was read already may still be told. */
  pause(): void
  resume(): void
  /** AWS has said all: the polite end. Nothing follows. */
  end(): void
  /** The proxy ends what was accepted: with an exception that the operation's union knows. Nothing follows. */
  fail(exceptionType: string, message: string, code: ProblemCode): void
}

/** What the client's side tells. Each is without effect once the conversation is over. That the client left, the exchange tells. */
export interface Talk {
  /** An event of the client: its encoded message, without any signature around it. */
  event(message: Buffer): void
  /** The client will send no more; it still listens. */
  end(): void
  /** The client takes events again. */
  drained(): void
  /** A sign of life that is no event, such as a pong. */
  alive(): void
  /** What the client sent cannot be read. */
  broken(code: 'BAD_EVENT' | 'BODY_INCOMPLETE' | 'BODY_TOO_LARGE'): void
}

/** What went each way so far. */
export interface Traffic {
  /** Sees what AWS says, after the client. */
  readonly tap: UsageTap
  bytesIn: number
  eventsIn: number
  bytesOut: number
  eventsOut: number
}

export interface ConversationTimers {
  /** How long a client may neither send nor take anything. */
  readonly clientIdleMs: number
  /** Longest life of a conversation. */
  readonly sessionMs: number
}

/** Opens a session of AWS. Nothing is told before it returns. */
export type Open = (listener: SessionListener) => Session

/** What a conversation joins, and what it keeps to. */
export interface ConversationParts {
  readonly exchange: Exchange
  readonly operation: Operation
  readonly caller: Caller
  readonly open: Open
  /** Asked once where AWS refuses and nothing of the client's has gone up: how another session is opened, where that can go better. */
  readonly again: (refusal: SessionRefusal) => Promise<Open | undefined>
  /** Makes the client's side. It tells nothing before it returns. */
  readonly join: (talk: Talk) => ClientSide
  readonly timers: ConversationTimers
  readonly live: LiveAnswers
  readonly traffic: Traffic
  /** Header lines of ours. */
  readonly ours: readonly string[]
  /** Told when the head of AWS's answer is here. */
  readonly onAnswer: () => void
}

/**
 * Joins a client with a session of AWS: events both ways at once, each side paused while the other cannot take more.
 * Whichever side ends, vanishes or falls silent, the other is let go.
 *
 * @returns What was had, or the answer of AWS that would not have it.
 * @throws Refusal, UpstreamError - as a rejection, only while AWS has not accepted. Later the client is told within the stream.
 */
export function joinSides(parts: ConversationParts): Promise<Passage | SessionRefusal> {
  return new Promise((resolve, reject) => void new Conversation(parts, resolve, reject))
}

class Conversation {
  readonly #parts: ConversationParts
  readonly #resolve: (outcome: Passage | SessionRefusal) => void
  readonly #reject: (error: Error) => void
  #session: Session
  /** What the client says while there is no session, after the first one was refused. */
  #held: Buffer[] | undefined
  #isSecond = false
  readonly #client: ClientSide
  readonly #silence: NodeJS.Timeout
  readonly #cap: NodeJS.Timeout
  readonly #live: Live
  #awsRequestId: string | undefined
  #accepted = false
  #over = false
  /** The client has said all. */
  #heardAll = false
  /** AWS takes no more for now: the client is not read. */
  #full = false
  /** The client takes no more for now: AWS is not read. */
  #stalled = false

  constructor(parts: ConversationParts, resolve: (outcome: Passage | SessionRefusal) => void, reject: (error: Error) => void) {
    const { exchange, caller, open, join, timers, live } = parts
    this.#parts = parts
    this.#resolve = resolve
    this.#reject = reject
    this.#session = open(this.#fromAws)
    this.#client = join(this.#fromClient)
    this.#silence = setTimeout(() => this.#clientSilent(), timers.clientIdleMs)
    this.#cap = setTimeout(() => this.#fail('SESSION_TOO_LONG'), timers.sessionMs)
    this.#live = live.add(this.#fail, caller)
    exchange.onGone = () => this.#clientGone()
  }

  readonly #fromClient: Talk = {
    event: (message) => {
      if (this.#over || this.#heardAll) return
      this.#parts.traffic.eventsIn++
      this.#parts.traffic.bytesIn += message.length
      this.#alive()
      if (this.#held !== undefined) return void this.#held.push(message)
      if (this.#session.send(message) || this.#full) return
      this.#full = true
      this.#client.pause()
    },
    end: () => {
      if (this.#over || this.#heardAll) return
      this.#heardAll = true
      if (this.#held === undefined) this.#session.end()
    },
    drained: () => {
      if (this.#over || !this.#stalled) return
      this.#stalled = false
      this.#alive()
      this.#session.resume()
    },
    alive: () => this.#alive(),
    broken: (code) => this.#fail(code),
  }

  readonly #fromAws: SessionListener = {
    accepted: (fields) => {
      this.#accepted = true
      this.#parts.onAnswer()
      this.#awsRequestId = fieldOf(fields, 'x-amzn-requestid')
      this.#client.accepted([...answerFields(fields), ...this.#parts.ours])
    },
    refused: (refusal) => {
      if (this.#isSecond || this.#heardAll || this.#parts.traffic.eventsIn > 0) return this.#refusedBy(refusal)
      this.#isSecond = true
      this.#held = []
      this.#client.pause()
      this.#parts.again(refusal).then((open) => (open === undefined ? this.#refusedBy(refusal) : this.#reopen(open)), (error: Refusal | UpstreamError) => this.#refuse(error))
    },
    event: (frame) => {
      if (this.#over) return
      this.#parts.traffic.eventsOut++
      this.#parts.traffic.bytesOut += frame.bytes.length
      this.#alive()
      const takesMore = this.#client.event(frame)
      this.#parts.traffic.tap.push(frame.bytes)
      if (takesMore || this.#stalled) return
      this.#stalled = true
      this.#session.pause()
    },
    drained: () => {
      if (this.#over || !this.#full) return
      this.#full = false
      this.#alive()
      this.#client.resume()
    },
    end: () => {
      this.#client.end()
      this.#settle(undefined)
    },
    failed: (error) => this.#break(error),
  }

  #reopen(open: Open): void {
    const session = open(this.#fromAws)
    if (this.#over) return session.destroy()
    this.#session = session
    for (const message of this.#held!) session.send(message)
    this.#held = undefined
    if (this.#heardAll) session.end()
    this.#client.resume()
  }

  #refusedBy(refusal: SessionRefusal): void {
    if (this.#over) return
    this.#parts.onAnswer()
    this.#letGo()
    this.#resolve(refusal)
  }

  // Who does not take what it is sent is not alive by sending.
  #alive(): void {
    if (!this.#over && !this.#stalled) this.#silence.refresh()
  }

  #clientSilent(): void {
    // It has said all, or it is us who do not listen: then its silence is no sign.
    if (!this.#stalled && (this.#heardAll || this.#full)) return void this.#silence.refresh()
    if (!this.#stalled) return this.#fail('BODY_TIMEOUT')
    this.#parts.exchange.break()
    this.#settle('CLIENT_GONE')
  }

  #clientGone(): void {
    if (this.#accepted) this.#settle('CLIENT_GONE')
    else this.#refuse(new Refusal('CLIENT_GONE'))
  }

  readonly #fail = (code: RefusalCode): void => this.#break(new Refusal(code))

  /** Ends what AWS has accepted with an exception; before, whoever asked answers the client. */
  #break(error: Refusal | UpstreamError): void {
    if (this.#over) return
    if (!this.#accepted) return this.#refuse(error)
    const { code } = error
    this.#client.fail(exceptionType(this.#parts.operation, code), PROBLEMS[code].message, code)
    this.#settle(code)
  }

  #refuse(error: Refusal | UpstreamError): void {
    if (this.#over) return
    this.#letGo()
    this.#reject(error)
  }

  #settle(failure: ProblemCode | undefined): void {
    if (this.#over) return
    this.#letGo()
    this.#resolve({ status: 200, bytes: this.#parts.traffic.bytesOut, awsRequestId: this.#awsRequestId, failure })
  }

  #letGo(): void {
    this.#over = true
    clearTimeout(this.#silence)
    clearTimeout(this.#cap)
    this.#parts.live.delete(this.#live)
    this.#session.destroy()
    if (this.#held !== undefined) this.#client.resume()
  }
}

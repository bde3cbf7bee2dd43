import type { AuditLog, CallFacts, CallRecord, IntentRecord } from '../audit/index.ts'
import type { Caller } from '../identity/index.ts'
import type { Ticket } from '../limits/index.ts'
import { Facts, type Log, type LogFields } from '../log/index.ts'
import type { Model } from '../model/index.ts'
import { Turn } from '../turn/index.ts'
import type { Estimate, Usage, UsageTap } from '../usage/index.ts'
import type { Retry } from './call.ts'
import type { Traffic } from './conversation.ts'
import type { Exchange } from './exchange.ts'
import type { Operation } from './operations.ts'
import { type ProblemCode, problemCode, PROBLEMS, Refusal } from './problem.ts'
import type { Passage } from './relay.ts'
import type { Route } from './route.ts'

/** Who is told of calls. */
export interface Witnesses {
  readonly log: Log
  /** Where calls are written down; without it they are not. */
  readonly audit: AuditLog | undefined
  /** Told of every call at its end. */
  readonly observe: (call: CallFacts) => void
  readonly nowMs: () => number
}

/** What is known of a request so far; at its end, the line in log and audit. */
export interface Story {
  readonly beganMs: number
  session?: string | undefined
  route?: Route
  caller?: Caller
  model?: Model | undefined
  /** The inference profile that was called in its place. */
  profile?: string | undefined
  /** Which of several upstreams served it, or was the last to be tried. */
  upstream?: string | undefined
  /** The rule of the policy that decided. */
  rule?: string
  /** What it was expected to use. */
  estimate?: Estimate
  ticket?: Ticket
  sentMs?: number
  /** When the head of AWS's answer was here. */
  answeredMs?: number
  tap?: UsageTap
  passage?: Passage
  traffic?: Traffic
  usage?: Usage
  /** What that costs, where the model has a price. */
  microUsd?: number | undefined
  readonly retries: Retry[]
  bodyBytes: number
}

/** What is written before a call goes up. */
export function intentOf(exchange: Exchange, { beganMs, caller, model }: Story, operation: Operation): IntentRecord {
  return { time: new Date(beganMs).toISOString(), request_id: exchange.id, user: caller?.user, issuer: caller?.issuer, source: exchange.source, operation: operation.name, model: model?.id }
}

/** What the witnesses are told of a call, and what besides goes into the log, which nobody else sees. */
interface Telling extends CallRecord {
  readonly more: LogFields | undefined
}

/** Tells all witnesses how calls have ended: at the end of the turn in which they did, one witness after the other. */
export class Reporter {
  readonly #witnesses: Witnesses
  readonly #ended: Turn<() => Telling>

  /** @param soon - Runs something at the end of this turn of the event loop: `setImmediate`. */
  constructor(witnesses: Witnesses, soon: (run: () => void) => unknown) {
    this.#witnesses = witnesses
    this.#ended = new Turn(soon, (ended) => this.#tell(ended))
  }

  /** A call whose story has ended. */
  ended(exchange: Exchange, story: Story, failure: unknown, nowMs: number): void {
    this.#ended.add(() => tellingOf(exchange, story, failure, nowMs))
  }

  /** A request that was refused before its story began. */
  unheard({ id, source, method, detail }: Unheard, code: ProblemCode): void {
    const nowMs = this.#witnesses.nowMs()
    const { status, culprit } = PROBLEMS[code]
    const facts = new Facts({ request_id: id, source, method, status, failed: culprit, error: code, bytes_in: 0, bytes_out: 0, duration_ms: 0 })
    this.#ended.add(() => ({ time: new Date(nowMs).toISOString(), facts, more: { detail } }))
  }

  /** A TLS handshake that failed for a reason of the client's. */
  handshakeFailed(source: string, detail: string): void {
    this.#witnesses.log.info('handshake', { source, failed: 'client', detail })
  }

  #tell(ended: readonly (() => Telling)[]): void {
    const { log, audit, observe } = this.#witnesses
    const all: Telling[] = []
    this.#each(ended, (telling) => all.push(telling()))
    this.#each(all, ({ facts }) => observe(facts.fields))
    // A call that was refused because it could not be written down would only crowd out those that can be.
    this.#each(all, (call) => { if (call.facts.fields.error !== 'AUDIT_UNAVAILABLE') audit?.end(call) })
    this.#each(all, ({ facts, more }) => log[facts.fields.error === 'INTERNAL' ? 'error' : 'info']('request', more, facts))
  }

  /** What is wrong with one must cost neither the others nor the process. */
  #each<T>(all: readonly T[], tell: (one: T) => void): void {
    for (const one of all) {
      try {
        tell(one)
      } catch (error) {
        this.#witnesses.log.error('a call is not told of', { error: 'INTERNAL', stack: error instanceof Error ? error.stack : String(error) })
      }
    }
  }
}

function tellingOf(exchange: Exchange, story: Story, failure: unknown, nowMs: number): Telling {
  const { beganMs, caller, traffic } = story
  return {
    time: new Date(beganMs).toISOString(), groups: caller?.groups, facts: new Facts(factsOf(exchange, story, failure, nowMs)),
    more: failure === undefined && traffic === undefined ? undefined : { detail: detailOf(failure), events_in: traffic?.eventsIn, events_out: traffic?.eventsOut, stack: stackOf(failure) },
  }
}

function factsOf(exchange: Exchange, story: Story, failure: unknown, nowMs: number): CallFacts {
  const { passage, route, caller, traffic, usage, beganMs, sentMs, answeredMs } = story
  const code = failure === undefined ? passage?.failure : problemCode(failure)
  const problem = code === undefined ? undefined : PROBLEMS[code]
  return {
    request_id: exchange.id, user: caller?.user, issuer: caller?.issuer,
    source: exchange.source, method: exchange.method, operation: route?.operation.name, model: story.model?.id ?? route?.subject, profile: story.profile, upstream: story.upstream,
    status: passage?.status ?? problem?.status, failed: problem?.culprit, error: code, retried: story.retries.length > 0 ? story.retries.join(',') : undefined,
    bytes_in: traffic?.bytesIn ?? story.bodyBytes, bytes_out: passage?.bytes ?? 0,
    input_tokens: usage?.input, output_tokens: usage?.output, cache_read_tokens: usage?.cacheRead, cache_write_tokens: usage?.cacheWrite,
    partial: usage?.partial === true ? true : undefined, cost_usd: story.microUsd === undefined ? undefined : story.microUsd / 1e6,
    first_byte_ms: answeredMs === undefined ? undefined : answeredMs - beganMs,
    upstream_ms: answeredMs === undefined ? undefined : answeredMs - (sentMs ?? answeredMs),
    duration_ms: nowMs - beganMs, aws_request_id: passage?.awsRequestId,
    rule: story.rule ?? (failure instanceof Refusal ? failure.more.rule : undefined), session_id: story.session,
  }
}

/** What is known of a request that was refused before its story began. */
export interface Unheard {
  readonly id: string
  readonly source: string
  readonly method?: string | undefined
  /** For the log only. */
  readonly detail?: string | undefined
}

/** What the client is not told. */
function detailOf(failure: unknown): string | undefined {
  if (failure === undefined) return undefined
  if (failure instanceof Refusal) return failure.more.detail
  if (!(failure instanceof Error)) return undefined
  return failure.cause instanceof Error ? `${failure.message}: ${failure.cause.message}` : failure.message
}

/** Where in our code it went wrong, for what should not have. */
function stackOf(failure: unknown): string | undefined {
  if (failure === undefined || problemCode(failure) !== 'INTERNAL') return undefined
  return failure instanceof Error ? failure.stack : String(failure)
}

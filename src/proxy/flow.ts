import type { AuditLog, CallRecord } from '../audit/index.ts'
import { parseTarget, requestFields, type Target } from '../http/index.ts'
import type { Authenticator, Caller } from '../identity/index.ts'
import type { Log } from '../log/index.ts'
import { authenticate } from './authenticate.ts'
import { type BodyLimits, receiveBody } from './body.ts'
import type { ByteBudget } from './budget.ts'
import { callAws, type Retry } from './call.ts'
import type { Traffic } from './conversation.ts'
import { type ConversationDependencies, converse } from './converse.ts'
import type { Exchange } from './exchange.ts'
import type { AwsHealth } from './health.ts'
import { problemAnswer, problemCode, PROBLEMS, Refusal } from './problem.ts'
import { type Passage, relay } from './relay.ts'
import { findRoute, type Route } from './route.ts'

/** All that the story of a request needs from outside. */
export interface ProxyDependencies extends ConversationDependencies {
  readonly authenticator: Authenticator
  readonly health: AwsHealth
  readonly budget: ByteBudget
  readonly maxBodyBytes: number
  /** Prefix of every path; it ends here. */
  readonly basePath: string
  readonly log: Log
  readonly nowMs: () => number
  /** Whether new requests are turned away, because the process is about to end. */
  readonly closing: () => boolean
  /** Where calls are written down; without it they are not. */
  readonly audit: AuditLog | undefined
  /** Told of every call at its end. */
  readonly observe: (call: CallRecord) => void
}

/** What is known of a request so far; at its end, the line in the log. */
interface Story {
  readonly beganMs: number
  sentMs?: number
  /** When the head of AWS's answer was here. */
  answeredMs?: number
  session?: string | undefined
  route?: Route
  caller?: Caller
  passage?: Passage
  traffic?: Traffic
  retries: Retry[]
  bodyBytes: number
}

/** The whole story of one request. It never throws: whatever happens becomes an answer and a line in the log. */
export async function handle(exchange: Exchange, house: ProxyDependencies): Promise<void> {
  const story: Story = { beganMs: house.nowMs(), retries: [], bodyBytes: 0 }
  let failure: unknown
  try {
    await tell(exchange, house, story)
  } catch (error) {
    failure = error
    try {
      refuse(exchange, error, story)
    } catch (second) {
      // What cannot be answered must not end the process.
      failure = second
      exchange.break()
    }
  }
  report(exchange, house, story, failure)
}

async function tell(exchange: Exchange, house: ProxyDependencies, story: Story): Promise<void> {
  const fields = requestFields(exchange.fields, exchange.protocol)
  story.session = fields.get('x-claude-code-session-id')
  const route = story.route = findRoute(exchange.method, belowBase(parseTarget(exchange.target), house.basePath))
  const isWebSocket = exchange.join !== undefined
  if (isWebSocket !== (route.operation.webSocket === true)) throw new Refusal(isWebSocket ? 'NO_WEBSOCKET' : 'UPGRADE_REQUIRED')
  const caller = authenticate(fields, house.authenticator, house.nowMs())
  story.caller = caller instanceof Promise ? await caller : caller
  if (house.revoked(story.caller)) throw new Refusal('TOKEN_REVOKED')
  if (house.closing()) throw new Refusal('DRAINING')
  if (exchange.hasBody && route.operation.method === 'GET') throw new Refusal('BODY_NOT_ALLOWED')
  if (route.operation.answer === 'own') {
    story.passage = await house.health.answer(exchange)
    return
  }
  const may = mayBegin(exchange, route, story, house)
  if (!(may instanceof Promise ? await may : may)) throw new Refusal('AUDIT_UNAVAILABLE')
  if (route.operation.answer === 'conversation') {
    story.traffic = { bytesIn: 0, eventsIn: 0, bytesOut: 0, eventsOut: 0 }
    story.sentMs = house.nowMs()
    story.passage = await converse(exchange, route, fields, story.caller, house, story.traffic, () => { story.answeredMs = house.nowMs() })
    return
  }

  const payload = await receiveBody(exchange, fields, bodyLimits(route, house))
  story.bodyBytes = payload.bytes
  const stopSigns = signsOfLife(exchange, route)
  try {
    story.sentMs = house.nowMs()
    const answer = await callAws(exchange, route, fields, payload, house, (why) => story.retries.push(why))
    story.answeredMs = house.nowMs()
    stopSigns()
    payload.release()
    if (house.revoked(story.caller)) {
      answer.message.destroy()
      throw new Refusal('TOKEN_REVOKED')
    }
    story.passage = await relay(answer, exchange, route, fields, story.caller, house.clientIdleMs, house.live)
  } finally {
    stopSigns()
    payload.release()
  }
}

/** Whether the call may go on, as far as it can be written down. */
function mayBegin(exchange: Exchange, route: Route, { beganMs, caller }: Story, { audit }: ProxyDependencies): boolean | Promise<boolean> {
  return audit === undefined || audit.begin({
    time: new Date(beganMs).toISOString(), request_id: exchange.id, user: caller?.user, issuer: caller?.issuer, source: exchange.source,
    operation: route.operation.name, model: route.subject,
  })
}

function belowBase(target: Target, basePath: string): Target {
  if (!target.path.startsWith(`${basePath}/`)) throw new Refusal('UNKNOWN_OPERATION')
  return { path: target.path.slice(basePath.length), query: target.query }
}

function bodyLimits({ operation }: Route, house: ProxyDependencies): BodyLimits {
  // 4/3 for the base64 and a little for the JSON around it: 34,000,000 for 25,000,000.
  const maxBytes = operation.base64Body === true ? Math.ceil(house.maxBodyBytes * 1.36) : house.maxBodyBytes
  return { maxBytes, idleMs: house.clientIdleMs, budget: house.budget }
}

const SIGN_OF_LIFE_MS = 60_000

/** The AWS JS SDK gives up an HTTP/2 session on which nothing comes for 300 s; a long answer that is no stream takes longer. */
function signsOfLife(exchange: Exchange, { operation }: Route): () => void {
  if (exchange.protocol !== '2' || operation.answer === 'eventstream') return () => undefined
  const timer = setInterval(() => exchange.processing(), SIGN_OF_LIFE_MS)
  return () => clearInterval(timer)
}

function refuse(exchange: Exchange, error: unknown, story: Story): void {
  const problem = PROBLEMS[problemCode(error)]
  if (exchange.gone) return
  const openai = story.route?.operation.errors === 'openai'
  const { fields, body } = problemAnswer(problem, exchange.id, { openai, allow: error instanceof Refusal ? error.allow : undefined })
  exchange.answer(problem.status, fields, body)
}

function report(exchange: Exchange, house: ProxyDependencies, story: Story, failure: unknown): void {
  const call = recordOf(exchange, story, failure, house.nowMs())
  house.observe(call)
  // A call that was refused because it could not be written down would only crowd out those that can be.
  if (call.error !== 'AUDIT_UNAVAILABLE') house.audit?.end(call)
  const { time, groups, model, ...rest } = call
  const line = { ...rest, subject: model, detail: detailOf(failure), events_in: story.traffic?.eventsIn, events_out: story.traffic?.eventsOut }
  if (call.error === 'INTERNAL') house.log.error('request', { ...line, stack: failure instanceof Error ? failure.stack : String(failure) })
  else house.log.info('request', line)
}

function recordOf(exchange: Exchange, story: Story, failure: unknown, nowMs: number): CallRecord {
  const { passage, route, caller, traffic, beganMs, sentMs, answeredMs } = story
  const code = failure === undefined ? passage?.failure : problemCode(failure)
  const problem = code === undefined ? undefined : PROBLEMS[code]
  return {
    time: new Date(beganMs).toISOString(), request_id: exchange.id, user: caller?.user, issuer: caller?.issuer, groups: caller?.groups,
    source: exchange.source, method: exchange.method, operation: route?.operation.name, model: route?.subject,
    status: passage?.status ?? problem?.status, failed: problem?.culprit, error: code, retried: story.retries.length > 0 ? story.retries.join(',') : undefined,
    bytes_in: traffic?.bytesIn ?? story.bodyBytes, bytes_out: passage?.bytes ?? 0,
    first_byte_ms: answeredMs === undefined ? undefined : answeredMs - beganMs,
    upstream_ms: answeredMs === undefined ? undefined : answeredMs - (sentMs ?? answeredMs),
    duration_ms: nowMs - beganMs, aws_request_id: passage?.awsRequestId, session_id: story.session,
  }
}

/** What the client is not told. */
function detailOf(failure: unknown): string | undefined {
  if (failure === undefined) return undefined
  if (failure instanceof Refusal) return failure.detail
  if (!(failure instanceof Error)) return undefined
  return failure.cause instanceof Error ? `${failure.message}: ${failure.cause.message}` : failure.message
}

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
  /** Asked every time: a token that was good can be revoked. */
  readonly revoked: (caller: Caller) => boolean
  readonly budget: ByteBudget
  readonly maxBodyBytes: number
  /** Prefix of every path; it ends here. */
  readonly basePath: string
  readonly log: Log
  readonly nowMs: () => number
  /** Whether new requests are turned away, because the process is about to end. */
  readonly closing: () => boolean
}

/** What is known of a request so far; at its end, the line in the log. */
interface Story {
  route?: Route
  caller?: Caller
  passage?: Passage
  traffic?: Traffic
  retries: Retry[]
  bodyBytes: number
}

/** The whole story of one request. It never throws: whatever happens becomes an answer and a line in the log. */
export async function handle(exchange: Exchange, house: ProxyDependencies): Promise<void> {
  const beganMs = house.nowMs()
  const story: Story = { retries: [], bodyBytes: 0 }
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
  report(exchange, house, story, failure, beganMs)
}

async function tell(exchange: Exchange, house: ProxyDependencies, story: Story): Promise<void> {
  const fields = requestFields(exchange.fields, exchange.protocol)
  const route = story.route = findRoute(exchange.method, belowBase(parseTarget(exchange.target), house.basePath))
  const caller = authenticate(fields, house.authenticator, house.nowMs())
  story.caller = caller instanceof Promise ? await caller : caller
  if (house.revoked(story.caller)) throw new Refusal('TOKEN_REVOKED')
  if (house.closing()) throw new Refusal('DRAINING')
  if (exchange.hasBody && route.operation.method === 'GET') throw new Refusal('BODY_NOT_ALLOWED')
  if (route.operation.answer === 'own') {
    story.passage = await house.health.answer(exchange)
    return
  }
  if (route.operation.answer === 'conversation') {
    story.traffic = { bytesIn: 0, eventsIn: 0, bytesOut: 0, eventsOut: 0 }
    story.passage = await converse(exchange, route, fields, story.caller, house, story.traffic)
    return
  }

  const payload = await receiveBody(exchange, fields, bodyLimits(route, house))
  story.bodyBytes = payload.bytes
  const stopSigns = signsOfLife(exchange, route)
  try {
    const answer = await callAws(exchange, route, fields, payload, house, (why) => story.retries.push(why))
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

function report(exchange: Exchange, house: ProxyDependencies, story: Story, failure: unknown, beganMs: number): void {
  const { passage, route, caller, traffic } = story
  const code = failure === undefined ? passage?.failure : problemCode(failure)
  const problem = code === undefined ? undefined : PROBLEMS[code]
  const line = {
    request_id: exchange.id, source: exchange.source, method: exchange.method, operation: route?.operation.name, subject: route?.subject,
    user: caller?.user, issuer: caller?.issuer, status: passage?.status ?? problem?.status, failed: problem?.culprit, error: code,
    detail: detailOf(failure), retried: story.retries.length > 0 ? story.retries.join(',') : undefined,
    bytes_in: traffic?.bytesIn ?? story.bodyBytes, events_in: traffic?.eventsIn, events_out: traffic?.eventsOut, bytes_out: passage?.bytes ?? 0, duration_ms: house.nowMs() - beganMs, aws_request_id: passage?.awsRequestId,
  }
  if (code === 'INTERNAL') house.log.error('request', { ...line, stack: failure instanceof Error ? failure.stack : String(failure) })
  else house.log.info('request', line)
}

/** What the client is not told. */
function detailOf(failure: unknown): string | undefined {
  if (failure === undefined) return undefined
  if (failure instanceof Refusal) return failure.detail
  if (!(failure instanceof Error)) return undefined
  return failure.cause instanceof Error ? `${failure.message}: ${failure.cause.message}` : failure.message
}

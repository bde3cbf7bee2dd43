import type { AuditLog } from '../audit/index.ts'
import type { HostCredentials } from '../credentials/index.ts'
import { belowBase, parseTarget, type RequestFields, requestFields, type Target } from '../http/index.ts'
import type { Authenticator, Caller } from '../identity/index.ts'
import type { Members } from '../json/index.ts'
import type { Limits, Ticket } from '../limits/index.ts'
import type { Models } from '../model/index.ts'
import { type Estimate, estimateTokens, UsageTap } from '../usage/index.ts'
import { admit, NOTHING, priceOf, type Rules, usageOf } from './admit.ts'
import { authenticate } from './authenticate.ts'
import { authorise, isModelInPath, modelOf, scannerFor } from './authorise.ts'
import { type BodyLimits, openBody, receiveBody } from './body.ts'
import type { ByteBudget } from './budget.ts'
import { callAws, type Retry } from './call.ts'
import { canConverse, type ConversationDependencies, converse } from './converse.ts'
import type { Exchange } from './exchange.ts'
import { type Goal, inTurn, judgeAnswer, upstreamField, wayTo } from './failover.ts'
import type { AwsHealth } from './health.ts'
import { whileWanted } from './live.ts'
import { problemAnswer, problemCode, PROBLEMS, Refusal } from './problem.ts'
import type { Profiles } from './profiles.ts'
import { relay } from './relay.ts'
import { intentOf, type Reporter, type Story } from './report.ts'
import { findRoute, type Route, routeTo } from './route.ts'

/** All that the story of a request needs from outside. */
export interface ProxyDependencies extends ConversationDependencies {
  readonly reporter: Reporter
  readonly nowMs: () => number
  /** Where calls are written down; without it they are not. */
  readonly audit: AuditLog | undefined
  readonly authenticator: Authenticator
  readonly health: AwsHealth
  /** Those of the host itself. */
  readonly credentials: HostCredentials
  /** What may be done, and what it costs; they change at a reload. */
  readonly rules: Rules
  readonly models: Models
  readonly profiles: Profiles
  readonly limits: Limits
  readonly budget: ByteBudget
  readonly maxBodyBytes: number
  /** Prefix of every path; it ends here. */
  readonly basePath: string
  /** Whether new requests are turned away, because the process is about to end. */
  readonly closing: () => boolean
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
  const nowMs = house.nowMs()
  try {
    settle(story, failure, house.rules, nowMs)
  } catch (error) {
    failure = error
    story.ticket?.release(nowMs)
  }
  house.reporter.ended(exchange, story, failure, nowMs)
}

async function tell(exchange: Exchange, house: ProxyDependencies, story: Story): Promise<void> {
  const fields = requestFields(exchange.fields, exchange.protocol)
  story.session = fields.get('x-claude-code-session-id')
  const route = story.route = findRoute(exchange.method, below(parseTarget(exchange.target), house.basePath))
  const { operation } = route
  const isWebSocket = exchange.join !== undefined
  if (isWebSocket !== (operation.webSocket === true)) throw new Refusal(isWebSocket ? 'NO_WEBSOCKET' : 'UPGRADE_REQUIRED')
  const authenticated = authenticate(fields, house.authenticator, house.nowMs())
  const caller = story.caller = authenticated instanceof Promise ? await authenticated : authenticated
  if (house.revoked(caller)) throw new Refusal('TOKEN_REVOKED')
  if (house.closing()) throw new Refusal('DRAINING')
  if (house.appearances.refusesMetadata && fields.get('x-amzn-bedrock-request-metadata') !== undefined) throw new Refusal('METADATA_NOT_ALLOWED')
  if (exchange.hasBody && operation.method === 'GET') throw new Refusal('BODY_NOT_ALLOWED')
  if (operation.answer === 'own') {
    story.passage = await house.health.answer(exchange)
    return
  }
  if (isModelInPath(operation)) await permit(exchange, story, route, caller, undefined, house)
  return operation.answer === 'conversation' ? talk(exchange, fields, route, caller, house, story) : call(exchange, fields, route, caller, house, story)
}

async function talk(exchange: Exchange, fields: RequestFields, route: Route, caller: Caller, house: ProxyDependencies, story: Story): Promise<void> {
  if (!canConverse(route, house)) throw new Refusal('MODEL_NOT_ALLOWED')
  const upward = wayUp(story, route, caller, house)
  const goal = goalOf(story, upward, house)
  await admitted(exchange, story, route, caller, { input: 0, output: house.rules.reserveTokens }, house)
  const tap = new UsageTap(200, CONVERSATION)
  story.traffic = { bytesIn: 0, eventsIn: 0, bytesOut: 0, eventsOut: 0, tap }
  story.sentMs = house.nowMs()
  story.passage = await converse(exchange, upward, fields, caller, goal, house, story, () => { story.answeredMs = house.nowMs() })
  if (story.passage.status === 200) story.tap = tap
}

async function call(exchange: Exchange, fields: RequestFields, route: Route, caller: Caller, house: ProxyDependencies, story: Story): Promise<void> {
  const { operation } = route
  const upward = wayUp(story, route, caller, house)
  const known = isModelInPath(operation) ? goalOf(story, upward, house) : undefined
  const scanner = scannerFor(operation, house.rules.areTokensLimited)
  const receive = scanner === undefined && known !== undefined && mayPour(known) ? openBody : receiveBody
  const payload = await receive(exchange, fields, { ...bodyLimits(route, caller, house), scanner })
  const stopSigns = signsOfLife(exchange, route)
  try {
    const members = scanner?.end()
    if (known === undefined) await permit(exchange, story, route, caller, members, house)
    const goal = known ?? goalOf(story, upward, house)
    const estimate = operation.metered === true ? estimateTokens(payload.bytes, members, house.rules.reserveTokens) : NOTHING
    const ticket = await admitted(exchange, story, route, caller, estimate, house)
    const onSend = (again: Retry | undefined) => {
      story.sentMs ??= house.nowMs()
      if (again !== undefined) story.retries.push(again)
    }
    const answer = await whileWanted(exchange, caller, house, (errand) => inTurn(house.upstreams, goal, (upstream) => {
      story.upstream = upstream.name
      return callAws(errand, wayTo(upstream, caller, house), upward, fields, payload, house, onSend)
    }, judgeAnswer, (why) => story.retries.push(why)))
    story.answeredMs = house.nowMs()
    stopSigns()
    payload.answered(answer.status)
    if (operation.metered === true) story.tap = new UsageTap(answer.status, answer.fields)
    const ours = [...ticket.fields(story.answeredMs, operation.errors === 'openai'), ...upstreamField(story.upstream)]
    story.passage = await relay(answer, { exchange, route, fields, caller, ours, idleMs: house.clientIdleMs, live: house.live, tap: story.tap })
  } finally {
    stopSigns()
    story.bodyBytes = payload.received
    payload.release()
  }
}

/** Where a call may go, now that it is known what it asks for. */
function goalOf({ profile, model, session }: Story, route: Route, { upstreams, models }: ProxyDependencies): Goal {
  const called = profile === undefined ? model : models.of(profile)
  return { candidates: upstreams.candidates(route, called, session), model: called }
}

/** Whether AWS needs a body only once, and unsigned: there is no second upstream to want it. */
const mayPour = ({ candidates }: Goal): boolean => candidates.length === 1 && candidates[0]!.apiKey !== undefined

/** What AWS answers a conversation with. */
const CONVERSATION = ['content-type', 'application/vnd.amazon.eventstream']

/** Asks the policy, and notes what it was asked and which rule has answered. */
async function permit(exchange: Exchange, story: Story, route: Route, caller: Caller, members: Members | undefined, house: ProxyDependencies): Promise<void> {
  const { rules, models, profiles } = house
  story.model = modelOf(route, members, models)
  const resolved = story.model === undefined || !rules.doModelsMatter ? story.model : profiles.resolve(story.model, caller)
  story.model = resolved instanceof Promise ? await whileWanted(exchange, caller, house, () => resolved) : resolved
  story.rule = authorise(caller, route.operation, story.model, rules.policy)
}

/** Where the call goes: to the profile that its caller has for the model, where there is one. What was asked for has been decided on. */
function wayUp(story: Story, route: Route, caller: Caller, { appearances }: ProxyDependencies): Route {
  const { operation: { metered, model } } = route
  if (metered !== true || model !== 'label') return route
  story.profile = appearances.profileFor(caller, story.model!)
  return story.profile === undefined ? route : routeTo(route, story.profile)
}

/** Takes what the call may use from its caller's limits, and writes down that it is about to be made. */
async function admitted(exchange: Exchange, story: Story, { operation }: Route, caller: Caller, estimate: Estimate, house: ProxyDependencies): Promise<Ticket> {
  story.estimate = estimate
  const microUsd = priceOf(story.model, { ...estimate, cacheRead: 0, cacheWrite: 0 }, house.rules.prices)
  const admission = admit(house.limits, caller, estimate, microUsd, house.nowMs())
  const ticket = story.ticket = admission instanceof Promise ? await admission : admission
  const intent = house.audit?.begin(() => intentOf(exchange, story, operation))
  if ((intent instanceof Promise ? await intent : intent) === false) throw new Refusal('AUDIT_UNAVAILABLE')
  return ticket
}

function below({ path: whole, query }: Target, basePath: string): Target {
  const path = belowBase(whole, basePath)
  if (path === undefined) throw new Refusal('UNKNOWN_OPERATION')
  return { path, query }
}

function bodyLimits({ operation }: Route, caller: Caller, house: ProxyDependencies): BodyLimits {
  // 4/3 for the base64 and a little for the JSON around it: 34,000,000 for 25,000,000.
  const maxBytes = operation.base64Body === true ? Math.ceil(house.maxBodyBytes * 1.36) : house.maxBodyBytes
  return { maxBytes, idleMs: house.clientIdleMs, budget: house.budget, caller, watch: house }
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
  const { fields, body } = problemAnswer(problem, exchange.id, { openai, ...(error instanceof Refusal && error.more) })
  exchange.answer(problem.status, fields, body)
}

/** Gives back what was taken from the limits, less what was used: on every way out. */
function settle(story: Story, failure: unknown, rules: Rules, nowMs: number): void {
  const { ticket, passage, tap, estimate, route, sentMs } = story
  if (ticket === undefined) return
  const code = failure === undefined ? passage?.failure : problemCode(failure)
  const isMetered = route?.operation.metered === true && estimate !== undefined && sentMs !== undefined
  const usage = isMetered ? usageOf(tap, estimate, code, passage?.bytes ?? 0) : undefined
  if (usage === undefined) return ticket.release(nowMs)
  story.usage = usage
  story.microUsd = priceOf(story.model, usage, rules.prices)
  const { input, output, cacheRead, cacheWrite } = usage
  ticket.settle({ input, output, cacheRead, cacheWrite, microUsd: story.microUsd ?? 0 }, nowMs)
}

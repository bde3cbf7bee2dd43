import type { Credentials, CredentialSource } from '../credentials/index.ts'
import { isSigned, type RequestFields } from '../http/index.ts'
import type { Caller } from '../identity/index.ts'
import type { Glob } from '../model/index.ts'
import { EventSigner, type Pair, type Scope, sign, signatureOf, STREAMING_EVENTS } from '../sigv4/index.ts'
import type { SessionRefusal, SessionRequest } from '../upstream/index.ts'
import type { Appearances } from './appearance.ts'
import { type CallDependencies, currentCredentials, errorType, REFUSED_CLOCK, REFUSED_CREDENTIALS, type Retry, revealed, type Way } from './call.ts'
import { joinSides, type Open } from './conversation.ts'
import type { Exchange } from './exchange.ts'
import { type Goal, inTurn, upstreamField, wayTo } from './failover.ts'
import { type Errand, type Watch, whileWanted } from './live.ts'
import { NativeSide } from './native.ts'
import { Refusal } from './problem.ts'
import { answerFields, fieldOf, type Passage } from './relay.ts'
import type { Story } from './report.ts'
import type { Route } from './route.ts'
import type { Upstreams } from './upstreams.ts'

export interface ConversationDependencies extends CallDependencies, Watch {
  readonly appearances: Appearances
  readonly upstreams: Upstreams
  /** Models that may be spoken with; `*` stands for any characters. */
  readonly conversationModels: readonly Glob[]
  /** How long AWS lets a conversation last. */
  readonly sessionMs: number
  /** How long a client may neither send nor take a byte. */
  readonly clientIdleMs: number
}

/** Whether the model that is asked for may be spoken with. */
export function canConverse({ subject }: Route, { conversationModels }: ConversationDependencies): boolean {
  return conversationModels.some((pattern) => pattern.matches(subject!))
}

/** AWS ends a session itself, with words that clients know; ours is for the one it forgets. */
const GRACE_MS = 30_000

/**
 * Opens a session of AWS and joins the client with it. The request's body is read while the answer is under way: events
 * of either side reach the other the moment they come.
 *
 * @param story - Learns which upstream it is; its traffic counts what goes each way.
 * @param onAnswer - Told when the head of AWS's answer is here.
 * @throws Refusal - `CLIENT_GONE`, `TOKEN_REVOKED`, `DRAINING`, `NO_AWS_CREDENTIALS`, `AWS_ROLE_REFUSED`, `AWS_CREDENTIALS_REFUSED`, and what ends a conversation that has not begun.
 * @throws UpstreamError - for the road.
 */
export async function converse(exchange: Exchange, route: Route, fields: RequestFields, caller: Caller, goal: Goal, house: ConversationDependencies, story: Story, onAnswer: () => void): Promise<Passage> {
  // What the client has said can go to one session only: another upstream is tried as long as there is none.
  const { way, credentials, socket } = await whileWanted(exchange, caller, house, (errand) => inTurn(house.upstreams, goal, (upstream) => {
    story.upstream = upstream.name
    return connected(errand, wayTo(upstream, caller, house), house)
  }, () => undefined, (why) => story.retries.push(why)))
  let attempt = attemptOf({ way, credentials, socket }, route, fields, house)
  const outcome = await joinSides({
    exchange, caller, traffic: story.traffic!, onAnswer, live: house.live, operation: route.operation, ours: upstreamField(story.upstream),
    open: attempt.open,
    async again(refusal) {
      const learnt = await learn(refusal, attempt, house)
      if (learnt === undefined) return undefined
      if (learnt.credentials === undefined) throw new Refusal('AWS_CREDENTIALS_REFUSED', { detail: learnt.type })
      story.retries.push(learnt.why)
      attempt = attemptOf({ way, credentials: learnt.credentials, socket: await house.client.connect(way.endpoints.runtime, 'h2') }, route, fields, house)
      return attempt.open
    },
    join: exchange.join ?? ((talk) => new NativeSide(exchange, talk)),
    timers: { clientIdleMs: house.clientIdleMs, sessionMs: house.sessionMs + GRACE_MS },
  })
  return 'body' in outcome ? passOn(outcome, exchange, attempt, house) : outcome
}

/** A session as it is asked for: how it is opened, and what it was signed with. */
interface Attempt extends Connected {
  readonly signedMs: number
  readonly open: Open
}

type Connected = Awaited<ReturnType<typeof connected>>

function attemptOf(connected: Connected, route: Route, fields: RequestFields, house: ConversationDependencies): Attempt {
  const { way, credentials, socket } = connected
  const signedMs = house.clock.nowMs()
  const request = signedRequest(route, fields, way, credentials, house)
  return { ...connected, signedMs, open: (listener) => house.client.open(socket, way.endpoints.runtime, request, listener) }
}

async function connected(errand: Errand, way: Way, house: ConversationDependencies) {
  const credentials = await lastingCredentials(way.credentials, house)
  errand.check()
  const socket = await house.client.connect(way.endpoints.runtime, 'h2')
  errand.onEnd(() => socket.destroy())
  return { way, credentials, socket }
}

/** A session keeps the credentials that it begins with: they should outlive it. */
async function lastingCredentials(source: CredentialSource, { clock, sessionMs }: ConversationDependencies): Promise<Credentials> {
  const credentials = await currentCredentials(source)
  const { expiresMs = Infinity } = credentials
  if (expiresMs - clock.nowMs() > sessionMs + GRACE_MS) return credentials
  return await source.renew(credentials) ?? credentials
}

/** The request that opens a session; the signature of its head is where the chain of its events begins. */
function signedRequest({ path, query, target }: Route, fields: RequestFields, { endpoints: { runtime: endpoint } }: Way, credentials: Credentials, { clock, keys }: CallDependencies): SessionRequest {
  const scope: Scope = { region: endpoint.region, service: endpoint.signingName }
  const forward: Pair[] = [['content-type', 'application/vnd.amazon.eventstream']]
  for (let i = 0; i < fields.forward.length; i += 2) {
    const name = fields.forward[i]!
    if (name !== 'content-type' && name !== 'accept') forward.push([name, fields.forward[i + 1]!])
  }
  // AWS reads host and :authority as one.
  const headers: Pair[] = [['host', endpoint.host], ...forward.filter(([name]) => isSigned(name))]
  const signing = revealed(credentials)
  const signed = sign({ method: 'POST', path, query, headers, payloadHash: STREAMING_EVENTS }, signing, scope, clock.stamp(), keys)
  const signer = new EventSigner(signatureOf(signed), signing.secretAccessKey, scope, keys)
  return { target, fields: [...forward, ...signed].flat(), signer, nowMs: () => clock.nowMs() }
}

/**
 * Learns from a refusal that is about us, not about the client: for the next session, whoever opens it.
 *
 * @returns What to open it with, without credentials where there are no others; `undefined` where the client is meant.
 */
async function learn({ status, fields, body }: SessionRefusal, { way, credentials, signedMs }: Attempt, { clock }: CallDependencies): Promise<{ type: string; why: Retry; credentials: Credentials | undefined } | undefined> {
  const type = status === 403 ? errorType(fieldOf(fields, 'x-amzn-errortype'), body) : ''
  if (REFUSED_CLOCK.has(type) && clock.learn(fieldOf(fields, 'date'), signedMs)) return { type, why: 'clock', credentials }
  return REFUSED_CLOCK.has(type) || REFUSED_CREDENTIALS.has(type) ? { type, why: 'credentials', credentials: await way.credentials.renew(credentials) } : undefined
}

/** Gives the client AWS's error as it is, unless it is about us: then the client must not take its own token for refused. */
async function passOn(refusal: SessionRefusal, exchange: Exchange, attempt: Attempt, house: CallDependencies): Promise<Passage> {
  const learnt = await learn(refusal, attempt, house)
  if (learnt !== undefined) throw new Refusal('AWS_CREDENTIALS_REFUSED', { detail: learnt.type })
  const { status, fields, body } = refusal
  // Over HTTP/2 it need not say its length; over HTTP/1.1 a client that is still sending would wait for more.
  const others = answerFields(fields).filter((_, i, all) => !/^content-length$/i.test(all[i & ~1]!))
  exchange.answer(status, [...others, 'Content-Length', String(body.length)], body)
  return { status, bytes: body.length, awsRequestId: fieldOf(fields, 'x-amzn-requestid'), failure: undefined }
}

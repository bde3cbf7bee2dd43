import type { IncomingMessage } from 'node:http'
import { type CredentialSource, type Credentials, CredentialsError } from '../credentials/index.ts'
import { isSigned, type RequestFields } from '../http/index.ts'
import type { Secret } from '../secret/index.ts'
import { type Credentials as SigningCredentials, type Scope, sign, type SigningClock, type SigningKeys } from '../sigv4/index.ts'
import { type BodySource, type Call, type Endpoint, type Service, type UpstreamClient, UpstreamError } from '../upstream/index.ts'
import type { Errand } from './live.ts'
import { Refusal } from './problem.ts'
import type { Route } from './route.ts'
import type { Fault } from './upstreams.ts'

/** The head of AWS's answer. Its body is unread, unless it had to be looked at: then `held` is all of it. */
export interface Answer {
  readonly status: number
  /** Flat name, value pairs as they came. */
  readonly fields: readonly string[]
  readonly message: IncomingMessage
  readonly held: Buffer | undefined
}

/** Where a call goes, and as whom. */
export interface Way {
  readonly endpoints: Readonly<Record<Service, Endpoint>>
  readonly credentials: CredentialSource
  /** A Bedrock API key, in place of signatures. */
  readonly apiKey?: Secret | undefined
  /** Value of the header that AWS writes into its invocation log. */
  readonly metadata?: string | undefined
}

/** A body as it is sent: kept in chunks, or poured. */
export interface Sendable {
  readonly bytes: number
  /** Of one that is kept. */
  readonly sha256: string
  readonly chunks: readonly Buffer[]
  readonly source?: BodySource
  /** Why it could not be poured to its end. */
  readonly failure?: Refusal | undefined
}

export interface CallDependencies {
  readonly client: UpstreamClient
  readonly clock: SigningClock
  readonly keys: SigningKeys
}

/** Why a request went out a second time. It may have run twice, so the log says so: after a reset, and where an upstream failed. */
export type Retry = 'reset' | 'credentials' | 'clock' | Fault

/** What AWS says when the fault is in our credentials or clock, not in the request. */
export const REFUSED_CREDENTIALS = new Set(['UnrecognizedClientException', 'ExpiredTokenException', 'InvalidSignatureException', 'IncompleteSignature', 'MissingAuthenticationToken'])
export const REFUSED_CLOCK = new Set(['InvalidSignatureException', 'SignatureDoesNotMatch', 'RequestTimeTooSkewed', 'RequestExpired'])

/**
 * Signs the request, sends it, and repeats it where, and only where, nothing of an answer has come to the client:
 * after a reused connection was reset, after our credentials expired, after our clock was found wrong. Once each.
 * With an API key nothing is signed. A body that is poured goes once.
 *
 * @param errand - Its end ends the call, and there is no other.
 * @param onSend - Told of each time it goes out, and why again.
 * @throws Refusal - `NO_AWS_CREDENTIALS`, `AWS_ROLE_REFUSED`, `AWS_CREDENTIALS_REFUSED`, and why the errand ended.
 * @throws UpstreamError - for the road.
 */
export async function callAws(errand: Errand, way: Way, route: Route, fields: RequestFields, payload: Sendable, house: CallDependencies, onSend: (again: Retry | undefined) => void): Promise<Answer> {
  const found = way.apiKey === undefined ? currentCredentials(way.credentials) : undefined
  let credentials = found instanceof Promise ? await found : found
  const tried: Retry[] = []
  for (let again: Retry | undefined; ; tried.push(again)) {
    const outcome = await attempt(again)
    if (typeof outcome === 'object') return outcome
    again = outcome
  }

  async function attempt(again: Retry | undefined): Promise<Answer | Retry> {
    errand.check()
    const endpoint = way.endpoints[route.operation.service]
    const signedMs = house.clock.nowMs()
    const wire = { method: route.operation.method, target: route.target, fields: wireFields(route, fields, payload, endpoint, way, credentials, house), chunks: payload.chunks, source: payload.source }
    onSend(again)
    const call = house.client.send(endpoint, wire, tried.includes('reset'))
    // Tokens cost money: AWS stops working the moment its connection ends.
    errand.onEnd(call.destroy)
    const message = await answerOf(call)
    if (message === undefined) return 'reset'
    return message.statusCode === 403 || message.statusCode === 401 ? judge(message, signedMs) : { status: message.statusCode!, fields: message.rawHeaders, message, held: undefined }
  }

  /** The answer's head; nothing after a reset that is worth a second try. */
  async function answerOf(call: Call): Promise<IncomingMessage | undefined> {
    try {
      return await call.answer
    } catch (error) {
      errand.check()
      if (payload.failure !== undefined) throw payload.failure
      if (payload.source === undefined && error instanceof UpstreamError && error.code === 'UPSTREAM_RESET' && call.repeatable() && !tried.includes('reset')) return undefined
      throw error
    }
  }

  /** A 401 is about us, and a 403 may be: then the client must not see it, it would take its own token for refused. */
  async function judge(message: IncomingMessage, signedMs: number): Promise<Answer | Retry> {
    const status = message.statusCode!
    const header = message.headers['x-amzn-errortype']
    const held = header === undefined || credentials === undefined ? await smallBody(message) : undefined
    const type = errorType(header, held)
    if (credentials !== undefined && REFUSED_CLOCK.has(type) && !tried.includes('clock') && house.clock.learn(message.headers.date, signedMs)) return retry(message, 'clock')
    if (status === 403 && !REFUSED_CREDENTIALS.has(type) && !REFUSED_CLOCK.has(type) && (credentials !== undefined || !ABOUT_KEY.test(String(held)))) return { status, fields: message.rawHeaders, message, held }
    const renewed = credentials === undefined || tried.includes('credentials') ? undefined : await way.credentials.renew(credentials)
    if (renewed === undefined) {
      message.destroy()
      throw new Refusal('AWS_CREDENTIALS_REFUSED', { detail: type === '' ? `status ${status}` : type })
    }
    credentials = renewed
    return retry(message, 'credentials')
  }
}

/** AWS has no type of error for an API key that it does not take. The names of IAM users, in its other words, have no such space. */
const ABOUT_KEY = /\bAPI Keys?\b|\bbearer token\b/i

function retry(message: IncomingMessage, why: Retry): Retry {
  message.resume()
  return why
}

/** At once, where they are at hand. @throws Refusal - `NO_AWS_CREDENTIALS`, `AWS_ROLE_REFUSED` */
export function currentCredentials(source: CredentialSource): Credentials | Promise<Credentials> {
  try {
    const found = source.get()
    return found instanceof Promise ? found.catch(noCredentials) : found
  } catch (error) {
    return noCredentials(error)
  }
}

function noCredentials(error: unknown): never {
  const isRole = error instanceof CredentialsError && error.code === 'CREDENTIALS_ROLE_REFUSED'
  throw new Refusal(isRole ? 'AWS_ROLE_REFUSED' : 'NO_AWS_CREDENTIALS', { detail: error instanceof Error ? error.message : undefined })
}

function wireFields(route: Route, fields: RequestFields, payload: Sendable, endpoint: Endpoint, { metadata, apiKey }: Way, credentials: Credentials | undefined, { clock, keys }: CallDependencies): string[] {
  const { operation, path, query } = route
  const headers: [string, string][] = [['host', endpoint.host]]
  const wire = ['host', endpoint.host, 'accept-encoding', 'identity']
  if (operation.metadata === true && metadata !== undefined) {
    headers.push(['x-amzn-bedrock-request-metadata', metadata])
    wire.push('x-amzn-bedrock-request-metadata', metadata)
  }
  if (operation.method === 'POST') wire.push('content-length', String(payload.bytes))
  for (let i = 0; i < fields.forward.length; i += 2) {
    const name = fields.forward[i]!
    const value = fields.forward[i + 1]!
    // AWS is asked for its own frames; the view of them as server-sent events is made here.
    if (name === 'accept' && acceptsEventStream(value)) continue
    if (isSigned(name)) headers.push([name, value])
    wire.push(name, value)
  }
  if (credentials === undefined) return [...wire, 'authorization', `Bearer ${apiKey!.reveal()}`]
  const scope: Scope = { region: endpoint.region, service: endpoint.signingName }
  const request = { method: operation.method, path, query, headers, payloadHash: payload.sha256, sendPayloadHash: true }
  for (const [name, value] of sign(request, revealed(credentials), scope, clock.stamp(), keys)) wire.push(name, value)
  return wire
}

/** Credentials as the signer takes them. */
export function revealed({ accessKeyId, secretAccessKey, sessionToken }: Credentials): SigningCredentials {
  return { accessKeyId, secretAccessKey: secretAccessKey.reveal(), sessionToken: sessionToken?.reveal() }
}

/** Whether an Accept header names `text/event-stream`. */
export function acceptsEventStream(accept: string | undefined): boolean {
  return accept !== undefined && /(?:^|,)\s*text\/event-stream\s*(?:;|,|$)/i.test(accept)
}

const MAX_ERROR_BYTES = 65_536

/** The whole body of an error, unless it says that it is large. */
async function smallBody(message: IncomingMessage): Promise<Buffer | undefined> {
  if (Number(message.headers['content-length']) > MAX_ERROR_BYTES) return undefined
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of message as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > MAX_ERROR_BYTES) throw new UpstreamError('UPSTREAM_BAD_ANSWER', 'an error answer is too large')
      chunks.push(chunk)
    }
  } catch (error) {
    throw error instanceof UpstreamError ? error : new UpstreamError('UPSTREAM_BROKE', 'an error answer broke off', error)
  }
  return Buffer.concat(chunks)
}

/** Name of the error, from where the SDKs look for it: the header, else `code` or `__type` of the body; without namespace and URL. */
export function errorType(header: unknown, held: Buffer | undefined): string {
  const named = typeof header === 'string' ? header : bodyErrorType(held)
  return named.split(/[,:]/, 1)[0]!.split('#').at(-1)!.trim()
}

function bodyErrorType(held: Buffer | undefined): string {
  try {
    const body = JSON.parse(held?.toString('utf8') ?? 'null') as Record<string, unknown> | null
    const type = body?.code ?? body?.__type
    return typeof type === 'string' ? type : ''
  } catch {
    return ''
  }
}

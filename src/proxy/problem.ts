import { HttpError, type HttpErrorCode } from '../http/index.ts'
import { UpstreamError, type UpstreamErrorCode } from '../upstream/index.ts'
import { type HandshakeErrorCode, VERSION } from '../websocket/index.ts'

/** Refusals that arise in the story of a request itself. */
export type RefusalCode =
  | 'TOKEN_INVALID'
  | 'TOKEN_EXPIRED'
  | 'TOKEN_REVOKED'
  | 'KEYS_UNAVAILABLE'
  | 'UNKNOWN_OPERATION'
  | 'UNKNOWN_METHOD'
  | 'BODY_TOO_LARGE'
  | 'BODY_NOT_ALLOWED'
  | 'BODY_TIMEOUT'
  | 'BODY_INCOMPLETE'
  | 'BAD_EVENT'
  | 'NO_WEBSOCKET'
  | 'UPGRADE_REQUIRED'
  | 'EXPECTATION_UNKNOWN'
  | 'UNREADABLE'
  | 'HEAD_TIMEOUT'
  | 'MODEL_NOT_ALLOWED'
  | 'TWO_MODELS'
  | 'RATE_LIMITED'
  | 'BUDGET_SPENT'
  | 'LIMITS_UNAVAILABLE'
  | 'SESSION_TOO_LONG'
  | 'METADATA_NOT_ALLOWED'
  | 'NO_UPSTREAM'
  | 'NO_AWS_CREDENTIALS'
  | 'AWS_CREDENTIALS_REFUSED'
  | 'AWS_ROLE_REFUSED'
  | 'OUT_OF_MEMORY_BUDGET'
  | 'AUDIT_UNAVAILABLE'
  | 'DRAINING'
  | 'CLIENT_GONE'
  | 'INTERNAL'

export type ProblemCode = RefusalCode | HttpErrorCode | HandshakeErrorCode | UpstreamErrorCode

/** Who could have done better: it goes into the log with each failure. */
export type Culprit = 'client' | 'proxy' | 'upstream'

export interface Problem {
  readonly status: number
  /** Name of the AWS exception that clients know. */
  readonly type: string
  readonly message: string
  readonly culprit: Culprit
  /** Sent as `x-should-retry: false`: the Anthropic SDKs and Claude Code would go on asking. */
  readonly final?: true
  readonly challenge?: true
  readonly retryAfterS?: number
  /** Further header lines, as flat name, value pairs. */
  readonly fields?: readonly string[]
}

/** What a refusal can say beyond its row in the table. */
export interface RefusalMore {
  /** The methods there are, for `Allow`. */
  readonly allow?: string | undefined
  /** For the log only: it never reaches the client. */
  readonly detail?: string | undefined
  /** The rule of the policy that decided, for log and audit. */
  readonly rule?: string
  /** A sentence for this very case, in place of the one in the table. */
  readonly message?: string
  readonly retryAfterS?: number
  /** Further header lines. */
  readonly fields?: readonly string[]
}

/** Thrown by a step of the story. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: RefusalCode
  readonly more: RefusalMore

  constructor(code: RefusalCode, more: RefusalMore = {}) {
    super(more.message ?? PROBLEMS[code].message)
    this.code = code
    this.more = more
  }
}

const NO_TOKEN = invalidToken('A token of your single sign-on is needed: Authorization: Bearer <token>.')
// One sentence for whatever is wrong with a token: a prober learns nothing. The log says why.
const BAD_TOKEN = invalidToken('The token of your single sign-on was not accepted.')
// boto3 and the AWS JS SDK know this text as AWS's own.
const BAD_LABEL = validation('The provided model identifier is invalid.')
const UNAVAILABLE = unavailable('upstream', 'AWS Bedrock could not be reached.')

/**
 * What each failure looks like to a client: the only place that knows HTTP statuses.
 * Names and statuses are those that the SDKs type, retry or give up on as they should.
 */
export const PROBLEMS: Readonly<Record<ProblemCode, Problem>> = {
  HTTP_NO_TOKEN: NO_TOKEN,
  HTTP_MALFORMED_TOKEN: BAD_TOKEN,
  TOKEN_INVALID: BAD_TOKEN,
  TOKEN_REVOKED: BAD_TOKEN,
  // A client that hears 401 without "final" runs its token helper and comes back.
  TOKEN_EXPIRED: { status: 401, type: 'UnrecognizedClientException', message: BAD_TOKEN.message, culprit: 'client', challenge: true },

  HTTP_BAD_VERSION: validation('The HTTP version is not supported.'),
  HTTP_BAD_TARGET: validation('The request target is malformed.'),
  HTTP_BAD_LABEL: BAD_LABEL,
  HTTP_BAD_QUERY: validation('The query string is malformed.'),
  HTTP_BAD_HOST: validation('The Host header is missing or malformed.'),
  HTTP_BAD_FRAMING: validation('The length of the body cannot be told for certain.'),
  HTTP_BODY_ENCODED: { ...validation('A request body can have no content encoding.'), status: 415 },
  HTTP_BAD_HEADER: validation('A header holds a character that it cannot.'),
  HTTP_DUPLICATE_HEADER: validation('A header that can be given once is given twice.'),
  HTTP_CONNECTION_NAMES: validation('The Connection header names a header that it cannot.'),
  HTTP_TWO_TOKENS: validation('The request carries two different tokens.'),
  HTTP_TOO_MANY_HEADERS: { ...validation('The request has too many or too large headers.'), status: 431 },
  HTTP_LONE_BEARER: validation('Beside the subprotocol "bearer.<token>" the subprotocol "bedrock" must be offered.'),
  WEBSOCKET_METHOD: { status: 405, type: 'UnknownOperationException', message: 'A WebSocket is opened by GET.', culprit: 'client', fields: ['Allow', 'GET'] },
  WEBSOCKET_HTTP_VERSION: validation('A WebSocket is opened on HTTP/1.1.'),
  WEBSOCKET_HOST: validation('The Host header is missing or given twice.'),
  WEBSOCKET_UPGRADE: validation('A connection can be upgraded to "websocket" only.'),
  WEBSOCKET_BODY: validation('A request that opens a WebSocket has no body.'),
  WEBSOCKET_KEY: validation('Sec-WebSocket-Key is not 16 bytes in base64.'),
  WEBSOCKET_NO_VERSION: { ...validation('Sec-WebSocket-Version is missing.'), fields: ['Sec-WebSocket-Version', VERSION] },
  // RFC 6455 §4.4.
  WEBSOCKET_VERSION: { ...validation('Only version 13 of the WebSocket protocol is spoken.'), status: 426, fields: ['Upgrade', 'websocket', 'Sec-WebSocket-Version', VERSION] },
  WEBSOCKET_PROTOCOL: validation('Sec-WebSocket-Protocol is not a list of different tokens.'),
  UNKNOWN_OPERATION: { status: 404, type: 'UnknownOperationException', message: 'There is no such operation.', culprit: 'client' },
  UNKNOWN_METHOD: { status: 405, type: 'UnknownOperationException', message: 'The operation does not know this method.', culprit: 'client' },
  UNREADABLE: validation('The request could not be read.'),
  HEAD_TIMEOUT: { status: 408, type: 'RequestTimeoutException', message: 'The request did not arrive in time.', culprit: 'client' },
  EXPECTATION_UNKNOWN: { ...validation('Only "100-continue" can be expected.'), status: 417 },
  BODY_TOO_LARGE: { ...validation('The request body is too large.'), status: 413 },
  BODY_NOT_ALLOWED: validation('The operation takes no request body.'),
  BODY_INCOMPLETE: validation('The request body ended early.'),
  BAD_EVENT: validation('The request body is not a stream of events.'),
  NO_WEBSOCKET: validation('The operation is not a WebSocket.'),
  // RFC 9110 §15.5.22.
  UPGRADE_REQUIRED: { ...validation('With this method the operation is a WebSocket.'), status: 426, fields: ['Upgrade', 'websocket'] },
  // Any other 403 is tried again for minutes by Claude Code.
  MODEL_NOT_ALLOWED: { status: 403, type: 'AccessDeniedException', message: "You don't have access to the model with the specified model ID.", culprit: 'client', final: true },
  NO_UPSTREAM: BAD_LABEL,
  TWO_MODELS: validation('The request body names a model twice.'),
  RATE_LIMITED: { status: 429, type: 'ThrottlingException', message: 'Too many requests.', culprit: 'client' },
  // No client that was tried repeats this one. 429 and 403 are repeated for minutes.
  BUDGET_SPENT: { status: 400, type: 'ServiceQuotaExceededException', message: 'The budget is used up.', culprit: 'client', final: true },
  METADATA_NOT_ALLOWED: validation('Request metadata is set by the proxy: leave out X-Amzn-Bedrock-Request-Metadata.'),
  BODY_TIMEOUT: { status: 408, type: 'RequestTimeoutException', message: 'The request body did not arrive in time.', culprit: 'client' },
  CLIENT_GONE: { status: 499, type: 'ClientClosedRequest', message: 'The client left.', culprit: 'client' },

  KEYS_UNAVAILABLE: { ...unavailable('proxy', 'Tokens of this issuer cannot be checked at the moment.'), retryAfterS: 5 },
  NO_AWS_CREDENTIALS: unavailable('proxy', 'The proxy has no valid AWS credentials.'),
  AWS_CREDENTIALS_REFUSED: unavailable('proxy', 'AWS did not accept the credentials of the proxy.'),
  AWS_ROLE_REFUSED: unavailable('proxy', 'The proxy could not take on the AWS role that you have.'),
  OUT_OF_MEMORY_BUDGET: { ...unavailable('proxy', 'The proxy holds as many request bodies as it can.'), retryAfterS: 1 },
  AUDIT_UNAVAILABLE: { ...unavailable('proxy', 'Calls cannot be written down at the moment.'), retryAfterS: 5 },
  LIMITS_UNAVAILABLE: { ...unavailable('proxy', 'Limits cannot be counted at the moment.'), retryAfterS: 5 },
  DRAINING: { ...unavailable('proxy', 'The proxy is shutting down.'), retryAfterS: 1 },
  INTERNAL: { status: 500, type: 'InternalServerException', message: 'The proxy failed.', culprit: 'proxy' },

  UPSTREAM_UNREACHABLE: UNAVAILABLE,
  UPSTREAM_CONNECT_TIMEOUT: UNAVAILABLE,
  UPSTREAM_PUBLIC_ADDRESS: { ...UNAVAILABLE, culprit: 'proxy' },
  UPSTREAM_RESET: unavailable('upstream', 'AWS Bedrock closed the connection before it answered.'),
  UPSTREAM_BAD_ANSWER: unavailable('upstream', 'The answer of AWS Bedrock could not be read.'),
  UPSTREAM_BROKE: unavailable('upstream', 'The answer of AWS Bedrock broke off.'),
  // 504 would be repeated by most clients, and every repetition be paid for.
  UPSTREAM_SILENT: modelTimeout('The model did not answer in time.'),
  UPSTREAM_STALLED: modelTimeout('The model stopped answering.'),
  SESSION_TOO_LONG: modelTimeout('The session has reached its longest duration.'),
}

/** The code of whatever was thrown; what nobody foresaw is `INTERNAL`. */
export function problemCode(error: unknown): ProblemCode {
  return error instanceof Refusal || error instanceof HttpError || error instanceof UpstreamError ? error.code : 'INTERNAL'
}

/** Error types of the Anthropic API by status: its SDKs show them. */
const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error', 401: 'authentication_error', 403: 'permission_error', 404: 'not_found_error', 405: 'invalid_request_error',
  408: 'timeout_error', 413: 'request_too_large', 429: 'rate_limit_error', 503: 'overloaded_error',
}

/**
 * A problem as an answer that the AWS, Anthropic and OpenAI SDKs all read well: one JSON shape for the first two.
 *
 * @param requestId - What the client will quote; under the names by which both families of SDKs look for it.
 */
export function problemAnswer(problem: Problem, requestId: string, more: Omit<RefusalMore, 'detail' | 'rule'> & { readonly openai?: boolean } = {}): { fields: string[]; body: Buffer } {
  const { status, type } = problem
  const { message = problem.message, retryAfterS = problem.retryAfterS } = more
  const error = { type: ANTHROPIC_TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error'), message }
  const json = more.openai === true ? { error: { message, type: error.type, code: type, param: null } } : { message, type: 'error', error }
  const body = Buffer.from(JSON.stringify(json))
  const fields = [
    'Content-Type', 'application/json', 'Content-Length', String(body.length),
    'x-amzn-ErrorType', type, 'x-amzn-RequestId', requestId, 'request-id', requestId,
  ]
  if (problem.challenge === true) fields.push('WWW-Authenticate', 'Bearer error="invalid_token"')
  if (problem.final === true) fields.push('x-should-retry', 'false')
  if (retryAfterS !== undefined) fields.push('Retry-After', String(retryAfterS))
  if (more.allow !== undefined) fields.push('Allow', more.allow)
  if (problem.fields !== undefined) fields.push(...problem.fields)
  if (more.fields !== undefined) fields.push(...more.fields)
  return { fields, body }
}

function invalidToken(message: string): Problem {
  return { status: 401, type: 'UnrecognizedClientException', message, culprit: 'client', challenge: true, final: true }
}

function validation(message: string): Problem {
  return { status: 400, type: 'ValidationException', message, culprit: 'client' }
}

function unavailable(culprit: Culprit, message: string): Problem {
  return { status: 503, type: 'ServiceUnavailableException', message, culprit }
}

function modelTimeout(message: string): Problem {
  return { status: 408, type: 'ModelTimeoutException', message, culprit: 'upstream', final: true }
}

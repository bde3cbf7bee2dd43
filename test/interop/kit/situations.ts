import type { Client } from './client.ts'
import type { Program } from './program.ts'
import { beginThen, beginThenFail, keepSilent, refuse, type Script } from './standin.ts'
import type { TOKENS } from './token.ts'
import type { SetupName } from './world.ts'

/** Something that goes wrong, the same for every client. */
export interface Situation {
  readonly asks: 'whole' | 'stream'
  readonly setup?: SetupName
  readonly token?: keyof typeof TOKENS
  /** What stands between the proxy's address and the operation's path. */
  readonly prefix?: string
  readonly model?: string
  readonly promptBytes?: number
  /** What happens to the proxy with each event that the client hears. */
  readonly heard?: (program: Program) => void
  /** What AWS answers. */
  readonly aws?: Script
  /** Status of every answer, and the headers that matter; `null` where there must be none. */
  readonly status: number
  readonly headers?: Readonly<Record<string, string | null>>
  /** The words the client must get to see, with … for a time. */
  readonly message: string
  /** Whether each attempt goes on to AWS. */
  readonly reachesAws?: true
  /** The case of error-matrix.json that is like it. */
  readonly matrix?: string
}

const NO_TOKEN = 'A token of your single sign-on is needed: Authorization: Bearer <token>.'
const BAD_TOKEN = 'The token of your single sign-on was not accepted.'
const REFUSED_KEYS = 'AWS did not accept the credentials of the proxy.'
const IAM = 'User: arn:aws:sts::111122223333:assumed-role/proxy/alice is not authorized to perform: bedrock:InvokeModel'
const BROKE = 'The answer of AWS Bedrock broke off.'

const refusedToken = { status: 401, headers: { 'x-amzn-errortype': 'UnrecognizedClientException', 'www-authenticate': 'Bearer error="invalid_token"', 'x-should-retry': 'false' }, matrix: '401-combined-shape' }
const limited = { status: 429, headers: { 'x-amzn-errortype': 'ThrottlingException', 'x-should-retry': null, 'retry-after': '1' }, message: 'The request does not fit into the limit concurrent: 0 of 1 left, reset at ….' }
const unavailable = { status: 503, headers: { 'x-amzn-errortype': 'ServiceUnavailableException', 'x-should-retry': null }, matrix: '503-ServiceUnavailable' }
const keysRefused = (type: string) => ({ asks: 'whole', ...unavailable, message: REFUSED_KEYS, reachesAws: true, aws: refuse(403, type, 'about the keys of the proxy') }) as const
/** The status was 200, and events have been heard. */
const broken = (aws: Script, message: string) => ({ asks: 'stream', status: 200, aws, message, reachesAws: true }) as const

const table = {
  'no token': { asks: 'whole', token: 'none', ...refusedToken, message: NO_TOKEN },
  'no token, stream': { asks: 'stream', token: 'none', ...refusedToken, message: NO_TOKEN },
  'forged token': { asks: 'whole', token: 'forged', ...refusedToken, message: BAD_TOKEN },
  'expired token': { asks: 'whole', token: 'expired', ...refusedToken, headers: { ...refusedToken.headers, 'x-should-retry': null }, message: BAD_TOKEN },
  'expired token, stream': { asks: 'stream', token: 'expired', ...refusedToken, headers: { ...refusedToken.headers, 'x-should-retry': null }, message: BAD_TOKEN },
  'AWS says AccessDenied': { asks: 'whole', status: 403, message: IAM, reachesAws: true, aws: refuse(403, 'AccessDeniedException', IAM, { capital: true }), matrix: '403-AccessDenied-coral-suffix-capitalMessage' },
  'AWS says Throttling': { asks: 'whole', status: 429, headers: { 'retry-after': '1' }, message: 'Too many requests', reachesAws: true, aws: refuse(429, 'ThrottlingException', 'Too many requests', { headers: { 'Retry-After': '1' } }), matrix: '429-Throttling-retry-after-2' },
  'AWS says Validation': { asks: 'stream', status: 400, message: 'Malformed input request', reachesAws: true, aws: refuse(400, 'ValidationException', 'Malformed input request'), matrix: '400-Validation' },
  'AWS says InternalServer': { asks: 'stream', status: 500, message: 'Internal error', reachesAws: true, aws: refuse(500, 'InternalServerException', 'Internal error'), matrix: '500-InternalServer' },
  'body too large': { asks: 'whole', promptBytes: 25_000_001, status: 413, headers: { 'x-amzn-errortype': 'ValidationException' }, message: 'The request body is too large.', matrix: '413-Validation' },
  'bad model id': { asks: 'whole', model: 'arn%3Aaws%3Abedrock%3Aeu-west-1%3A111122223333%3Aapplication-inference-profile%2Fabc', status: 400, headers: { 'x-amzn-errortype': 'ValidationException' }, message: 'The provided model identifier is invalid.', matrix: '400-Validation' },
  'unknown path': { asks: 'whole', prefix: '/nowhere', status: 404, headers: { 'x-amzn-errortype': 'UnknownOperationException' }, message: 'There is no such operation.', matrix: '404-UnknownOperation' },
  'policy says no': { asks: 'whole', setup: 'forbidding', status: 403, headers: { 'x-amzn-errortype': 'AccessDeniedException', 'x-should-retry': 'false' }, message: "You don't have access to the model with the specified model ID.", matrix: '403-AccessDenied-header' },
  'budget used up': { asks: 'whole', setup: 'spent', status: 400, headers: { 'x-amzn-errortype': 'ServiceQuotaExceededException', 'x-should-retry': 'false' }, message: 'The request does not fit into the limit usd_per_month: 0 of 0 left, reset at ….', matrix: '400-ServiceQuotaExceeded' },
  'rate limited': { asks: 'whole', setup: 'busy', ...limited, matrix: '429-Throttling' },
  'rate limited, stream': { asks: 'stream', setup: 'busy', ...limited, matrix: '429-Throttling' },
  'keys refused: UnrecognizedClient': keysRefused('UnrecognizedClientException'),
  'keys refused: ExpiredToken': keysRefused('ExpiredTokenException'),
  'keys refused: InvalidSignature': keysRefused('InvalidSignatureException'),
  'no keys': { asks: 'whole', setup: 'keyless', ...unavailable, message: 'The proxy has no valid AWS credentials.' },
  'AWS unreachable': { asks: 'whole', setup: 'unreachable', ...unavailable, message: 'AWS Bedrock could not be reached.' },
  'AWS unreachable, stream': { asks: 'stream', setup: 'unreachable', ...unavailable, message: 'AWS Bedrock could not be reached.' },
  'AWS silent': { asks: 'whole', setup: 'hasty', status: 408, headers: { 'x-amzn-errortype': 'ModelTimeoutException', 'x-should-retry': 'false' }, message: 'The model did not answer in time.', reachesAws: true, aws: keepSilent, matrix: '408-ModelTimeout' },
  'AWS silent, stream': { asks: 'stream', setup: 'hasty', status: 408, headers: { 'x-amzn-errortype': 'ModelTimeoutException', 'x-should-retry': 'false' }, message: 'The model did not answer in time.', reachesAws: true, aws: keepSilent, matrix: '408-ModelTimeout' },
  'stream cut between messages': broken(beginThen(3, (response) => response.destroy()), BROKE),
  'stream cut inside a message': broken(beginThen(3, (response, next) => response.write(next.subarray(0, 40), () => response.destroy())), BROKE),
  'stream ends inside a message': broken(beginThen(3, (response, next) => response.end(next.subarray(0, 40))), BROKE),
  'stream falls silent': { ...broken(beginThen(3, () => undefined), 'The model stopped answering.'), setup: 'restless' },
  'AWS ends a stream: throttling': broken(beginThenFail('throttlingException', 'Too many tokens'), 'Too many tokens'),
  'AWS ends a stream: internal': broken(beginThenFail('internalServerException', 'Something broke'), 'Something broke'),
  'shutdown amid a stream': { ...broken(beginThen(3, () => undefined), 'The proxy is shutting down.'), setup: 'brief', heard: (program) => program.terminate() },
} as const satisfies Readonly<Record<string, Situation>>

/** Why a client is not tried in a situation; `undefined` where it is. */
export function whyNot({ asks, promptBytes, model }: Situation, client: Client): string | undefined {
  if (asks === 'stream' && client.stream === undefined) return 'it asks for no streams'
  if (promptBytes !== undefined && !client.sendsBodies) return 'it sends no bodies'
  if (model !== undefined && client.modelInBody === true) return 'its bodies name the model, which is for AWS to judge'
  return undefined
}

export type SituationName = keyof typeof table
export const SITUATIONS: ReadonlyMap<SituationName, Situation> = new Map(Object.entries(table) as [SituationName, Situation][])


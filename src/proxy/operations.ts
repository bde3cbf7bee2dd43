import type { Service } from '../upstream/index.ts'
import { type ProblemCode, PROBLEMS } from './problem.ts'

/**
 * How the answer comes: `whole` at once, an `eventstream`, a `conversation` that begins before the request has ended,
 * or `any` of the first two as the client's body says (the OpenAI and Anthropic surfaces, whose streams are passed on as they are).
 * The `own` one is ours: nothing goes up.
 */
export type AnswerKind = 'whole' | 'eventstream' | 'conversation' | 'any' | 'own'

/** One row of the door: what may be asked, and where it goes. */
export interface Operation {
  readonly name: string
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** `{label}` stands for one label, an ARN with slashes among them; `{label+}` for the rest of the path, slash by slash. */
  readonly path: string
  readonly service: Service
  readonly answer: AnswerKind
  /** Whether the query string goes up. Where AWS binds nothing to it, it stays here: a token may be hidden in it. */
  readonly query?: true
  /** A body of base64, a third larger than what it carries. */
  readonly base64Body?: true
  /** Where the model stands that it runs, or tells of: the label of the path, or a member of the body. */
  readonly model?: 'label' | 'modelId' | 'model'
  /** Whether it uses tokens, and its answer says how many. */
  readonly metered?: true
  /** Whether AWS takes `X-Amzn-Bedrock-Request-Metadata` with it. */
  readonly metadata?: true
  /** Where streams cannot just end. */
  readonly exceptions?: Exceptions
  /** Whether it is a WebSocket here; upstream it is what another row says. */
  readonly webSocket?: true
  /** The path as the upstream knows it, where that differs. */
  readonly upstreamPath?: string
  /** Whose words our own errors speak. */
  readonly errors?: 'openai'
}

/** Members of an operation's output union that a stream ends with when it must not end well. */
interface Exceptions {
  readonly broken: string
  readonly silent: string
  readonly closing: string
}

const INVOKE_EXCEPTIONS = { broken: 'modelStreamErrorException', silent: 'modelTimeoutException', closing: 'serviceUnavailableException' }
// ConverseStreamOutput knows no modelTimeoutException: clients would show an empty error.
const CONVERSE_EXCEPTIONS = { ...INVOKE_EXCEPTIONS, silent: 'modelStreamErrorException' }

/** Every operation that is served, from the service models `bedrock-runtime` 2023-09-30 and `bedrock` 2023-04-20. */
export const OPERATIONS: readonly Operation[] = [
  { name: 'InvokeModel', method: 'POST', path: '/model/{modelId}/invoke', service: 'runtime', answer: 'whole', model: 'label', metered: true, metadata: true },
  { name: 'InvokeModelWithResponseStream', method: 'POST', path: '/model/{modelId}/invoke-with-response-stream', service: 'runtime', answer: 'eventstream', exceptions: INVOKE_EXCEPTIONS, model: 'label', metered: true, metadata: true },
  { name: 'InvokeModelWithBidirectionalStream', method: 'POST', path: '/model/{modelId}/invoke-with-bidirectional-stream', service: 'runtime', answer: 'conversation', exceptions: INVOKE_EXCEPTIONS, model: 'label', metered: true },
  { name: 'InvokeModelWithBidirectionalStream', method: 'GET', path: '/model/{modelId}/invoke-with-bidirectional-stream', service: 'runtime', answer: 'conversation', exceptions: INVOKE_EXCEPTIONS, webSocket: true, model: 'label', metered: true },
  { name: 'Converse', method: 'POST', path: '/model/{modelId}/converse', service: 'runtime', answer: 'whole', model: 'label', metered: true },
  { name: 'ConverseStream', method: 'POST', path: '/model/{modelId}/converse-stream', service: 'runtime', answer: 'eventstream', exceptions: CONVERSE_EXCEPTIONS, model: 'label', metered: true },
  { name: 'CountTokens', method: 'POST', path: '/model/{modelId}/count-tokens', service: 'runtime', answer: 'whole', base64Body: true, model: 'label' },
  { name: 'ApplyGuardrail', method: 'POST', path: '/guardrail/{guardrailIdentifier}/version/{guardrailVersion}/apply', service: 'runtime', answer: 'whole' },
  { name: 'InvokeGuardrailChecks', method: 'POST', path: '/guardrail-checks/invoke', service: 'runtime', answer: 'whole' },
  { name: 'StartAsyncInvoke', method: 'POST', path: '/async-invoke', service: 'runtime', answer: 'whole', model: 'modelId' },
  { name: 'ListAsyncInvokes', method: 'GET', path: '/async-invoke', service: 'runtime', answer: 'whole', query: true },
  { name: 'GetAsyncInvoke', method: 'GET', path: '/async-invoke/{invocationArn}', service: 'runtime', answer: 'whole' },

  { name: 'ListInferenceProfiles', method: 'GET', path: '/inference-profiles', service: 'control', answer: 'whole', query: true },
  { name: 'GetInferenceProfile', method: 'GET', path: '/inference-profiles/{inferenceProfileIdentifier}', service: 'control', answer: 'whole', model: 'label' },
  { name: 'ListFoundationModels', method: 'GET', path: '/foundation-models', service: 'control', answer: 'whole', query: true },
  { name: 'GetFoundationModel', method: 'GET', path: '/foundation-models/{modelIdentifier}', service: 'control', answer: 'whole', model: 'label' },

  { name: 'OpenAI', method: 'POST', path: '/openai/v1/{path+}', service: 'runtime', answer: 'any', query: true, errors: 'openai', model: 'model', metered: true },
  { name: 'OpenAI', method: 'GET', path: '/openai/v1/{path+}', service: 'runtime', answer: 'any', query: true, errors: 'openai' },
  { name: 'Anthropic', method: 'POST', path: '/anthropic/v1/{path+}', service: 'mantle', answer: 'any', query: true, model: 'model', metered: true },
  { name: 'Anthropic', method: 'GET', path: '/anthropic/v1/{path+}', service: 'mantle', answer: 'any', query: true },
  { name: 'Mantle', method: 'POST', path: '/mantle/{path+}', service: 'mantle', answer: 'any', query: true, upstreamPath: '/{path+}', errors: 'openai', model: 'model', metered: true },
  { name: 'Mantle', method: 'GET', path: '/mantle/{path+}', service: 'mantle', answer: 'any', query: true, upstreamPath: '/{path+}', errors: 'openai' },

  { name: 'AwsHealth', method: 'GET', path: '/health/aws', service: 'runtime', answer: 'own' },
]

/** The exception that a stream of this operation ends with after a failure: one that its output union knows. */
export function exceptionType({ exceptions = INVOKE_EXCEPTIONS }: Operation, code: ProblemCode): string {
  if (code === 'DRAINING' || code === 'TOKEN_REVOKED') return exceptions.closing
  if (PROBLEMS[code].culprit === 'client') return 'validationException'
  return PROBLEMS[code].type === 'ModelTimeoutException' ? exceptions.silent : exceptions.broken
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Client, Failure } from './kit/client.ts'
import { converse } from './kit/conversation.ts'
import { Driver, type Identity, showRaised } from './kit/driver.ts'
import { type Expectations, type Expected, interop, UNNOTICED } from './kit/suite.ts'

const GO = { 'bearer': Driver.go('aws-sdk-go', 'bearer'), 'session token': Driver.go('aws-sdk-go', 'session token') } as const

function client(operation: 'invoke' | 'converse', identity: Identity, secure: boolean): Client {
  // It speaks HTTP/2 wherever TLS offers it.
  const name = `${operation}, ${identity}, ${secure ? 'h2 over TLS' : 'HTTP/1.1'}`
  const operations = operation === 'invoke' ? { whole: 'InvokeModel', stream: 'InvokeModelWithResponseStream' } : { whole: 'Converse', stream: 'ConverseStream' }
  return {
    name, secure, sendsBodies: true,
    say: (ask) => GO[identity].ask(name, 'say', ask),
    stream: (ask, heard) => GO[identity].ask(name, 'stream', ask, heard),
    show(error) {
      const shown = showRaised(error)
      return { ...shown, message: shown.message.replace(/RequestID: [0-9a-f-]{36}/, 'RequestID: …') }
    },
    words: (failure) => words(operations[failure.asks], failure),
  }
}

const UNTYPED = 'smithy.GenericAPIError'

function words(operation: string, { status, type, message, error, tries }: Failure): string {
  const attempts = tries > 1 ? ` exceeded maximum number of attempts, ${tries},` : ''
  return `operation error Bedrock Runtime: ${operation},${attempts} https response error StatusCode: ${status}, RequestID: …, ${error === UNTYPED ? 'api error ' : ''}${type}: ${message}`
}

const typed = (type: string, tries = 1): Expected => [`types.${type}`, tries]
const inStream = (type: string, message: string): Expected => [`types.${type}`, 1, `${type}: ${message}`]
const BROKEN_OFF: Expected = ['fmt.wrapError', 1, 'decode event: stream error: stream ID 1; INTERNAL_ERROR; received from peer']
const TAKEN_FOR_WHOLE: Expected = [UNNOTICED, 1, 'smithy-go 1.28.8, internal/eventstream/codec.go, isEOF: io.ErrUnexpectedEOF passes for the end']

const expected = ({ name, secure }: Client): Expectations => ({
  'no token': [UNTYPED, 1],
  'no token, stream': [UNTYPED, 1],
  'forged token': [UNTYPED, 1],
  'expired token': [UNTYPED, 1],
  'expired token, stream': [UNTYPED, 1],
  'AWS says AccessDenied': typed('AccessDeniedException'),
  'AWS says Throttling': typed('ThrottlingException', 3),
  'AWS says Validation': typed('ValidationException'),
  'AWS says InternalServer': typed('InternalServerException', 3),
  'body too large': typed('ValidationException'),
  'bad model id': typed('ValidationException'),
  'unknown path': [UNTYPED, 1],
  'policy says no': typed('AccessDeniedException'),
  'budget used up': typed('ServiceQuotaExceededException'),
  'rate limited': typed('ThrottlingException', 3),
  'rate limited, stream': typed('ThrottlingException', 3),
  'keys refused: UnrecognizedClient': typed('ServiceUnavailableException', 3),
  'keys refused: ExpiredToken': typed('ServiceUnavailableException', 3),
  'keys refused: InvalidSignature': typed('ServiceUnavailableException', 3),
  'no keys': typed('ServiceUnavailableException', 3),
  'AWS unreachable': typed('ServiceUnavailableException', 3),
  'AWS unreachable, stream': typed('ServiceUnavailableException', 3),
  'AWS silent': typed('ModelTimeoutException'),
  'AWS silent, stream': typed('ModelTimeoutException'),
  'stream cut between messages': inStream('ModelStreamErrorException', 'The answer of AWS Bedrock broke off.'),
  'stream cut inside a message': secure ? BROKEN_OFF : TAKEN_FOR_WHOLE,
  'stream ends inside a message': secure ? BROKEN_OFF : TAKEN_FOR_WHOLE,
  // The union of ConverseStream knows no modelTimeoutException.
  'stream falls silent': inStream(name.startsWith('converse') ? 'ModelStreamErrorException' : 'ModelTimeoutException', 'The model stopped answering.'),
  'shutdown amid a stream': inStream('ServiceUnavailableException', 'The proxy is shutting down.'),
  'AWS ends a stream: throttling': inStream('ThrottlingException', 'Too many tokens'),
  'AWS ends a stream: internal': inStream('InternalServerException', 'Something broke'),
})

test('over http:// it sends no bearer at all, and says so', async () => {
  const { error, attempts, model } = await converse(client('converse', 'bearer', false), { name: 'bearer without TLS' })
  assert.equal(attempts.length, 0, model)
  assert.equal(showRaised(error).message, 'operation error Bedrock Runtime: Converse, sign request: sign request: bearer token with HTTP request requires HTTPS')
})

interop('aws-sdk-go-v2', [client('invoke', 'bearer', true), client('invoke', 'session token', false), client('converse', 'bearer', true)], expected)

import type { Client, Failure } from './kit/client.ts'
import { Driver, showRaised } from './kit/driver.ts'
import { type Expectations, type Expected, interop, literally } from './kit/suite.ts'

const python = Driver.python('anthropic_sdk.py', 'bearer')

function client(name: string, secure: boolean): Client {
  return {
    name, secure, sendsBodies: true, show: showRaised, words, matrix: { whole: 'anthropic-python', stream: 'anthropic-python', showsBodies: true },
    say: (ask) => python.ask(name, 'say', ask),
    stream: (ask, heard) => python.ask(name, 'stream', ask, heard),
  }
}

/** It shows the body as Python spells it. */
function words({ status, message }: Failure): RegExp {
  return new RegExp(`^Error code: ${status} - \\{'[Mm]essage': ['"]${literally(message)}['"][,}]`)
}

const inStream = (type: string, message: string): Expected => ['APIStatusError', 1, `{'type': 'error', 'error': {'type': '${type}', 'message': '${message}'}}`]
const BROKEN_OFF: Expected = ['RemoteProtocolError', 1, 'peer closed connection without sending complete message body (incomplete chunked read)']

const EXPECTED: Expectations = {
  'no token': ['AuthenticationError', 1],
  'no token, stream': ['AuthenticationError', 1],
  'forged token': ['AuthenticationError', 1],
  'expired token': ['AuthenticationError', 1],
  'expired token, stream': ['AuthenticationError', 1],
  'AWS says AccessDenied': ['PermissionDeniedError', 1],
  'AWS says Throttling': ['RateLimitError', 3],
  'AWS says Validation': ['BadRequestError', 1],
  'AWS says InternalServer': ['InternalServerError', 3],
  'body too large': ['ContentTooLargeError', 1],
  'bad model id': ['BadRequestError', 1],
  'unknown path': ['NotFoundError', 1],
  'policy says no': ['PermissionDeniedError', 1],
  'budget used up': ['BadRequestError', 1],
  'rate limited': ['RateLimitError', 3],
  'rate limited, stream': ['RateLimitError', 3],
  'keys refused: UnrecognizedClient': ['ServiceUnavailableError', 3],
  'keys refused: ExpiredToken': ['ServiceUnavailableError', 3],
  'keys refused: InvalidSignature': ['ServiceUnavailableError', 3],
  'no keys': ['ServiceUnavailableError', 3],
  'AWS unreachable': ['ServiceUnavailableError', 3],
  'AWS unreachable, stream': ['ServiceUnavailableError', 3],
  // It repeats a 408 unless told not to.
  'AWS silent': ['RequestTimeoutError', 1],
  'AWS silent, stream': ['RequestTimeoutError', 1],
  'stream cut between messages': inStream('modelStreamErrorException', 'The answer of AWS Bedrock broke off.'),
  'stream cut inside a message': BROKEN_OFF,
  'stream ends inside a message': BROKEN_OFF,
  'stream falls silent': inStream('modelTimeoutException', 'The model stopped answering.'),
  'shutdown amid a stream': inStream('serviceUnavailableException', 'The proxy is shutting down.'),
  'AWS ends a stream: throttling': inStream('throttlingException', 'Too many tokens'),
  'AWS ends a stream: internal': inStream('internalServerException', 'Something broke'),
}

interop('anthropic-python, AnthropicBedrock', [client('HTTP/1.1', false), client('HTTP/1.1 over TLS', true)], () => EXPECTED)

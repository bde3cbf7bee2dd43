import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { Agent, fetch } from 'undici'
import type { Client, Failure } from './kit/client.ts'
import { converse } from './kit/conversation.ts'
import { Driver, ENVIRONMENT, type Identity, showRaised } from './kit/driver.ts'
import { TEXT } from './kit/model.ts'
import { PYTHON } from './kit/python.ts'
import { type Expectations, type Expected, interop } from './kit/suite.ts'
import { TOKENS } from './kit/token.ts'
import { certificate, program } from './kit/world.ts'

/** Since 1.44 it sends a bearer over TLS only. Without TLS it can sign, with the token for a session token. */
const BOTO = { 'bearer': Driver.python('boto.py', 'bearer'), 'session token': Driver.python('boto.py', 'session token') } as const
const LANGCHAIN = Driver.python('langchain.py', 'bearer')

/** The retries that it has by itself, and those it had before 1.44. */
const TRIES = { standard: 3, legacy: 5 } as const

function boto(operation: 'invoke' | 'converse', identity: Identity, retries: keyof typeof TRIES): Client {
  const name = `${operation}, ${identity}, ${retries} retries`
  const matrix = operation === 'invoke' ? { matrix: { whole: `boto3 ${retries}` } } : {}
  return { ...client(name, BOTO[identity], operation), secure: identity === 'bearer', ...matrix }
}

function client(name: string, python: Driver, operation: 'invoke' | 'converse'): Client {
  const operations = operation === 'invoke' ? { whole: 'InvokeModel', stream: 'InvokeModelWithResponseStream' } : { whole: 'Converse', stream: 'ConverseStream' }
  return {
    name, secure: true, sendsBodies: true, show: showRaised,
    say: (ask) => python.ask(name, 'say', ask),
    stream: (ask, heard) => python.ask(name, 'stream', ask, heard),
    words: (failure) => words(operations[failure.asks], failure),
  }
}

function words(operation: string, { type, message, tries }: Failure): string {
  return `An error occurred (${type}) when calling the ${operation} operation${tries > 1 ? ` (reached max retries: ${tries - 1})` : ''}: ${message}`
}

const event = (operation: string) => (type: string, message: string): Expected =>
  ['EventStreamError', 1, `An error occurred (${type}) when calling the ${operation} operation: ${message}`]

function expected(tries: number, inStream: ReturnType<typeof event>): Expectations {
  return {
    'no token': ['ClientError', 1],
    'no token, stream': ['ClientError', 1],
    'forged token': ['ClientError', 1],
    'expired token': ['ClientError', 1],
    'expired token, stream': ['ClientError', 1],
    'AWS says AccessDenied': ['AccessDeniedException', 1],
    'AWS says Throttling': ['ThrottlingException', tries],
    'AWS says Validation': ['ValidationException', 1],
    'AWS says InternalServer': ['InternalServerException', tries],
    'body too large': ['ValidationException', 1],
    'bad model id': ['ValidationException', 1],
    'unknown path': ['ClientError', 1],
    'policy says no': ['AccessDeniedException', 1],
    'budget used up': ['ServiceQuotaExceededException', 1],
    'rate limited': ['ThrottlingException', tries],
    'rate limited, stream': ['ThrottlingException', tries],
    'keys refused: UnrecognizedClient': ['ServiceUnavailableException', tries],
    'keys refused: ExpiredToken': ['ServiceUnavailableException', tries],
    'keys refused: InvalidSignature': ['ServiceUnavailableException', tries],
    'no keys': ['ServiceUnavailableException', tries],
    'AWS unreachable': ['ServiceUnavailableException', tries],
    'AWS unreachable, stream': ['ServiceUnavailableException', tries],
    'AWS silent': ['ModelTimeoutException', 1],
    'AWS silent, stream': ['ModelTimeoutException', 1],
    'stream cut between messages': inStream('modelStreamErrorException', 'The answer of AWS Bedrock broke off.'),
    // It takes half a message at the end of an answer for nothing at all: only a broken connection tells it.
    'stream cut inside a message': ['ProtocolError', 1, 'Response ended prematurely'],
    'stream ends inside a message': ['ProtocolError', 1, 'Response ended prematurely'],
    'stream falls silent': inStream('modelTimeoutException', 'The model stopped answering.'),
    'shutdown amid a stream': inStream('serviceUnavailableException', 'The proxy is shutting down.'),
    'AWS ends a stream: throttling': inStream('throttlingException', 'Too many tokens'),
    'AWS ends a stream: internal': inStream('internalServerException', 'Something broke'),
  }
}

test('over http:// it sends no bearer at all, and says so', async () => {
  const { error, attempts, model } = await converse({ ...client('converse', BOTO.bearer, 'converse'), secure: false }, { name: 'bearer without TLS' })
  assert.equal(attempts.length, 0, model)
  assert.equal(showRaised(error).message, 'Invalid endpoint configuration: Bearer authorization requires an HTTPS endpoint.')
})

for (const secure of [false, true]) {
  test(`the lines of /setup for Python work as they are, ${secure ? 'with' : 'without'} TLS`, async () => {
    const { url } = await program('usual', secure)
    const setup = await (await fetch(`${url}/setup`, { dispatcher: new Agent({ connect: { ca: certificate().pem } }) })).text()
    const lines = /^Python, boto3\n\n((?: {4}.*\n)+)/m.exec(setup)![1]!.replace(/^ {4}/gm, '').replace('<token>', TOKENS.good).replace('<model or inference profile>', 'interop.setup')
    const { stdout } = await promisify(execFile)(PYTHON, ['-c', lines], { env: ENVIRONMENT })
    assert.equal(stdout, `${TEXT}\n`)
  })
}

const clients = [boto('invoke', 'bearer', 'standard'), boto('invoke', 'session token', 'legacy'), boto('converse', 'bearer', 'standard'), client('LangChain', LANGCHAIN, 'converse')]
interop('boto3', clients, ({ name }) => name.startsWith('invoke')
  ? expected(name.includes('legacy') ? TRIES.legacy : TRIES.standard, event('InvokeModelWithResponseStream'))
  // The union of ConverseStream knows no modelTimeoutException.
  : { ...expected(TRIES.standard, event('ConverseStream')), 'stream falls silent': event('ConverseStream')('modelStreamErrorException', 'The model stopped answering.') })

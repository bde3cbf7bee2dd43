import assert from 'node:assert/strict'
import { Agent } from 'node:https'
import { test } from 'node:test'
import { BedrockClient, GetFoundationModelCommand, GetInferenceProfileCommand, ListFoundationModelsCommand, ListGuardrailsCommand, ListInferenceProfilesCommand } from '@aws-sdk/client-bedrock'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { awsConfig, awsShow, listen } from './kit/aws.ts'
import type { Ask, Client } from './kit/client.ts'
import { type Expectations, interop } from './kit/suite.ts'
import { TOKENS } from './kit/token.ts'
import { bedrock, program } from './kit/world.ts'

/** What Claude Code and user interfaces ask the control plane through, at the same base URL. */
const control = ({ url, ca, token }: Pick<Ask, 'url' | 'ca' | 'token'>) =>
  new BedrockClient({ ...awsConfig({ url, token }), ...(ca !== undefined && { requestHandler: new NodeHttpHandler({ httpsAgent: new Agent({ ca }) }) }) })

function client(name: string, secure: boolean): Client {
  return {
    name, secure, sendsBodies: false, show: awsShow,
    async say(ask) {
      const client = listen(control(ask), ask.tap)
      const { inferenceProfileName = '' } = await client.send(new GetInferenceProfileCommand({ inferenceProfileIdentifier: ask.model })).finally(() => client.destroy())
      return { text: inferenceProfileName }
    },
  }
}

const EXPECTED: Expectations = {
  'no token': ['UnrecognizedClientException', 1],
  'forged token': ['UnrecognizedClientException', 1],
  'expired token': ['UnrecognizedClientException', 1],
  'AWS says AccessDenied': ['AccessDeniedException', 1],
  'AWS says Throttling': ['ThrottlingException', 3],
  'bad model id': ['ValidationException', 1],
  'unknown path': ['UnknownOperationException', 1],
  'policy says no': ['AccessDeniedException', 1],
  'budget used up': ['ServiceQuotaExceededException', 1],
  'rate limited': ['ThrottlingException', 3],
  'keys refused: UnrecognizedClient': ['ServiceUnavailableException', 3],
  'keys refused: ExpiredToken': ['ServiceUnavailableException', 3],
  'keys refused: InvalidSignature': ['ServiceUnavailableException', 3],
  'no keys': ['ServiceUnavailableException', 3],
  'AWS unreachable': ['ServiceUnavailableException', 3],
  'AWS silent': ['ModelTimeoutException', 1],
}

test('the read operations of the control plane arrive with their queries, in canonical order', async () => {
  const client = control({ url: (await program('usual', false)).url, ca: undefined, token: TOKENS.good })
  const targets = async (ask: () => Promise<unknown>, subject = '') => {
    const before = bedrock.of(subject).length
    await ask()
    return bedrock.of(subject).slice(before).map(({ method, target }) => `${method} ${target}`)
  }
  assert.deepEqual(await targets(() => client.send(new ListInferenceProfilesCommand({ typeEquals: 'SYSTEM_DEFINED', maxResults: 50, nextToken: 'a+b/c==' }))), ['GET /inference-profiles?maxResults=50&nextToken=a%2Bb%2Fc%3D%3D&type=SYSTEM_DEFINED'])
  assert.deepEqual(await targets(() => client.send(new ListFoundationModelsCommand({ byProvider: 'anthropic' }))), ['GET /foundation-models?byProvider=anthropic'])
  assert.deepEqual(await targets(() => client.send(new GetFoundationModelCommand({ modelIdentifier: 'amazon.nova-lite-v1:0' })), 'amazon.nova-lite-v1:0'), ['GET /foundation-models/amazon.nova-lite-v1%3A0'])
  await assert.rejects(client.send(new ListGuardrailsCommand({})), { name: 'UnknownOperationException' })
  client.destroy()
})

interop('@aws-sdk/client-bedrock', [client('HTTP/1.1', false), client('HTTP/1.1 over TLS', true)], () => EXPECTED)

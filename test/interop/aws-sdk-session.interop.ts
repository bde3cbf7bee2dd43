import assert from 'node:assert/strict'
import { Agent } from 'node:https'
import { after, describe, test } from 'node:test'
import { BedrockRuntimeClient, type BedrockRuntimeClientConfig, InvokeModelWithBidirectionalStreamCommand } from '@aws-sdk/client-bedrock-runtime'
import { NodeHttp2Handler, NodeHttpHandler } from '@smithy/node-http-handler'
import { crowd } from './kit/crowd.ts'
import type { Program } from './kit/program.ts'
import { SessionStandIn, type Session } from './kit/session.ts'
import { REGION } from './kit/signature.ts'
import { TOKENS } from './kit/token.ts'
import { bedrock as otherStandIn, certificate, freshProgram } from './kit/world.ts'

const standIn = await SessionStandIn.start()
const MODELS = { BIDIRECTIONAL__MODELS: 'amazon.nova-sonic-*,talk.*' }
const [plain, secure, foreign] = await Promise.all([
  freshProgram({ AWS__ENDPOINT: standIn.url, ...MODELS }, false),
  freshProgram({ AWS__ENDPOINT: standIn.url, ...MODELS }, true),
  freshProgram({ AWS__ENDPOINT: standIn.url, ...MODELS, AWS_SECRET_ACCESS_KEY: 'ofSomebodyElse' }, false),
])
after(async () => {
  standIn.stop()
  await otherStandIn.stop()
  await Promise.all([plain, secure, foreign].map((program) => program.stop()))
})

const NOBODY = { accessKeyId: 'AKIDOFNOBODY', secretAccessKey: 'of nobody' }
/** How a caller gives the token: the SDK signs events with whatever keys it has, and will not start without any. */
const IDENTITIES = {
  'bearer token beside dummy keys': (token: string) => ({ token: { token }, authSchemePreference: ['httpBearerAuth'], credentials: NOBODY }),
  'session token': (token: string) => ({ credentials: { ...NOBODY, sessionToken: token } }),
} as const

const TRANSPORTS = {
  'h2c': { program: plain, handler: () => undefined },
  'h2 over TLS': { program: secure, handler: () => new NodeHttp2Handler({ disableConcurrentStreams: true, nodeHttp2ConnectOptions: { ca: certificate().pem } }) },
  'HTTP/1.1': { program: plain, handler: () => new NodeHttpHandler() },
  'HTTP/1.1 over TLS': { program: secure, handler: () => new NodeHttpHandler({ httpsAgent: new Agent({ ca: certificate().pem }) }) },
} as const

type Transport = keyof typeof TRANSPORTS

function clientOf(transport: Transport, identity: object, program: Program = TRANSPORTS[transport].program): BedrockRuntimeClient {
  const requestHandler = TRANSPORTS[transport].handler()
  return new BedrockRuntimeClient({ region: REGION, endpoint: program.url, ...identity, ...(requestHandler && { requestHandler }) } as BedrockRuntimeClientConfig)
}

const spoken = (event: unknown) => ({ chunk: { bytes: Buffer.from(JSON.stringify(event)) } })
const heardIn = (bytes: Uint8Array | undefined): unknown => JSON.parse(Buffer.from(bytes!).toString())

/** Events that are said one by one, each when it is asked for by `say`. */
class Mouth {
  #queue: unknown[] = []
  #wake: () => void = () => undefined
  #over = false

  say(event: unknown): void {
    this.#queue.push(event)
    this.#wake()
  }

  end(): void {
    this.#over = true
    this.#wake()
  }

  async *events() {
    for (;;) {
      for (const event of this.#queue.splice(0)) yield spoken(event)
      if (this.#over && this.#queue.length === 0) return
      if (this.#queue.length === 0) await new Promise<void>((resolve) => { this.#wake = resolve })
    }
  }
}

const open = async (client: BedrockRuntimeClient, model: string, mouth: Mouth) => {
  const { body } = await client.send(new InvokeModelWithBidirectionalStreamCommand({ modelId: model, body: mouth.events() }))
  return body![Symbol.asyncIterator]()
}

function echo(session: Session): void {
  session.accept()
  session.onEvent = (event) => session.say(event)
  session.ended.then(() => session.stream.end(), () => undefined)
}

for (const transport of Object.keys(TRANSPORTS) as Transport[]) {
  for (const [how, identity] of Object.entries(IDENTITIES)) {
    test(`a whole session, event by event, over ${transport}, with a ${how}`, { timeout: 60_000 }, async () => {
      const model = `talk.${transport.replaceAll(/\W/g, '')}-${how.length}`
      let session!: Session
      standIn.scripts.set(model, (came) => {
        session = came
        echo(came)
      })
      const client = clientOf(transport, identity(TOKENS.good))
      const mouth = new Mouth()
      mouth.say('first')
      const heard = await open(client, model, mouth)
      assert.equal(heardIn((await heard.next()).value?.chunk?.bytes), 'first')
      for (let at = 0; at < 20; at++) {
        mouth.say({ at })
        assert.deepEqual(heardIn((await heard.next()).value?.chunk?.bytes), { at })
      }
      mouth.end()
      assert.equal((await heard.next()).done, true)
      assert.equal(await session.ended, 21)
      const line = await TRANSPORTS[transport].program.line((line) => line.msg === 'request' && line.model === model)
      assert.deepEqual([line.status, line.error, line.events_in, line.events_out], [200, undefined, 21, 21])
      client.destroy()
    })
  }

  describe(`what goes wrong, over ${transport}`, { timeout: 60_000 }, () => {
    const good = IDENTITIES['session token'](TOKENS.good)
    const name = (fault: string): string => `talk.${transport.replaceAll(/\W/g, '')}-${fault}`

    /** The error that the SDK raises before the session or in it. */
    async function raised(model: string, identity: object, script: ((session: Session) => void) | undefined, program?: Program): Promise<[name: string, message: string]> {
      if (script !== undefined) standIn.scripts.set(model, script)
      const client = clientOf(transport, identity, program)
      const mouth = new Mouth()
      mouth.say('first')
      try {
        const heard = await open(client, model, mouth)
        while ((await heard.next()).done !== true);
      } catch (error) {
        const { name, message } = error as Error
        return [name, message]
      } finally {
        mouth.end()
        client.destroy()
      }
      throw new Error('the SDK took the session for complete')
    }

    test('a forged token', async () => {
      const [error] = await raised(name('forged'), IDENTITIES['session token'](TOKENS.forged), undefined)
      assert.equal(error, 'UnrecognizedClientException')
    })
    test('a model that is not for talking', async () => {
      const [error, message] = await raised('anthropic.claude-3-haiku-20240307-v1:0', good, undefined)
      assert.deepEqual([error, message], ['AccessDeniedException', "You don't have access to the model with the specified model ID."])
    })
    if (TRANSPORTS[transport].program === plain) {
      test('keys that AWS refuses', async () => {
        const [error] = await raised(name('keys'), good, echo, foreign)
        assert.equal(error, 'ServiceUnavailableException')
        assert.match(standIn.faults.pop() ?? '', /^the signature is wrong/)
      })
    }
    for (const [what, script, error] of [
      ['AWS says no', (session) => session.refuse(400, 'ValidationException', 'no'), ['ValidationException', 'no']],
      ['AWS throttles amid the session', (session) => {
        session.accept()
        session.say('hi')
        session.except('throttlingException', 'slow down')
        session.stream.end()
      }, ['ThrottlingException', 'slow down']],
      ['AWS breaks off', (session) => {
        session.accept()
        session.say('hi')
        session.onEvent = () => session.stream.session!.destroy()
      }, ['ModelStreamErrorException', 'The answer of AWS Bedrock broke off.']],
      ['AWS is at its limit of time', (session) => {
        session.accept()
        session.say('hi')
        session.except('modelTimeoutException', 'Model has timed out in processing the request. Try your request again.')
        session.stream.end()
      }, ['ModelTimeoutException', 'Model has timed out in processing the request. Try your request again.']],
    ] as const satisfies readonly (readonly [string, (session: Session) => void, readonly [string, string]])[]) {
      test(what, async () => assert.deepEqual(await raised(name(what.replaceAll(/\W/g, '-')), good, script), error))
    }
  })
}

crowd('over h2c', standIn, plain, (model) => {
  const client = clientOf('h2c', IDENTITIES['session token'](TOKENS.good))
  const mouth = new Mouth()
  async function* heard() {
    const events = await open(client, model, mouth)
    for (let came = await events.next(); came.done !== true; came = await events.next()) yield heardIn(came.value.chunk?.bytes)
    client.destroy()
  }
  return { say: (event) => mouth.say(event), end: () => mouth.end(), heard: heard() }
})

for (const transport of ['h2c', 'HTTP/1.1'] as const) {
  test(`a program that is told to end lets a session finish, and ends one that does not, over ${transport}`, { timeout: 60_000 }, async () => {
    const program = await freshProgram({ AWS__ENDPOINT: standIn.url, ...MODELS, SERVER__DRAIN_TIMEOUT: '5s' }, false)
    const talks = await Promise.all(['finishes', 'stays'].map(async (name) => {
      const model = `talk.${transport.replaceAll(/\W/g, '')}-${name}`
      standIn.scripts.set(model, echo)
      const client = clientOf(transport, IDENTITIES['session token'](TOKENS.good), program)
      const mouth = new Mouth()
      mouth.say('first')
      const heard = await open(client, model, mouth)
      assert.equal(heardIn((await heard.next()).value?.chunk?.bytes), 'first')
      return { client, mouth, heard }
    }))
    program.terminate()
    await program.line(({ msg }) => msg === 'draining')
    for (const { mouth, heard } of talks) {
      mouth.say('still here')
      assert.equal(heardIn((await heard.next()).value?.chunk?.bytes), 'still here')
    }
    const [finishes, stays] = talks
    finishes!.mouth.end()
    assert.equal((await finishes!.heard.next()).done, true)
    await assert.rejects(async () => stays!.heard.next(), { name: 'ServiceUnavailableException', message: 'The proxy is shutting down.' })
    for (const { client, mouth } of talks) {
      mouth.end()
      client.destroy()
    }
    assert.equal((await program.line(({ msg }) => msg === 'stopped')).cut, 1)
    await program.stop()
  })
}

test('the stand-in found nothing wrong', () => assert.deepEqual(standIn.faults, []))

import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { EventStreamCodec } from '@smithy/eventstream-codec'
import { browserContext, CHROMIUM } from './kit/chromium.ts'
import { crowd } from './kit/crowd.ts'
import { pageSockets } from './kit/page-socket.ts'
import { SessionStandIn, type Session } from './kit/session.ts'
import { browserTalker, type Talker, wsTalker } from './kit/talker.ts'
import { TOKENS } from './kit/token.ts'
import { bedrock as otherStandIn, certificate, freshProgram } from './kit/world.ts'

const standIn = await SessionStandIn.start()
const SETUP = { AWS__ENDPOINT: standIn.url, BIDIRECTIONAL__MODELS: 'talk.*' }
const [plain, secure, short] = await Promise.all([freshProgram(SETUP, false), freshProgram(SETUP, true), freshProgram({ ...SETUP, SERVER__DRAIN_TIMEOUT: '300ms' }, false)])
after(async () => {
  standIn.stop()
  await otherStandIn.stop()
  await Promise.all([plain, secure, short].map((program) => program.stop()))
})

const codec = new EventStreamCodec((bytes) => Buffer.from(bytes as Uint8Array).toString(), (text) => Buffer.from(text))
const urlOf = (base: string, model: string): string => `${base.replace(/^http/, 'ws')}/model/${model}/invoke-with-bidirectional-stream`
const offered = (token: string): string[] => ['bedrock', `bearer.${token}`]

/** The constructors of `WebSocket` there are, for messages in `ArrayBuffer`s. Node has one of its own since 22. */
const BROWSERS = {
  Node: globalThis.WebSocket === undefined ? undefined : (url: string, protocols: string[]) => Object.assign(new WebSocket(url, protocols), { binaryType: 'arraybuffer' as const }),
  Chromium: CHROMIUM === undefined ? undefined : await pageSockets(await (await browserContext()).newPage()),
}

/** The clients there are, as they show their token. */
const CLIENTS: Readonly<Record<string, ((model: string, token: string, base?: string) => Talker) | undefined>> = {
  'ws, with a header': (model, token, base = plain.url) => wsTalker(urlOf(base, model), { authorization: `Bearer ${token}` }, []),
  'ws, with subprotocols': (model, token, base = plain.url) => wsTalker(urlOf(base, model), {}, offered(token)),
  'ws over TLS': (model, token, base = secure.url) => wsTalker(urlOf(base, model), { authorization: `Bearer ${token}` }, ['bedrock'], certificate().pem),
  'WebSocket of Node': BROWSERS.Node && ((model, token, base = plain.url) => browserTalker(BROWSERS.Node!(urlOf(base, model), offered(token)))),
  'WebSocket of Chromium': BROWSERS.Chromium && ((model, token, base = plain.url) => browserTalker(BROWSERS.Chromium!(urlOf(base, model), offered(token)))),
  'WebSocket of Chromium over TLS': BROWSERS.Chromium && ((model, token, base = secure.url) => browserTalker(BROWSERS.Chromium!(urlOf(base, model), offered(token)))),
}

let models = 0

/** A conversation that AWS has accepted. */
async function begin(client: NonNullable<(typeof CLIENTS)[string]>, base?: string): Promise<{ talker: Talker; session: Session; model: string }> {
  const model = `talk.${++models}`
  const came = new Promise<Session>((resolve) => standIn.scripts.set(model, (session) => {
    session.ended.catch(() => undefined)
    session.accept()
    resolve(session)
  }))
  const talker = base === undefined ? client(model, TOKENS.good) : client(model, TOKENS.good, base)
  await talker.opened
  return { talker, session: await came, model }
}

for (const [name, client] of Object.entries(CLIENTS)) {
  describe(name, { skip: client === undefined && 'not on this machine', timeout: 60_000 }, () => {
    const isBrowser = name.startsWith('WebSocket')

    test('a whole session, event by event', async () => {
      const { talker, session, model } = await begin(client!)
      session.onEvent = (event) => session.say(event)
      void session.ended.then(() => session.stream.end())
      assert.equal(await talker.opened, name === 'ws, with a header' ? '' : 'bedrock')
      for (let at = 0; at < 50; at++) {
        talker.say({ at, text: 'x'.repeat(1000) })
        assert.deepEqual(await talker.heard(at), { at, text: 'x'.repeat(1000) })
      }
      talker.close(1000)
      assert.equal((await talker.closed).code, 1000)
      assert.equal(await session.ended, 50)
      const program = name.endsWith('over TLS') ? secure : plain
      const line = await program.line((line) => line.msg === 'request' && line.model === model)
      assert.deepEqual([line.status, line.error, line.user, line.events_in, line.events_out], [200, undefined, 'alice', 50, 50])
    })

    test('event-stream messages, read and written by AWS\'s own code', async () => {
      const { talker, session } = await begin(client!)
      session.onEvent = (event) => session.say(event)
      const text = (value: string) => ({ type: 'string' as const, value })
      const body = Buffer.from(JSON.stringify({ bytes: Buffer.from('{"at":1}').toString('base64') }))
      talker.send(codec.encode({ headers: { ':event-type': text('chunk'), ':content-type': text('application/json'), ':message-type': text('event') }, body }))
      const { headers, body: said } = codec.decode(await talker.heard(0) as Buffer)
      assert.equal(headers[':event-type']!.value, 'chunk')
      assert.deepEqual(JSON.parse(Buffer.from(said).toString()), { bytes: Buffer.from('{"at":1}').toString('base64') })
      session.stream.end()
      assert.equal((await talker.closed).code, 1000)
    })

    for (const [what, token, model, status] of [
      ['a forged token', TOKENS.forged, 'talk.nobody', 401],
      ['an expired token', TOKENS.expired, 'talk.nobody', 401],
      ['a model that is not for talking', TOKENS.good, 'anthropic.claude-3-haiku-20240307-v1:0', 403],
      ['a session that AWS refuses', TOKENS.good, 'talk.nobody', 400],
    ] as const) {
      test(`${what} opens nothing`, async () => {
        const talker = client!(model, token)
        await assert.rejects(talker.opened, isBrowser ? /not opened/ : new RegExp(`^Error: ${status} \\{.*"message":`))
        if (isBrowser) assert.equal((await talker.closed).code, 1006)
      })
    }

    for (const [what, go, error, code] of [
      ['throttles', (session) => session.except('throttlingException', 'slow down'), { type: 'throttlingException', message: 'slow down' }, 1013],
      ['is at its limit of time', (session) => session.except('modelTimeoutException', 'too long'), { type: 'modelTimeoutException', message: 'too long' }, 4408],
      ['does not like what it hears', (session) => session.except('validationException', 'what?'), { type: 'validationException', message: 'what?' }, 1008],
      ['fails', (session) => session.except('internalServerException', 'sorry'), { type: 'internalServerException', message: 'sorry' }, 1011],
      ['breaks off', (session) => session.stream.destroy(new Error('reset')), { type: 'modelStreamErrorException', message: 'The answer of AWS Bedrock broke off.' }, 1011],
      ['loses its connection', (session) => session.stream.session!.destroy(), { type: 'modelStreamErrorException', message: 'The answer of AWS Bedrock broke off.' }, 1011],
    ] as readonly (readonly [string, (session: Session) => void, object, number])[]) {
      test(`AWS ${what}: its last message, then ${code}`, async () => {
        const { talker, session } = await begin(client!)
        session.say('hi')
        assert.equal(await talker.heard(0), 'hi')
        go(session)
        if (!session.stream.destroyed) session.stream.end()
        assert.deepEqual(await talker.heard(1), { error })
        assert.equal((await talker.closed).code, code)
      })
    }

    test('GOAWAY lets the session go on to its end', async () => {
      const { talker, session } = await begin(client!)
      session.stream.session!.goaway(0)
      session.say('still here')
      assert.equal(await talker.heard(0), 'still here')
      session.stream.end()
      assert.equal((await talker.closed).code, 1000)
    })

    test('a message over the limit: 1009', async () => {
      const { talker, session } = await begin(client!)
      talker.send(JSON.stringify('x'.repeat(1024 * 1024)))
      assert.equal((await talker.closed).code, 1009)
      await assert.rejects(session.ended)
    })

    test('bytes that are no event stream: the error, then 1008', async () => {
      const { talker } = await begin(client!)
      talker.send(Buffer.from('these are not the bytes of an event stream'))
      const { headers } = codec.decode(await talker.heard(0) as Buffer)
      assert.equal(headers[':exception-type']!.value, 'validationException')
      assert.equal((await talker.closed).code, 1008)
    })
  })
}

for (const [name, open] of Object.entries(BROWSERS)) {
  test(`WebSocket of ${name}: a token that is offered alone, or beside what is not "bedrock", opens nothing, as the browser has it`, { skip: open === undefined && 'not on this machine' }, async () => {
    for (const others of [[], ['chat']]) {
      const talker = browserTalker(open!(urlOf(plain.url, 'talk.lone'), [...others, `bearer.${TOKENS.good}`]))
      await assert.rejects(talker.opened, /not opened/)
      assert.equal((await talker.closed).code, 1006)
      await plain.line(({ msg, model, status }) => msg === 'request' && model === 'talk.lone' && status === 400)
    }
  })
}

describe('what only ws can do', { timeout: 60_000 }, () => {
  const open = async () => {
    const { talker, session, model } = await begin(CLIENTS['ws, with a header']!)
    return { talker: talker as ReturnType<typeof wsTalker>, session, model }
  }
  const failureOf = async (model: string) => (await plain.line((line) => line.msg === 'request' && line.model === model)).error

  test('text that is not UTF-8: 1007', async () => {
    const { talker, session, model } = await open()
    talker.client.send(Buffer.from('c328', 'hex'), { binary: false })
    assert.equal((await talker.closed).code, 1007)
    await assert.rejects(session.ended)
    assert.equal(await failureOf(model), 'BAD_EVENT')
  })

  test('compression, which it offers, is not agreed on', async () => {
    const { talker } = await open()
    assert.equal(talker.client.extensions, '')
    talker.close(1000)
  })

  for (const [how, go] of [
    ['vanishes', ({ client }) => client.terminate()],
    ['is reset', ({ client }) => void client._socket.resetAndDestroy()],
    ['ends its half', ({ client }) => void client._socket.end()],
  ] as readonly (readonly [string, (talker: ReturnType<typeof wsTalker>) => void])[]) {
    test(`who ${how} is gone from AWS too`, async () => {
      const { talker, session, model } = await open()
      go(talker)
      await assert.rejects(session.ended)
      assert.equal(await failureOf(model), 'CLIENT_GONE')
    })
  }

  test('a slow reader pauses AWS, and loses nothing', async () => {
    const { talker, session } = await open()
    talker.client.pause()
    let said = 0
    const stuck = new Promise<boolean>((resolve) => {
      const watch = setInterval(() => {
        if (session.stream.writableNeedDrain) return
        patience.refresh()
        while (said < 3000 && session.say({ said: said++, filler: 'x'.repeat(30_000) }));
      }, 10)
      const patience = setTimeout(() => (clearInterval(watch), resolve(true)), 1500)
    })
    await stuck
    assert.ok(said < 3000, 'all of it was taken, by whom?')
    talker.client.resume()
    for (let at = 0; at < said; at++) assert.equal((await talker.heard(at) as { said: number }).said, at)
    session.stream.end()
    assert.equal((await talker.closed).code, 1000)
  })

  test('a program that is told to end lets a session finish', async () => {
    const program = await freshProgram(SETUP, false)
    const { talker, session } = await begin(CLIENTS['ws, with a header']!, program.url)
    program.terminate()
    await program.line(({ msg }) => msg === 'draining')
    session.onEvent = (event) => session.say(event)
    talker.say('still here')
    assert.equal(await talker.heard(0), 'still here')
    talker.close(1000)
    assert.equal(await session.ended, 1)
    session.stream.end()
    assert.equal((await talker.closed).code, 1000)
    assert.equal((await program.line(({ msg }) => msg === 'stopped')).cut, 0)
    await program.stop()
  })

  test('a program that ends says so: 1012', async () => {
    const { talker, session } = await begin(CLIENTS['ws, with a header']!, short.url)
    short.terminate()
    assert.deepEqual(await talker.heard(0), { error: { type: 'serviceUnavailableException', message: 'The proxy is shutting down.' } })
    assert.equal((await talker.closed).code, 1012)
    await assert.rejects(session.ended)
  })
})

crowd('on WebSockets', standIn, plain, (model) => {
  const talker = CLIENTS['ws, with subprotocols']!(model, TOKENS.good)
  async function* heard() {
    for (let at = 0, event; (event = await talker.heard(at)) !== undefined; at++) yield event
    assert.equal((await talker.closed).code, 1000)
  }
  return { say: (event) => void talker.opened.then(() => talker.say(event)), end: () => void talker.opened.then(() => talker.close(1000)), heard: heard() }
})

test('the stand-in found nothing wrong', () => assert.deepEqual(standIn.faults, []))

import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { Authenticator, trustedIssuers } from '../../src/identity/index.ts'
import { codeOf, ecKey, issuerOptions, jwks, privateJwk, TestIssuer, TestWorld, tokenOf } from './kit.ts'

const KEY = ecKey('k1')
const ISSUER = 'https://idp.example'
const LOCAL = ecKey('local')

const remote = (jwksUrl: string) => issuerOptions({ issuer: ISSUER, jwksUrl })
const local = issuerOptions({ issuer: 'https://local.example', jwks: jwks(LOCAL) })

/** An answer with this body. */
const body = (text: string | Buffer, status = 200, headers: Record<string, string> = {}) => (_: IncomingMessage, response: ServerResponse): void => {
  response.writeHead(status, headers).end(text)
}
const set = (...keys: unknown[]): string => JSON.stringify({ keys })
const oct = { kty: 'oct', k: Buffer.alloc(32, 7).toString('base64url') }

type Row = readonly [claim: string, answer: (request: IncomingMessage, response: ServerResponse) => void, code: string]

/** What a key set's host can do wrong. */
const WRONGS: readonly Row[] = [
  ['answers 500', body(jwks(KEY), 500), 'IDENTITY_FETCH_STATUS'],
  ['answers 404', body('', 404), 'IDENTITY_FETCH_STATUS'],
  ['answers 203', body(jwks(KEY), 203), 'IDENTITY_FETCH_STATUS'],
  ['answers 204', body('', 204), 'IDENTITY_FETCH_STATUS'],
  ['sends elsewhere', body(jwks(KEY), 302, { location: '/elsewhere' }), 'IDENTITY_FETCH_STATUS'],
  ['sends elsewhere for ever', body(jwks(KEY), 308, { location: 'http://169.254.169.254/latest' }), 'IDENTITY_FETCH_STATUS'],
  ['compresses its answer', body(gzipSync(jwks(KEY)), 200, { 'content-encoding': 'gzip' }), 'IDENTITY_FETCH_ENCODED'],
  ['says that it compresses its answer', body(jwks(KEY), 200, { 'content-encoding': 'br' }), 'IDENTITY_FETCH_ENCODED'],
  ['hangs up', (request) => request.socket.destroy(), 'IDENTITY_FETCH_FAILED'],
  ['hangs up in the middle', (request, response) => {
    response.writeHead(200, { 'content-length': '5000' })
    response.write('{"keys":', () => request.socket.destroy())
  }, 'IDENTITY_FETCH_FAILED'],
  ['speaks another protocol', (request) => request.socket.end('SSH-2.0-OpenSSH\r\n'), 'IDENTITY_FETCH_FAILED'],
  ['switches protocols', (request) => request.socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n'), 'IDENTITY_FETCH_FAILED'],
  ['sends a byte too many', body(Buffer.alloc(262_145, ' ')), 'IDENTITY_FETCH_TOO_LARGE'],
  ['announces a byte too many', body(Buffer.alloc(262_145, ' '), 200, { 'content-length': '262145' }), 'IDENTITY_FETCH_TOO_LARGE'],
  ['sends a page', body('<html>'), 'JWT_KEYS_MALFORMED'],
  ['sends nothing', body(''), 'JWT_KEYS_MALFORMED'],
  ['sends half a set', body(jwks(KEY).slice(0, -2)), 'JWT_KEYS_MALFORMED'],
  ['sends a set with a name twice', body('{"keys":[],"keys":[]}'), 'JWT_KEYS_MALFORMED'],
  ['sends bytes that are no text', body(Buffer.from([0x7b, 0xff, 0x7d])), 'JWT_KEYS_MALFORMED'],
  ['sends a list', body('[]'), 'JWT_KEYS_MALFORMED'],
  ['sends 10,000 keys', body(set(...Array.from({ length: 10_000 }, () => ({ kty: 'EC' })))), 'JWT_KEYS_TOO_LARGE'],
  ['sends 101 good keys', body(set(...Array.from({ length: 101 }, () => KEY.jwk))), 'JWT_KEYS_TOO_LARGE'],
  ['sends no key', body(set()), 'JWT_KEYS_EMPTY'],
  ['sends a key of an unknown kind', body(set({ kty: 'new' })), 'JWT_KEY_UNUSABLE'],
  ['sends its private key', body(set(KEY.jwk, privateJwk(KEY))), 'JWT_KEY_PRIVATE'],
  ['sends a secret', body(set(oct)), 'IDENTITY_KEYS_UNUSABLE'],
  ['sends a secret beside its keys', body(set(KEY.jwk, oct)), 'JWT_KEYS_MIXED'],
]

for (const [claim, answer, code] of WRONGS) {
  test(`no token of an issuer is accepted whose host at the start ${claim}; other issuers work`, async () => {
    const issuer = await TestIssuer.start(KEY)
    issuer.answer = answer
    const world = new TestWorld()
    const authenticator = new Authenticator(trustedIssuers([remote(issuer.keysUrl), local]), world)
    assert.equal(await codeOf(() => authenticator.authenticate(tokenOf(KEY, { iss: ISSUER }), world.timeMs)), 'IDENTITY_KEYS_UNAVAILABLE')
    await world.idle()
    assert.deepEqual(authenticator.status(), [
      { issuer: ISSUER, keys: 0, ageMs: undefined, error: code },
      { issuer: 'https://local.example', keys: 1 },
    ])
    assert.deepEqual(world.logged('keys not fetched').map(({ error }) => error), [code])
    assert.equal(await codeOf(() => authenticator.authenticate(tokenOf(LOCAL, { iss: 'https://local.example' }), world.timeMs)), 'accepted')
    assert.deepEqual(issuer.asked, ['/keys'])
    authenticator.close()
  })

  test(`the good keys stay in use when their host later ${claim}`, async () => {
    const issuer = await TestIssuer.start(KEY)
    const world = new TestWorld()
    const authenticator = new Authenticator(trustedIssuers([remote(issuer.keysUrl)]), world)
    await world.idle()
    issuer.answer = answer
    world.advance(world.nextMs())
    await world.idle()
    assert.equal(issuer.fetches, 2)
    assert.deepEqual(authenticator.status(), [{ issuer: ISSUER, keys: 1, ageMs: 600_000, error: code }])
    const token = tokenOf(KEY, { iss: ISSUER, exp: world.timeMs / 1000 + 60 })
    assert.ok(!(authenticator.authenticate(token, world.timeMs) instanceof Promise))
    authenticator.close()
  })
}

const SLOW: readonly (readonly [claim: string, answer: (request: IncomingMessage, response: ServerResponse) => void])[] = [
  ['never answers', () => undefined],
  ['begins an answer and says no more', (_, response) => response.writeHead(200).flushHeaders()],
  ['sends a byte at a time', (_, response) => {
    const drip = () => { if (!response.destroyed && response.write(' ')) setImmediate(drip) }
    drip()
  }],
]

for (const [claim, answer] of SLOW) {
  test(`a host that ${claim} is given up after 5 seconds`, async () => {
    const issuer = await TestIssuer.start(KEY)
    const world = new TestWorld()
    const reached = new Promise<void>((resolve) => {
      issuer.answer = (request, response) => {
        answer(request, response)
        resolve()
      }
    })
    const authenticator = new Authenticator(trustedIssuers([remote(issuer.keysUrl)]), world)
    const waiting = codeOf(() => authenticator.authenticate(tokenOf(KEY, { iss: ISSUER }), world.timeMs))
    await reached
    world.advance(4999)
    assert.equal(authenticator.status()[0]?.error, undefined)
    world.advance(1)
    assert.equal(await waiting, 'IDENTITY_KEYS_UNAVAILABLE')
    assert.equal(authenticator.status()[0]?.error, 'IDENTITY_FETCH_TIMEOUT')
    authenticator.close()
  })
}

test('of 100 MB no more is read than the cap and what is on its way', async () => {
  const issuer = await TestIssuer.start(KEY)
  let sent = 0
  issuer.answer = (_, response) => {
    const chunk = Buffer.alloc(65_536, ' ')
    const pour = () => {
      while (!response.destroyed && sent < 100_000_000) {
        sent += chunk.length
        if (!response.write(chunk)) return void response.once('drain', pour)
      }
    }
    pour()
  }
  const world = new TestWorld()
  const authenticator = new Authenticator(trustedIssuers([remote(issuer.keysUrl)]), world)
  await world.idle()
  assert.equal(authenticator.status()[0]?.error, 'IDENTITY_FETCH_TOO_LARGE')
  assert.ok(sent < 50_000_000, `${sent} bytes were sent`)
  authenticator.close()
})

test('a key set of as many bytes and keys as are allowed is taken', async () => {
  const issuer = await TestIssuer.start()
  const text = set(...Array.from({ length: 100 }, (_, n) => ({ ...KEY.jwk, kid: `k${n}` })))
  issuer.jwks = text + ' '.repeat(262_144 - text.length)
  const world = new TestWorld()
  const authenticator = new Authenticator(trustedIssuers([remote(issuer.keysUrl)]), world)
  await world.idle()
  assert.deepEqual(authenticator.status(), [{ issuer: ISSUER, keys: 100, ageMs: 0, error: undefined }])
  authenticator.close()
})

test('the host is asked for JSON as it is, by GET, and told nothing else', async () => {
  const issuer = await TestIssuer.start(KEY)
  let seen: IncomingMessage | undefined
  issuer.answer = (request, response) => {
    seen = request
    response.end(issuer.jwks)
  }
  const world = new TestWorld()
  const authenticator = new Authenticator(trustedIssuers([remote(issuer.keysUrl)]), world)
  await world.idle()
  assert.equal(seen?.method, 'GET')
  assert.deepEqual(seen?.headers, { accept: 'application/json', 'accept-encoding': 'identity', host: new URL(issuer.url).host, connection: 'close' })
  authenticator.close()
})

test('the connection to a host whose answer is not wanted is closed at once', async () => {
  const issuer = await TestIssuer.start(KEY)
  const closed = new Promise<void>((resolve) => {
    issuer.answer = (request, response) => {
      request.socket.once('close', resolve)
      response.writeHead(500).write('and so on')
    }
  })
  const authenticator = new Authenticator(trustedIssuers([remote(issuer.keysUrl)]), new TestWorld())
  await closed
  authenticator.close()
})

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, beforeEach, test } from 'node:test'
import { httpClient } from '../../src/identity/index.ts'
import { Secret } from '../../src/secret/index.ts'
import { type ClientOptions, SsoClient } from '../../src/sso/index.ts'
import { CLIENT_ID, Provider } from '../kit/provider.ts'

const provider = await Provider.start()
after(() => provider.close())
beforeEach(() => provider.repent())

const REDIRECT = 'https://proxy.example.com/sign-in/callback'

/** A client whose clock goes on only while it waits. */
function client(more: Partial<ClientOptions> = {}): SsoClient & { readonly waits: number[] } {
  const waits: number[] = []
  let waitedMs = 0
  const world = {
    ask: httpClient(), random: randomBytes, nowMs: () => Date.now() + waitedMs,
    wait: (ms: number) => {
      waits.push(ms)
      waitedMs += ms
      return Promise.resolve()
    },
  }
  return Object.assign(new SsoClient({ issuer: provider.url, clientId: CLIENT_ID, scopes: ['openid', 'groups'], target: {}, ...more }, world), { waits })
}

async function signIn(by = client()) {
  const { url, transaction } = await by.begin(REDIRECT)
  const back = await provider.signIn(url)
  assert.ok(back.startsWith(`${REDIRECT}?`))
  return by.redeem(back.slice(REDIRECT.length + 1), transaction, REDIRECT)
}

test('a browser is sent to the issuer with PKCE, state and nonce, and what the endpoint has in its query stays', async () => {
  const { url, transaction } = await client({ target: { resource: 'https://bedrock.example.com/' } }).begin(REDIRECT)
  const { searchParams, origin, pathname } = new URL(url)
  assert.equal(origin + pathname, `${provider.url}/authorize`)
  assert.deepEqual(Object.fromEntries(searchParams), {
    tenant: 'a', response_type: 'code', client_id: CLIENT_ID, redirect_uri: REDIRECT, scope: 'openid groups', state: transaction.state, nonce: transaction.nonce,
    code_challenge: createHash('sha256').update(transaction.verifier).digest('base64url'), code_challenge_method: 'S256', resource: 'https://bedrock.example.com/',
  })
  assert.equal(new Set(Object.values(transaction)).size, 3)
  for (const word of Object.values(transaction)) assert.match(word, /^[\w-]{43}$/)
})

test('refresh tokens are asked for with consent', async () => {
  const { url } = await client({ scopes: ['openid', 'offline_access'] }).begin(REDIRECT)
  assert.equal(new URL(url).searchParams.get('prompt'), 'consent')
})

test('a code becomes tokens whose ID token is verified; it is good once', async () => {
  const by = client()
  const { url, transaction } = await by.begin(REDIRECT)
  const query = (await provider.signIn(url)).slice(REDIRECT.length + 1)
  const { claims, accessToken, refreshToken } = await by.redeem(query, transaction, REDIRECT)
  assert.equal(claims!.sub, 'alice')
  assert.ok(accessToken !== '' && refreshToken !== '')
  await assert.rejects(by.redeem(query, transaction, REDIRECT), { code: 'SSO_GRANT_REFUSED', detail: 'invalid_grant' })
})

for (const [how, methods, header] of [
  ['in the header where the issuer says nothing', undefined, true], ['in the header where it takes both', ['client_secret_post', 'client_secret_basic'], true],
  ['in the form where it takes no other', ['client_secret_post'], false],
] as const) {
  test(`a secret goes ${how}, and nowhere else`, async () => {
    provider.description = { token_endpoint_auth_methods_supported: methods }
    provider.idToken = { aud: 'a client' }
    await signIn(client({ clientId: 'a client', clientSecret: new Secret('s:e c/r%') }))
    const { form, authorization } = provider.taken.find(({ path }) => path === '/token')!
    // RFC 6749 section 2.3.1: in the header each is form-encoded first.
    assert.equal(authorization, header ? `Basic ${Buffer.from('a+client:s%3Ae+c%2Fr%25').toString('base64')}` : undefined)
    assert.deepEqual([form.get('client_id'), form.get('client_secret')], header ? [null, null] : ['a client', 's:e c/r%'])
  })
}

test('endpoints that are asked may be at the hosts that are named; browsers go wherever they are sent', async () => {
  const by = (...namedHosts: readonly string[]) => client({ namedHosts })
  provider.description = { authorization_endpoint: 'https://elsewhere.example/authorize' }
  assert.equal(new URL((await by().begin(REDIRECT)).url).host, 'elsewhere.example')
  provider.description = { token_endpoint: 'http://tokens.example:8080/token', jwks_uri: 'http://keys.example:81/jwks' }
  await by('tokens.example:8080', 'keys.example:81').begin(REDIRECT)
  await assert.rejects(by('tokens.example:8080').begin(REDIRECT), { code: 'SSO_DISCOVERY_INCOMPLETE', detail: 'keys.example:81' })
  await assert.rejects(by().beginDevice(), { code: 'SSO_DISCOVERY_INCOMPLETE', detail: 'tokens.example:8080' })
})

const OTHER = { url: 'https://other.example.com' }
const describes = (description: Readonly<Record<string, unknown>>) => () => { provider.description = description }
const idToken = (claims: Readonly<Record<string, unknown>>) => () => { provider.idToken = claims }
const comesBack = (callback: Readonly<Record<string, string | undefined>>) => () => { provider.callback = callback }
const answers = (answer: Readonly<Record<string, unknown>>) => () => { provider.answer = answer }
const pages = (path: string, status: number, body: string, headers = {}) => () => {
  provider.instead = (taken, response) => {
    if (taken.path === path) response.writeHead(status, headers).end(body)
    return taken.path === path
  }
}

const LIES: readonly (readonly [claim: string, lie: () => void, code: string, detail?: string])[] = [
  ['describes itself by another name', describes({ issuer: OTHER.url }), 'SSO_DISCOVERY_MISMATCH'],
  ['has no token endpoint', describes({ token_endpoint: undefined }), 'SSO_DISCOVERY_INCOMPLETE'],
  ['sends browsers to a script', describes({ authorization_endpoint: 'javascript:alert(1)' }), 'SSO_DISCOVERY_INCOMPLETE'],
  ['has a fragment in its endpoint', describes({ authorization_endpoint: 'https://a/#b' }), 'SSO_DISCOVERY_INCOMPLETE'],
  ['takes codes on a plain port of another host', describes({ token_endpoint: 'http://192.0.2.1/token' }), 'SSO_UNREACHABLE', 'IDENTITY_URL_REFUSED'],
  ['describes itself by a page', pages('/.well-known/openid-configuration', 200, '<!doctype html>'), 'SSO_ANSWER_MALFORMED'],
  ['sends elsewhere for its description', pages('/.well-known/openid-configuration', 302, '{}', { location: '/jwks' }), 'SSO_UNREACHABLE', 'status 302'],
  ['sends elsewhere with the code', pages('/token', 307, '{}', { location: 'https://other.example.com/' }), 'SSO_REQUEST_REFUSED', 'something else'],
  ['answers with 1 MB', pages('/token', 200, ' '.repeat(1_000_000)), 'SSO_UNREACHABLE', 'IDENTITY_FETCH_TOO_LARGE'],
  ['answers with a list', pages('/token', 200, '[]'), 'SSO_ANSWER_MALFORMED'],
  ['lets the answer of another sign-in come', comesBack({ state: 'A'.repeat(43) }), 'SSO_STATE_MISMATCH'],
  ['leaves out the state', comesBack({ state: undefined }), 'SSO_STATE_MISMATCH'],
  ['is another issuer that mixes itself in', comesBack({ iss: OTHER.url }), 'SSO_ISSUER_MISMATCH'],
  ['does not name itself though it says it would', comesBack({ iss: undefined }), 'SSO_ISSUER_MISMATCH'],
  ['is another issuer that refuses', comesBack({ iss: OTHER.url, error: 'access_denied' }), 'SSO_ISSUER_MISMATCH'],
  ['says no', comesBack({ code: undefined, error: 'access_denied' }), 'SSO_DENIED', 'access_denied'],
  ['says no by a script', comesBack({ error: '<script>\u001b[2J' }), 'SSO_DENIED', 'something else'],
  ['gives no code', comesBack({ code: undefined }), 'SSO_CALLBACK_MALFORMED'],
  ['takes a code from somebody else', comesBack({ code: 'stolen' }), 'SSO_GRANT_REFUSED', 'invalid_grant'],
  ['does not know the client', () => { provider.errors = ['invalid_client'] }, 'SSO_REQUEST_REFUSED', 'invalid_client'],
  ['gives no access token', answers({ access_token: undefined }), 'SSO_ANSWER_MALFORMED'],
  ['gives a token of a type that nobody knows', answers({ token_type: 'mac' }), 'SSO_ANSWER_MALFORMED'],
  ['gives a token that ends a line', answers({ access_token: 'a\r\nb' }), 'SSO_ANSWER_MALFORMED'],
  ['gives no ID token', answers({ id_token: undefined }), 'SSO_ID_TOKEN_INVALID', 'is openid among the scopes?'],
  ['gives an ID token of another issuer', idToken({ iss: OTHER.url }), 'SSO_ID_TOKEN_INVALID', 'JWT_ISSUER_MISMATCH: "iss" is not the issuer'],
  ['gives an ID token for another client', idToken({ aud: 'other' }), 'SSO_ID_TOKEN_INVALID', 'JWT_AUDIENCE_MISMATCH: "aud" does not name this audience'],
  ['gives one for several clients that does not say which', idToken({ aud: [CLIENT_ID, 'other'] }), 'SSO_ID_TOKEN_INVALID', '"azp" is not the client'],
  ['gives one to another party', idToken({ azp: 'other' }), 'SSO_ID_TOKEN_INVALID', '"azp" is not the client'],
  ['gives one of another sign-in', idToken({ nonce: 'other' }), 'SSO_ID_TOKEN_INVALID', '"nonce" is not that of the sign-in'],
  ['gives one of no sign-in', idToken({ nonce: undefined }), 'SSO_ID_TOKEN_INVALID', '"nonce" is not that of the sign-in'],
  ['gives one that has expired', idToken({ iat: 1, exp: 2 }), 'SSO_ID_TOKEN_INVALID', 'JWT_EXPIRED: "exp" is in the past'],
  ['gives one of nobody', idToken({ sub: undefined }), 'SSO_ID_TOKEN_INVALID', 'JWT_CLAIM_MISSING: a required claim is missing'],
  ['gives one without a signature', () => { provider.idTokenHeader = { alg: 'none' } }, 'SSO_ID_TOKEN_INVALID', 'JWT_ALG_REFUSED: "alg" is not an algorithm that is allowed'],
  ['gives one signed by a secret', () => { provider.idTokenHeader = { alg: 'HS256' } }, 'SSO_ID_TOKEN_INVALID', 'JWT_ALG_REFUSED: "alg" is not an algorithm that is allowed'],
  ['gives one that was changed', () => { provider.idTokenHeader = { typ: 'at+jwt' } }, 'SSO_ID_TOKEN_INVALID', 'JWT_SIGNATURE_INVALID: the signature does not verify'],
  ['publishes no keys', pages('/jwks', 200, '{"keys":[]}'), 'SSO_ID_TOKEN_INVALID', 'JWT_KEYS_EMPTY: the JWK set holds no key'],
]

for (const [claim, lie, code, detail] of LIES) {
  test(`nobody is signed in by an issuer that ${claim}: ${code}`, async () => {
    lie()
    await assert.rejects(signIn(), { name: 'SsoError', code, detail })
  })
}

test('a parameter that comes back twice is refused, and so is an answer for the verifier of another sign-in', async () => {
  const by = client()
  const [a, b] = [await by.begin(REDIRECT), await by.begin(REDIRECT)]
  const query = (await provider.signIn(a.url)).slice(REDIRECT.length + 1)
  await assert.rejects(by.redeem(`${query}&code=x`, a.transaction, REDIRECT), { code: 'SSO_CALLBACK_MALFORMED' })
  await assert.rejects(by.redeem(query, b.transaction, REDIRECT), { code: 'SSO_STATE_MISMATCH' })
  await assert.rejects(by.redeem(query, { ...a.transaction, verifier: b.transaction.verifier }, REDIRECT), { code: 'SSO_GRANT_REFUSED' })
})

test('an issuer that never answers is given up', { timeout: 30_000 }, async () => {
  provider.instead = () => true
  await assert.rejects(client().begin(REDIRECT), { code: 'SSO_UNREACHABLE', detail: 'IDENTITY_FETCH_TIMEOUT' })
})

test('an issuer is asked once for what it says of itself, and again when it failed', async () => {
  const by = client()
  provider.instead = (_, response) => (response.writeHead(503).end('{}'), true)
  await assert.rejects(Promise.all([by.begin(REDIRECT), by.begin(REDIRECT)]), { code: 'SSO_UNREACHABLE' })
  provider.instead = () => false
  await Promise.all([by.begin(REDIRECT), by.begin(REDIRECT)])
  await by.begin(REDIRECT)
  assert.equal(provider.taken.length, 2)
})

test('a refresh gives new tokens of the same person, and keeps the old refresh token where there is no new one', async () => {
  const by = client()
  const first = await signIn(by)
  const second = await by.refresh(first.refreshToken!, 'alice')
  assert.equal(second.claims!.sub, 'alice')
  assert.notEqual(second.refreshToken, first.refreshToken)
  await assert.rejects(by.refresh(first.refreshToken!, 'alice'), { code: 'SSO_GRANT_REFUSED' })
  provider.answer = { refresh_token: undefined, id_token: undefined }
  const third = await by.refresh(second.refreshToken!, 'alice')
  assert.deepEqual([third.refreshToken, third.claims, third.idToken], [second.refreshToken, undefined, undefined])
})

test('a refresh that comes back with somebody else is refused', async () => {
  const by = client()
  const { refreshToken } = await signIn(by)
  provider.claims = { sub: 'mallory' }
  await assert.rejects(by.refresh(refreshToken!, 'alice'), { code: 'SSO_ID_TOKEN_INVALID', detail: '"sub" is somebody else' })
})

test('a device waits as it is told to: longer after slow_down, twice as long where the way is in trouble', async () => {
  const by = client()
  provider.answer = { interval: 2 }
  const code = await by.beginDevice()
  assert.deepEqual([code.userCode, code.verificationUrl], ['ABCD-EFGH', `${provider.url}/activate`])
  provider.answer = {}
  provider.errors = ['authorization_pending', 'slow_down', 'authorization_pending']
  let failed = 0
  provider.instead = ({ path }, response) => {
    if (path !== '/token' || provider.errors.length > 0 || failed++ > 0) return false
    response.destroy()
    return true
  }
  const { claims } = await by.awaitDevice(code)
  assert.equal(claims!.sub, 'alice')
  assert.deepEqual(by.waits, [2000, 2000, 7000, 7000, 14_000])
})

test('a device gives up when its code has expired, by its own clock or by the word of the issuer, and when the person says no', async () => {
  const by = client()
  const code = await by.beginDevice()
  provider.errors = Array.from({ length: 100 }, () => 'authorization_pending')
  await assert.rejects(by.awaitDevice(code), { code: 'SSO_TIMED_OUT' })
  assert.equal(by.waits.length, 11)
  for (const [error, expected] of [['expired_token', 'SSO_TIMED_OUT'], ['access_denied', 'SSO_DENIED'], ['invalid_client', 'SSO_REQUEST_REFUSED'], ['invalid_grant', 'SSO_GRANT_REFUSED']] as const) {
    const again = client()
    const fresh = await again.beginDevice()
    provider.errors = [error]
    await assert.rejects(again.awaitDevice(fresh), { code: expected })
  }
})

for (const [claim, answer] of [
  ['steers the terminal', { user_code: '\u001b[2J' }], ['names a script', { verification_uri: 'javascript:alert(1)' }], ['names a script with the code', { verification_uri_complete: 'file:///x' }],
  ['is never asked for', { interval: 1e9 }], ['lives no time', { expires_in: 0 }], ['is none', { device_code: undefined }],
] as const) {
  test(`a code for devices that ${claim} is refused`, async () => {
    provider.answer = answer
    await assert.rejects(client().beginDevice(), { code: 'SSO_ANSWER_MALFORMED' })
  })
}

test('an issuer without a flow for devices says so', async () => {
  provider.description = { device_authorization_endpoint: undefined }
  await assert.rejects(client().beginDevice(), { code: 'SSO_NO_DEVICE_FLOW' })
})

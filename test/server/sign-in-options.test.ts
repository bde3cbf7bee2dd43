import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Browser } from '../kit/browser.ts'
import { ask } from '../kit/client.ts'
import { CLIENT_ID, Provider } from '../kit/provider.ts'
import { startProxy, type TestProxy } from '../kit/proxy.ts'
import { BASE, bedrock, main, provider, proxies, proxyWith, said, signedIn, signIn, SSO, textOf, tokenIn } from './people.ts'

const folder = mkdtempSync(join(tmpdir(), 'sign-in-'))
after(() => rmSync(folder, { recursive: true }))

test('sso.groups_allowed: only its members sign in', async () => {
  const proxy = await proxyWith({ SSO__GROUPS_ALLOWED: 'finance,engineering' })
  await signedIn(proxy)
  provider.claims = { sub: 'mallory', groups: ['interns'] }
  const browser = new Browser(proxy.port)
  const page = await signIn(browser)
  assert.equal(page.status, 403)
  assert.ok(said(page).includes('none of the groups'))
  assert.equal(browser.cookies.size, 0)
})

test('sso.token: the ID token or the access token is what a person takes along', async () => {
  const audienceOf = async (proxy: TestProxy) => {
    const token = tokenIn(await (await signedIn(proxy)).go('/'))
    return (JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { aud: unknown }).aud
  }
  assert.equal(await audienceOf(main), CLIENT_ID)
  assert.equal(await audienceOf(await proxyWith({ SSO__TOKEN: 'access' })), 'bedrock')
})

test('a token that this proxy does not accept signs nobody in, and the log says why', async () => {
  const proxy = await proxyWith({ JWT__AUDIENCE: 'somebody-else' })
  const line = proxy.nextLine(({ msg }) => msg === 'sign-in refused')
  assert.equal((await signIn(new Browser(proxy.port))).status, 403)
  const { error, detail } = await line
  assert.deepEqual([error, detail], ['JWT_AUDIENCE_MISMATCH', `aud "${CLIENT_ID}" not in ["somebody-else"]`])
})

test('a token that has been revoked since opens no page any more', async () => {
  const file = join(folder, 'revoked.yaml')
  writeFileSync(file, '')
  const proxy = await proxyWith({ JWT__REVOCATION_FILE: file })
  const browser = await signedIn(proxy)
  const taken = proxy.nextLine(({ msg }) => msg === 'revocations')
  writeFileSync(file, '- { user: alice }\n')
  await taken
  const page = await browser.go('/')
  assert.deepEqual([page.status, browser.cookies.size], [403, 0])
})

test('the page tells the rules that are for the person, and what holds besides', async () => {
  const file = join(folder, 'config.json')
  const rules = [
    { groups: ['engineering'], models: ['anthropic.claude-*'], geographies: ['eu'], effect: 'allow' }, { groups: ['finance'], models: ['amazon.nova-*'], effect: 'allow' },
    { users: ['alice'], operations: ['CountTokens'], effect: 'deny' },
  ]
  writeFileSync(file, JSON.stringify({ policy: { rules } }))
  const page = said(await (await signedIn(await proxyWith({ BEDROCK_SSO_PROXY_CONFIG: file }))).go('/'))
  assert.ok(page.includes('allow anthropic.claude-* eu all deny all all CountTokens deny all others'), page)
  assert.ok(!page.includes('nova'))
})

test('the page tells the limits of the person, and what is left of days and months', async () => {
  const proxy = await proxyWith({ LIMITS__DEFAULT__TOKENS_PER_DAY: '10000', LIMITS__DEFAULT__USD_PER_MONTH: '2.5', LIMITS__DEFAULT__REQUESTS_PER_MINUTE: '60' })
  const browser = await signedIn(proxy)
  const token = tokenIn(await browser.go('/'))
  const called = proxy.nextRequestLine()
  bedrock.script = (_seen, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ usage: { inputTokens: 1200, outputTokens: 34, totalTokens: 1234 } }))
  await ask('HTTP/1.1', proxy.port, '/model/x/converse', { headers: { authorization: `Bearer ${token}` }, body: '{}' })
  await called
  const page = said(await browser.go('/'))
  for (const row of ['Tokens a day 10,000 8,766 again in full 2', 'US dollars a month 2.50 2.50 again in full 2', 'Requests a minute 60 ']) assert.ok(page.includes(row), row)
})

test('a sign-in that comes to nothing ends with a page that says so, and a line that says why', async () => {
  for (const [lie, status, code] of [
    [() => { provider.callback = { error: 'access_denied' } }, 403, 'SSO_DENIED'], [() => { provider.callback = { iss: 'https://other.example.com' } }, 400, 'SSO_ISSUER_MISMATCH'],
    [() => { provider.idToken = { nonce: 'x' } }, 502, 'SSO_ID_TOKEN_INVALID'], [() => { provider.errors = ['invalid_client'] }, 502, 'SSO_REQUEST_REFUSED'],
  ] as const) {
    provider.repent()
    lie()
    const line = main.nextLine(({ msg }) => msg === 'sign-in refused')
    const browser = new Browser(main.port)
    const page = await signIn(browser)
    assert.deepEqual([page.status, (await line).error, browser.cookies.size], [status, code, status < 500 ? 0 : 1])
    assert.ok(said(page).includes('You are not signed in'))
  }
})

test('an issuer that cannot be reached is a page, not a silence', async () => {
  const gone = await Provider.start()
  const proxy = await proxyWith({ JWT__ISSUER: gone.url, SSO__ISSUER: gone.url })
  gone.close()
  assert.equal((await new Browser(proxy.port).go('/sign-in')).status, 502)
})

test('without an issuer there is no sign-in: / points to /setup, and nothing is told to login', async () => {
  const proxy = await startProxy(bedrock)
  proxies.push(proxy)
  const home = await ask('HTTP/1.1', proxy.port, '/', { method: 'GET' })
  assert.deepEqual([home.status, home.headers['content-type'], textOf(home)], [200, 'text/plain; charset=utf-8', `This is a proxy for AWS Bedrock. How clients are set up: http://127.0.0.1:${proxy.port}/setup\n`])
  for (const path of ['/sign-in', '/sign-in/callback', '/sign-out', '/.well-known/bedrock-sso-proxy']) assert.equal((await ask('HTTP/1.1', proxy.port, path, { method: 'GET' })).status, 404, path)
})

test('login is told what it needs, and no secret: sso.login_client_id, sso.scopes, sso.token, sso.resource, sso.audience', async () => {
  const facts = async (more: Readonly<Record<string, string>>) => {
    const got = await ask('HTTP/1.1', (await proxyWith(more)).port, '/.well-known/bedrock-sso-proxy', { method: 'GET' })
    return got.status === 200 ? JSON.parse(textOf(got)) as unknown : got.status
  }
  const scopes = ['openid', 'profile', 'email', 'offline_access']
  assert.equal(await facts({}), 404, 'a client with a secret is none for login')
  assert.deepEqual(await facts({ SSO__LOGIN_CLIENT_ID: 'cli' }), { issuer: provider.url, client_id: 'cli', scopes, token: 'id' })
  assert.deepEqual(await facts({ SSO__CLIENT_SECRET: '', SSO__TOKEN: 'access', SSO__RESOURCE: 'urn:bedrock', SSO__AUDIENCE: 'b', SSO__SCOPES: 'openid' }),
    { issuer: provider.url, client_id: CLIENT_ID, scopes: ['openid'], token: 'access', resource: 'urn:bedrock', audience: 'b' })
})

test('the pages ask for what the options say, and for nothing that outlives the token', async () => {
  const proxy = await proxyWith({ SSO__SCOPES: 'openid,groups,offline_access', SSO__RESOURCE: 'urn:bedrock', SSO__AUDIENCE: 'b' })
  await signedIn(proxy)
  const { query } = provider.taken.find(({ path }) => path === '/authorize')!
  assert.deepEqual([query.get('scope'), query.get('resource'), query.get('audience'), query.get('prompt')], ['openid groups', 'urn:bedrock', 'b', null])
  const { form, authorization } = provider.taken.find(({ path }) => path === '/token')!
  assert.equal(authorization, `Basic ${Buffer.from(`${CLIENT_ID}:${SSO.SSO__CLIENT_SECRET}`).toString('base64')}`)
  assert.deepEqual([form.get('resource'), form.get('audience')], ['urn:bedrock', 'b'])
})

test('below server.base_path the pages are where it says', async () => {
  const proxy = await proxyWith({ SERVER__BASE_PATH: '/bedrock', SSO__REDIRECT_URL: `${BASE}/bedrock/sign-in/callback` })
  const browser = new Browser(proxy.port)
  const begun = await browser.go('/bedrock/sign-in')
  const back = await provider.signIn(String(begun.headers.location))
  assert.equal((await browser.go(back.slice(BASE.length))).headers.location, `${BASE}/bedrock/`)
  assert.ok(said(await browser.go('/bedrock/')).includes('Signed in'))
})

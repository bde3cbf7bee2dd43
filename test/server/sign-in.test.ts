import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { FakeBedrock } from '../kit/bedrock.ts'
import { Browser } from '../kit/browser.ts'
import { ask, type Got, PROTOCOLS } from '../kit/client.ts'
import { output, secret } from '../kit/leaks.ts'
import { CLIENT_ID, Provider } from '../kit/provider.ts'
import { startProxy, type TestProxy } from '../kit/proxy.ts'

const BASE = 'https://proxy.example.com'
const provider = await Provider.start()
const bedrock = await FakeBedrock.start()
const folder = mkdtempSync(join(tmpdir(), 'sign-in-'))
const proxies: TestProxy[] = []
after(async () => {
  await Promise.all(proxies.map((proxy) => proxy.stop()))
  provider.close()
  await bedrock.close()
  rmSync(folder, { recursive: true })
})
beforeEach(() => provider.repent())

const COOKIE_SECRET = secret('the cookie secret', randomBytes(48).toString('base64'))
const SSO = { SSO__CLIENT_ID: CLIENT_ID, SSO__CLIENT_SECRET: secret('the client secret', 'a-secret-of-the-client'), SSO__COOKIE_SECRET: COOKIE_SECRET, SSO__REDIRECT_URL: `${BASE}/sign-in/callback` }

async function proxyWith(more: Readonly<Record<string, string>> = {}): Promise<TestProxy> {
  const proxy = await startProxy(bedrock, { JWT__SECRET: '', JWT__ISSUER: provider.url, JWT__AUDIENCE: `${CLIENT_ID},bedrock`, SSO__ISSUER: provider.url, ...SSO, ...more })
  proxies.push(proxy)
  return proxy
}

const main = await proxyWith()

/** Goes to the provider and comes back; the last answer of the proxy. */
async function signIn(browser: Browser): Promise<Got> {
  const begun = await browser.go('/sign-in')
  assert.equal(begun.status, 303)
  const back = await provider.signIn(String(begun.headers.location))
  return browser.go(back.slice(BASE.length))
}

async function signedIn(proxy = main, protocol = PROTOCOLS[0]!): Promise<Browser> {
  const browser = new Browser(proxy.port, protocol)
  const { status, headers } = await signIn(browser)
  assert.deepEqual([status, headers.location], [303, `${BASE}/`])
  return browser
}

const textOf = ({ body }: Got): string => body.toString()
/** What a page says, without what is for machines. */
const said = (got: Got): string => textOf(got).replace(/<style>[^]*<\/style>|<script>[^]*<\/script>|<[^>]*>/g, ' ').replace(/\s+/g, ' ')
const tokenIn = (got: Got): string => secret('the token of the page', /<span>([^<]+)<\/span>/.exec(textOf(got))![1]!)

for (const protocol of PROTOCOLS) {
  test(`${protocol}: a person signs in, sees what is theirs, and takes a token along that Bedrock can be used with`, async () => {
    const browser = new Browser(main.port, protocol)
    assert.match(textOf(await browser.go('/')), new RegExp(`href="${BASE}/sign-in"`))
    await signIn(browser)
    const page = await browser.go('/')
    assert.equal(page.status, 200)
    for (const words of ['Signed in as Alice', 'User alice', `Issuer ${provider.url}`, 'Groups engineering', 'All of them.']) assert.ok(said(page).includes(words), `${words}: ${said(page)}`)
    for (const line of [`ANTHROPIC_BEDROCK_BASE_URL=${BASE}`, `endpoint_url=&#39;${BASE}&#39;`, `endpoint: &#39;${BASE}&#39;`, `credential_process = bedrock-sso-proxy token --proxy ${BASE}`]) assert.ok(textOf(page).includes(line), line)
    const { status } = await ask(protocol, main.port, '/model/x/converse', { headers: { authorization: `Bearer ${tokenIn(page)}` }, body: '{}' })
    assert.equal(status, 200)
  })
}

test('the cookies of a sign-in open no operation', async () => {
  const browser = await signedIn()
  const seen = bedrock.seen.length
  for (const [method, path] of [['POST', '/model/x/invoke'], ['GET', '/foundation-models'], ['GET', '/health/aws']] as const) assert.equal((await browser.go(path, method)).status, 401, path)
  assert.equal(bedrock.seen.length, seen)
})

test('cookies are for this host, https and this site alone; nothing in them can be read, and no URL and no log line has a token', async () => {
  const browser = new Browser(main.port)
  const begun = await browser.go('/sign-in')
  const back = await provider.signIn(String(begun.headers.location))
  const finished = await browser.go(back.slice(BASE.length))
  const lines = [begun, finished].flatMap(({ headers }) => headers['set-cookie'] as string[])
  assert.ok(lines.length > 2)
  for (const line of lines) assert.match(line, /^__Host-bedrock-sso-(transaction|session)-\d=[\w-]*; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax; Secure$/)
  for (const line of lines) assert.equal(Buffer.from(line.split(/[=;]/)[1]!, 'base64url').includes('alice'), false)
  output([String(begun.headers.location), String(finished.headers.location), ...lines].join('\n'))
  assert.deepEqual([...browser.cookies.keys()], ['__Host-bedrock-sso-session-0'])
})

test('without https there is nothing to keep the cookies to, and they still stay with this host', async () => {
  const proxy = await proxyWith({ SSO__REDIRECT_URL: 'http://127.0.0.1:1/sign-in/callback' })
  const { headers } = await new Browser(proxy.port).go('/sign-in')
  assert.match(String([headers['set-cookie']].flat()[0]), /^bedrock-sso-transaction-0=[\w-]+; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax$/)
})

test('what the issuer says of a person is text, whatever it is', async () => {
  const evil = `<script>alert(1)</script>"'&`
  provider.claims = { sub: `a${evil}`, name: evil, groups: [evil, '‮'] }
  const page = await (await signedIn()).go('/')
  assert.ok(!textOf(page).includes('<script>alert'))
  assert.ok(textOf(page).includes('&#60;script&#62;alert(1)&#60;/script&#62;&#34;&#39;&#38;'))
})

test('the pages run the one script and the one style that their policy names, load nothing, and are kept nowhere', async () => {
  const browser = await signedIn()
  for (const page of [await browser.go('/'), await new Browser(main.port).go('/'), await browser.go('/sign-in/callback')]) {
    const { headers } = page
    const hash = (tag: string) => createHash('sha256').update(new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(textOf(page))![1]!).digest('base64')
    assert.equal(headers['content-security-policy'], `default-src 'none'; style-src 'sha256-${hash('style')}'; script-src 'sha256-${hash('script')}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`)
    assert.deepEqual([headers['cache-control'], headers['x-content-type-options'], headers['referrer-policy']], ['no-store', 'nosniff', 'no-referrer'])
    assert.ok(!/ style=| on\w+=|<link|<img|src=/.test(textOf(page)), 'nothing inline, nothing from elsewhere')
  }
})

test('an answer is taken from the browser alone that began, once, and within ten minutes', async () => {
  const [victim, attacker] = [new Browser(main.port), new Browser(main.port)]
  const begun = await attacker.go('/sign-in')
  const back = (await provider.signIn(String(begun.headers.location))).slice(BASE.length)
  assert.equal((await victim.go(back)).status, 400)
  await victim.go('/sign-in')
  assert.equal((await victim.go(back)).status, 400)
  assert.deepEqual([...victim.cookies], [])
  assert.equal((await attacker.go(back)).status, 303)
  assert.equal((await attacker.go(back)).status, 400)
  assert.ok(String(begun.headers['set-cookie']).includes('Max-Age=600;'))
})

test('a cookie that was changed, made for another purpose or cut is none', async () => {
  const browser = await signedIn()
  const [name, value] = [...browser.cookies][0]!
  const begun = new Browser(main.port)
  await begun.go('/sign-in')
  const transaction = [...begun.cookies.values()][0]!
  for (const other of [`${value.slice(0, -2)}AA`, value.slice(0, -40), '', 'A', 'A'.repeat(5000), transaction]) {
    browser.cookies.set(name, other)
    const page = await browser.go('/')
    assert.equal(page.status, 200)
    assert.ok(!said(page).includes('Signed in'), other.slice(0, 10))
  }
})

test('proxies with the same cookie secret know each other’s cookies, and one without has its own', async () => {
  const [same, other] = [await proxyWith(), await proxyWith({ SSO__COOKIE_SECRET: randomBytes(48).toString('base64') })]
  const { cookies } = await signedIn()
  for (const [proxy, expected] of [[same, true], [other, false]] as const) {
    const browser = new Browser(proxy.port)
    for (const [name, value] of cookies) browser.cookies.set(name, value)
    assert.equal(said(await browser.go('/')).includes('Signed in'), expected)
  }
})

test('a token with a hundred groups takes several cookies, and a shorter one after it none of their rest', async () => {
  provider.claims = { sub: 'alice', groups: Array.from({ length: 120 }, (_, i) => `${i}-0000-0000-0000-000000000000`) }
  const browser = await signedIn()
  assert.ok(browser.cookies.size > 2)
  assert.ok(said(await browser.go('/')).includes('119-0000'))
  provider.repent()
  await signIn(browser)
  assert.ok(said(await browser.go('/')).includes('Groups engineering'))
})

test('signing out takes the cookies back; a form of another site cannot', async () => {
  const browser = await signedIn()
  assert.equal((await browser.go('/sign-out', 'POST', { 'sec-fetch-site': 'cross-site' })).status, 404)
  assert.equal((await browser.go('/sign-out')).status, 405)
  assert.ok(said(await browser.go('/')).includes('Signed in'))
  const { status, headers } = await browser.go('/sign-out', 'POST', { 'sec-fetch-site': 'same-origin' })
  assert.deepEqual([status, headers.location, browser.cookies.size], [303, `${BASE}/`, 0])
})

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
    assert.deepEqual([page.status, (await line).error, browser.cookies.size], [status, code, 0])
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
  const { form } = provider.taken.find(({ path }) => path === '/token')!
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

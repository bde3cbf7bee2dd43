import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { Browser } from '../kit/browser.ts'
import { ask, PROTOCOLS } from '../kit/client.ts'
import { output } from '../kit/leaks.ts'
import { BASE, bedrock, main, provider, proxyWith, said, signedIn, signIn, textOf, tokenIn } from './people.ts'

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
  const own = await victim.go('/sign-in')
  assert.equal((await victim.go(back)).status, 400)
  assert.equal((await victim.go((await provider.signIn(String(own.headers.location))).slice(BASE.length))).status, 303, 'and it does not keep the true one from coming')
  assert.equal((await victim.go(back)).status, 400)
  assert.ok(said(await victim.go('/')).includes('Signed in'), 'nor does it sign anybody out')
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

test('a token that no browser could keep signs nobody in', async () => {
  provider.claims = { sub: 'alice', groups: Array.from({ length: 400 }, (_, i) => `${i}-0000-0000-0000-000000000000`) }
  const browser = new Browser(main.port)
  const page = await signIn(browser)
  assert.deepEqual([page.status, browser.cookies.size], [403, 0])
  assert.ok(said(page).includes('too large'))
})

test('strangers who begin more sign-ins than a provider answers are turned away, and the others are not', async () => {
  const proxy = await proxyWith()
  const held: ServerResponse[] = []
  provider.instead = ({ path }, response) => path === '/.well-known/openid-configuration' && held.push(response) > 0
  const answers = Array.from({ length: 101 }, () => ask('HTTP/1.1', proxy.port, '/sign-in', { method: 'GET' }))
  assert.equal((await Promise.race(answers)).status, 503)
  provider.instead = () => false
  const description = await fetch(`${provider.url}/.well-known/openid-configuration`)
  const text = await description.text()
  for (const response of held) response.end(text)
  assert.deepEqual((await Promise.all(answers)).filter(({ status }) => status === 303).length, 100)
})

test('signing out takes the cookies back; a form of another site cannot', async () => {
  const browser = await signedIn()
  assert.equal((await browser.go('/sign-out', 'POST', { 'sec-fetch-site': 'cross-site' })).status, 404)
  assert.equal((await browser.go('/sign-out')).status, 405)
  assert.ok(said(await browser.go('/')).includes('Signed in'))
  const { status, headers } = await browser.go('/sign-out', 'POST', { 'sec-fetch-site': 'same-origin' })
  assert.deepEqual([status, headers.location, browser.cookies.size], [303, `${BASE}/`, 0])
})

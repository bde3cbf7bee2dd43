import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Page } from 'playwright-core'
import { browserContext, CHROMIUM } from './kit/chromium.ts'
import { COMMAND, Typed } from './kit/command.ts'
import { PeopleIssuer, Person, RESOURCE, SECRET } from './kit/people.ts'
import { Program } from './kit/program.ts'
import { ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY } from './kit/signature.ts'
import { bedrock, certificate, folder } from './kit/world.ts'

/** People sign in with a certified OpenID provider: on the pages of the real program, in a real browser, and by its commands. */

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

const [PLAIN, SECURE] = [`http://127.0.0.1:${await freePort()}`, `https://localhost:${await freePort()}`]
// Shorter than a minute: every time that a token is asked for, a new one is needed.
const issuer = await PeopleIssuer.start([PLAIN, SECURE], 50)
const programs: Program[] = []
after(async () => {
  await Promise.all(programs.map((program) => program.stop()))
  issuer.stop()
  bedrock.stop()
})

async function programAt(base: string, more: Readonly<Record<string, string>> = {}): Promise<Program> {
  const program = await Program.start({
    SERVER__PORT: new URL(base).port, ADMIN__PORT: '0', AWS__REGION: REGION, AWS__ENDPOINT: bedrock.url, AWS_ACCESS_KEY_ID: ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: SECRET_ACCESS_KEY,
    JWT__ISSUER: issuer.url, JWT__AUDIENCE: 'proxy,cli,bedrock', SSO__ISSUER: issuer.url, SSO__CLIENT_ID: 'proxy', SSO__CLIENT_SECRET: SECRET, SSO__REDIRECT_URL: `${base}/sign-in/callback`,
    SSO__LOGIN_CLIENT_ID: 'cli', SSO__SCOPES: 'openid,profile,groups,offline_access', LIMITS__DEFAULT__TOKENS_PER_DAY: '100000', ...more,
  })
  programs.push(program)
  return program
}

const program = await programAt(PLAIN)

/** The status of a call with a token. */
async function call(token: string): Promise<number> {
  const { status } = await fetch(`${PLAIN}/model/anthropic.claude-v2/converse`, { method: 'POST', headers: { authorization: `Bearer ${token}` }, body: '{"messages":[{"role":"user","content":[{"text":"Hello?"}]}]}' })
  return status
}

test('a person signs in on the pages, and the token that is shown opens the proxy', async () => {
  const alice = new Person('alice')
  const { url, text } = await alice.visit(`${PLAIN}/sign-in`)
  assert.equal(url, `${PLAIN}/`)
  assert.match(text, /Signed in as <b><bdi>&#60;b&#62;alice&#60;\/b&#62;<\/bdi><\/b>/)
  assert.match(text, /<bdi>engineering<\/bdi>, <bdi>everybody<\/bdi>/)
  assert.equal(await call(/<span>([^<]+)</.exec(text)![1]!), 200)
})

test('Chromium signs in over TLS and HTTP/2, copies what is to be copied, runs nothing that is foreign, and signs out', { skip: CHROMIUM === undefined && 'there is no Chromium' }, async () => {
  const { certFile, keyFile } = certificate()
  await programAt(SECURE, { SERVER__TLS__CERT_FILE: certFile, SERVER__TLS__KEY_FILE: keyFile })
  const context = await browserContext({ permissions: ['clipboard-read', 'clipboard-write'], viewport: { width: 1000, height: 1400 } })
  // The pages of the provider would load letters from elsewhere.
  await context.route((url) => !['127.0.0.1', 'localhost'].includes(url.hostname), (route) => route.abort())
  const page = await context.newPage()
  const complaints: string[] = []
  const asked: string[] = []
  page.on('console', (message) => { if (page.url().startsWith(SECURE)) complaints.push(message.text()) })
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('request', (request) => asked.push(request.url()))
  await page.goto(`${SECURE}/`)
  await picture(page, 'signed-out')
  await page.getByText('Sign in').click()
  await page.fill('[name=login]', 'erin')
  await page.fill('[name=password]', 'x')
  await page.click('[type=submit]')
  await page.getByText('Continue').click()
  await page.waitForURL(`${SECURE}/`)
  assert.equal(await page.locator('p b').innerText(), '<b>erin</b>')
  await picture(page, 'signed-in')
  const section = page.locator('section', { has: page.getByRole('heading', { name: 'Claude Code', exact: true }) })
  await section.getByRole('button').click()
  await section.getByText('Copied').waitFor()
  const copied = await page.evaluate(() => navigator.clipboard.readText())
  const jwt = /AWS_BEARER_TOKEN_BEDROCK='([^']+)'$/.exec(copied)![1]!
  assert.equal(copied, `export CLAUDE_CODE_USE_BEDROCK=1\nexport ANTHROPIC_BEDROCK_BASE_URL=${SECURE}\nexport AWS_BEARER_TOKEN_BEDROCK='${jwt}'`)
  assert.equal(await call(jwt), 200)
  const cookies = (await context.cookies(SECURE)).filter(({ name }) => name.includes('bedrock-sso'))
  assert.deepEqual(cookies.map(({ name, httpOnly, secure, sameSite, path }) => ({ name, httpOnly, secure, sameSite, path })), [{ name: '__Host-bedrock-sso-session-0', httpOnly: true, secure: true, sameSite: 'Lax', path: '/' }])
  assert.equal(await page.evaluate(() => document.cookie), '')
  await page.getByText('Sign out').click()
  await page.getByText('Sign in').waitFor()
  assert.deepEqual((await context.cookies(SECURE)).filter(({ name }) => name.includes('bedrock-sso')), [])
  assert.deepEqual(complaints, [], 'no policy was broken, no script failed')
  assert.ok(!asked.some((url) => url.includes('eyJ')), 'no URL holds a token')
  assert.deepEqual([...new Set(asked.map((url) => new URL(url).origin))].filter((origin) => origin !== SECURE && origin !== issuer.url && !origin.startsWith('https://fonts.')), [])
})

/** For somebody to look at, where they say in which folder. */
async function picture(page: Page, name: string): Promise<void> {
  if (process.env.PICTURES !== undefined) await page.screenshot({ path: join(process.env.PICTURES, `${name}.png`), fullPage: true })
}

test('with sso.token access and a resource the token is an access token of the provider', async () => {
  const base = `http://127.0.0.1:${await freePort()}`
  const other = await PeopleIssuer.start([base], 600)
  await programAt(base, { JWT__ISSUER: other.url, SSO__ISSUER: other.url, SSO__TOKEN: 'access', SSO__RESOURCE: RESOURCE, JWT__GROUPS_CLAIMS: '/scope' })
  const { text } = await new Person('bob').visit(`${base}/sign-in`)
  const [header, claims] = /<span>([^<]+)</.exec(text)![1]!.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>)
  assert.deepEqual([header!.typ, claims!.aud, claims!.sub], ['at+jwt', 'bedrock', 'bob'])
  other.stop()
})

const HOME = join(folder, 'home')
const ENV = { XDG_CONFIG_HOME: HOME }

async function token(...more: readonly string[]): Promise<string> {
  const typed = new Typed(['token', ...more], ENV)
  assert.equal(await typed.ended(), 0, typed.err)
  return typed.out.trim()
}

test('login in a browser, then token: refreshed, by several at once too, though the provider takes each refresh token once', async () => {
  const typed = new Typed(['login', '--proxy', PLAIN], ENV)
  const { text } = await new Person('carol').visit(await typed.shows(/^ {2}(http\S+)$/m))
  assert.equal(text, 'You can close this window, and go on in the terminal.\n')
  assert.equal(await typed.ended(), 0, typed.err)
  const tokens = [await token(), ...await Promise.all([token(), token(), token()]), await token()]
  assert.equal(new Set(tokens).size, tokens.length, 'each is a new one')
  for (const jwt of tokens) assert.equal(await call(jwt), 200)
})

test('the real SDK of AWS, and that of Anthropic, work from a profile whose credentials are the token', async () => {
  const quoted = [...COMMAND, 'token', '--proxy', PLAIN, '--credential-process'].map((word) => `"${word}"`).join(' ')
  const file = join(folder, 'aws-config')
  writeFileSync(file, `[profile bedrock-sso]\ncredential_process = ${quoted}\nendpoint_url = ${PLAIN}\nregion = ${REGION}\n`)
  Object.assign(process.env, { AWS_PROFILE: 'bedrock-sso', AWS_CONFIG_FILE: file, AWS_SHARED_CREDENTIALS_FILE: '/dev/null', ...ENV })
  const { BedrockRuntimeClient, ConverseCommand } = await import('@aws-sdk/client-bedrock-runtime')
  const client = new BedrockRuntimeClient({})
  const called = program.line(({ msg, model }) => msg === 'request' && model === 'interop.profile-v1:0')
  const { output } = await client.send(new ConverseCommand({ modelId: 'interop.profile-v1:0', messages: [{ role: 'user', content: [{ text: 'Hello?' }] }] }))
  assert.ok(output?.message?.content?.[0]?.text)
  assert.equal((await called).user, 'carol')
  client.destroy()
  // Claude Code on Bedrock is built on this one.
  const { default: AnthropicBedrock } = await import('@anthropic-ai/bedrock-sdk')
  const anthropic = new AnthropicBedrock({ baseURL: PLAIN, awsRegion: REGION })
  const message = await anthropic.messages.create({ model: 'interop.profile-v1:0', max_tokens: 9, messages: [{ role: 'user', content: 'Hello?' }] })
  assert.equal(message.content[0]!.type, 'text')
})

test('login on another device', async () => {
  const typed = new Typed(['login', '--proxy', PLAIN, '--device'], ENV)
  const code = await typed.shows(/enter the code (\S+)/)
  const { text } = await new Person('dave').visit(await typed.shows(/open (\S+) and enter/), { user_code: code, confirm: 'yes' })
  assert.match(text, /Sign-in Success/)
  assert.equal(await typed.ended(), 0, typed.err)
  assert.equal(await call(await token()), 200)
})

test('no token of all these came out in a log', () => {
  for (const { output } of programs) assert.ok(!/eyJ[\w-]{10,}\./.test(output))
})

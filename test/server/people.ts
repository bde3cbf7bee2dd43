import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, beforeEach } from 'node:test'
import { FakeBedrock } from '../kit/bedrock.ts'
import { Browser } from '../kit/browser.ts'
import { type Got, PROTOCOLS } from '../kit/client.ts'
import { secret } from '../kit/leaks.ts'
import { CLIENT_ID, Provider } from '../kit/provider.ts'
import { startProxy, type TestProxy } from '../kit/proxy.ts'

export const BASE = 'https://proxy.example.com'
export const provider = await Provider.start()
export const bedrock = await FakeBedrock.start()
export const proxies: TestProxy[] = []
after(async () => {
  await Promise.all(proxies.map((proxy) => proxy.stop()))
  provider.close()
  await bedrock.close()
})
beforeEach(() => provider.repent())

const COOKIE_SECRET = secret('the cookie secret', randomBytes(48).toString('base64'))
export const SSO = { SSO__CLIENT_ID: CLIENT_ID, SSO__CLIENT_SECRET: secret('the client secret', 'a-secret-of-the-client'), SSO__COOKIE_SECRET: COOKIE_SECRET, SSO__REDIRECT_URL: `${BASE}/sign-in/callback` }

export async function proxyWith(more: Readonly<Record<string, string>> = {}): Promise<TestProxy> {
  const proxy = await startProxy(bedrock, { JWT__SECRET: '', JWT__ISSUER: provider.url, JWT__AUDIENCE: `${CLIENT_ID},bedrock`, SSO__ISSUER: provider.url, ...SSO, ...more })
  proxies.push(proxy)
  return proxy
}

export const main = await proxyWith()

/** Goes to the provider and comes back; the last answer of the proxy. */
export async function signIn(browser: Browser): Promise<Got> {
  const begun = await browser.go('/sign-in')
  assert.equal(begun.status, 303)
  const back = await provider.signIn(String(begun.headers.location))
  return browser.go(back.slice(BASE.length))
}

export async function signedIn(proxy = main, protocol = PROTOCOLS[0]!): Promise<Browser> {
  const browser = new Browser(proxy.port, protocol)
  const { status, headers } = await signIn(browser)
  assert.deepEqual([status, headers.location], [303, `${BASE}/`])
  return browser
}

export const textOf = ({ body }: Got): string => body.toString()
/** What a page says, without what is for machines. */
export const said = (got: Got): string => textOf(got).replace(/<style>[^]*<\/style>|<script>[^]*<\/script>|<[^>]*>/g, ' ').replace(/\s+/g, ' ')
export const tokenIn = (got: Got): string => secret('the token of the page', /<span>([^<]+)<\/span>/.exec(textOf(got))![1]!)


import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { checkedUrl, httpClient, IdentityError } from '../identity/index.ts'
import { JsonError, parseJson } from '../json/index.ts'
import type { LoginFacts } from '../server/index.ts'
import { openLoopback, type SignedIn, type SsoClient, SsoError } from '../sso/index.ts'
import { openBrowser } from './browser.ts'
import { type Command, EXIT_CONFIG, type Terminal } from './command.ts'
import { clientOf, tokenOf } from './fresh.ts'
import { endOf, SessionError, Sessions } from './sessions.ts'

const OPTIONS = {
  proxy: { type: 'string' }, issuer: { type: 'string' }, 'client-id': { type: 'string' }, scopes: { type: 'string', default: 'openid,profile,email,offline_access' },
  token: { type: 'string', default: 'id' }, resource: { type: 'string' }, audience: { type: 'string' },
  device: { type: 'boolean' }, 'ca-file': { type: 'string' }, 'redirect-url': { type: 'string', default: 'http://127.0.0.1/callback' },
} as const

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values']

const PATIENCE_MS = 300_000

export const login: Command = {
  usage: 'login --proxy URL [--device] [--ca-file PEM] [--redirect-url URL] | login --issuer URL --client-id ID [--scopes A,B] [--token id|access] [--resource URI] [--audience AUD] …',
  text: 'signs you in through your browser, or with --device on any other one, so that `token` has a token to print',
  async run(args, process) {
    const { values } = parseArgs({ args: [...args], options: OPTIONS })
    const caFile = values['ca-file'] && resolve(process.cwd(), values['ca-file'])
    try {
      const sessions = new Sessions(process.env)
      const facts = await factsOf(values, caFile)
      const signedIn = await (values.device === true ? onDevice : inBrowser)(clientOf(facts, caFile), values['redirect-url'], process)
      const isProxy = values.proxy !== undefined
      const name = isProxy ? proxyUrl(values.proxy!) : facts.issuer.replace(/\/$/, '')
      const token = tokenOf(signedIn, facts.token)
      const session = { name, isProxy, login: facts, caFile, subject: signedIn.claims?.sub, token, refreshToken: signedIn.refreshToken }
      await sessions.alone(name, () => Promise.resolve(sessions.write(session)))
      process.stdout.write(`Signed in as ${shown(signedIn)} until ${new Date(endOf(token)! * 1000).toISOString()}${signedIn.refreshToken === undefined ? '' : ', and then anew by itself'}.\n`)
      return 0
    } catch (error) {
      const problem = problemOf(error)
      if (problem === undefined) throw error
      process.stderr.write(`${problem}\n`)
      return error instanceof SsoError ? 1 : EXIT_CONFIG
    }
  },
}

/** What is known of the client to log in with: from the proxy, or from the command line. */
async function factsOf(values: Values, caFile: string | undefined): Promise<LoginFacts> {
  const { proxy, issuer, 'client-id': clientId, scopes, token, resource, audience } = values
  if (proxy !== undefined && issuer === undefined) return askProxy(proxyUrl(proxy), caFile)
  if (issuer === undefined || clientId === undefined) throw new SessionError('either --proxy, or --issuer and --client-id are needed')
  if (token !== 'id' && token !== 'access') throw new SessionError('--token is id or access')
  return { issuer, client_id: clientId, scopes: scopes.split(','), token, resource, audience }
}

async function askProxy(proxy: string, caFile: string | undefined): Promise<LoginFacts> {
  const ask = httpClient({ ca: caFile && readFileSync(caFile, 'utf8') })
  const { status, bytes } = await ask(`${proxy}/.well-known/bedrock-sso-proxy`, AbortSignal.timeout(10_000))
  if (status !== 200) throw new SessionError('nobody can log in there: it is no proxy of this kind, or it has no sso.issuer')
  const said = Object(parseJson(bytes)) as Readonly<Record<string, unknown>>
  const { issuer, client_id: clientId, scopes, token } = said
  const texts = [issuer, clientId, ...(Array.isArray(scopes) ? scopes : [undefined]), said.resource ?? '', said.audience ?? '', said.client_secret ?? '', ...Object.values(Object(said.parameters ?? {}) as object)]
  if (texts.every((text) => typeof text === 'string') && (token === 'id' || token === 'access')) return said as unknown as LoginFacts
  throw new SessionError('the proxy does not say how to log in')
}

/** The address of a proxy as it is kept: it stands in lines of shell, in quotes. */
function proxyUrl(text: string): string {
  const { origin, pathname, search } = checkedUrl(text)
  if (search !== '' || !/^[\w.~%/-]*$/.test(pathname)) throw new SessionError('--proxy is the address of a proxy, such as https://proxy.example.com')
  return origin + pathname.replace(/\/$/, '')
}

async function inBrowser(client: SsoClient, redirectUrl: string, process: Terminal): Promise<SignedIn> {
  if (!/^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?\/[\w/-]*$/.test(redirectUrl)) throw new SessionError('--redirect-url is a loopback address such as http://127.0.0.1/callback')
  const loopback = await openLoopback(redirectUrl)
  try {
    const { url, transaction } = await client.begin(loopback.redirectUrl)
    const answer = loopback.answer(transaction, PATIENCE_MS)
    process.stdout.write(`Sign in in your browser. Where none opens, go there yourself, on this machine (elsewhere: --device):\n\n  ${url}\n\n`)
    openBrowser(url, process.env)
    return await client.redeem(await answer, transaction, loopback.redirectUrl)
  } finally {
    loopback.close()
  }
}

async function onDevice(client: SsoClient, _: string, process: Terminal): Promise<SignedIn> {
  const code = await client.beginDevice()
  const { completeUrl, verificationUrl, userCode } = code
  process.stdout.write(`On any device, open ${verificationUrl} and enter the code ${userCode}\n${completeUrl === undefined ? '' : `or open ${completeUrl} and compare the code\n`}`)
  return client.awaitDevice(code)
}

function shown({ claims }: SignedIn): string {
  const { name, preferred_username: username, sub }: Readonly<Record<string, unknown>> = claims ?? {}
  // The issuer wrote it: it must not steer the terminal.
  return String([name, username, sub].find((one) => typeof one === 'string')).replace(/[^\x20-\x7e\xa0-\u02ff\u0370-\u1fff\u3040-\ud7ff]/g, '?').slice(0, 100)
}

function problemOf(error: unknown): string | undefined {
  if (error instanceof SsoError || error instanceof IdentityError) return `${error.message}${error.detail === undefined ? '' : ` (${error.detail})`}`
  if (error instanceof JsonError) return 'the proxy does not say how to log in'
  if (error instanceof SessionError || (error instanceof Error && 'syscall' in error)) return error.message
  return undefined
}

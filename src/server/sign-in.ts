import { type Authenticator, type Caller, IdentityError } from '../identity/index.ts'
import { JwtError } from '../jwt/index.ts'
import { type Limits, LimitsError } from '../limits/index.ts'
import type { Log } from '../log/index.ts'
import type { Policy } from '../policy/index.ts'
import type { Exchange, Reporter } from '../proxy/index.ts'
import type { Secret } from '../secret/index.ts'
import { type SsoClient, SsoError, type SsoErrorCode, type Transaction } from '../sso/index.ts'
import { SealedCookies } from './cookies.ts'
import type { Html } from './html.ts'
import { requestOf, SECURITY } from './pages.ts'
import { refuse } from './refusal.ts'
import { PAGE_POLICY, type Portal, portal, refused, signedOut } from './portal.ts'

export interface SignInOptions {
  /** Where the issuer sends browsers back to, as they know it: the address of this proxy, and `CALLBACK`. */
  readonly redirectUrl: string
  /** Which of the tokens clients are to use. */
  readonly token: 'id' | 'access'
  /** One of these is needed to sign in; without them none is. */
  readonly groupsAllowed: readonly string[] | undefined
  readonly cookieSecret: Secret | undefined
  readonly exampleModel: string | undefined
}

export interface SignInSources {
  readonly log: Log
  readonly nowMs: () => number
  readonly reporter: Reporter
  readonly client: SsoClient
  readonly authenticator: Authenticator
  readonly revoked: (caller: Caller) => boolean
  readonly rules: { readonly policy: Policy }
  readonly limits: Limits
}

/** What a browser keeps of somebody who is signed in: no more than they are shown. */
interface Session {
  readonly token: string
  readonly name: string | undefined
}

interface Answer {
  readonly status: number
  readonly fields: readonly string[]
  readonly content?: Html
}

interface Route {
  readonly methods: readonly string[]
  /** The cookie that is of no more use when it fails. */
  readonly uses?: 'session' | 'transaction'
  readonly run: (exchange: Exchange, cookie: string | undefined) => Promise<Answer>
}

/** A sign-in that ends with a page instead. */
class Refused extends Error {
  readonly status: number
  readonly code: string
  readonly detail: string | undefined

  constructor(status: number, code: string, sentence: string, detail?: string) {
    super(sentence)
    this.status = status
    this.code = code
    this.detail = detail
  }
}

const CALLBACK = '/sign-in/callback'
/** Anybody can lead a browser here with such an answer; the one that it waits for can still come. */
const FORGED: ReadonlySet<string> = new Set<SsoErrorCode>(['SSO_STATE_MISMATCH', 'SSO_CALLBACK_MALFORMED'])
const SIGN_IN_MS = 600_000
/** Each waits for the issuer, and strangers can begin any number. */
const MAX_WAITING = 100

/**
 * The pages on which people sign in and see what is theirs. The cookie that they get opens these pages, and no operation: of requests to those
 * nobody reads cookies.
 */
export class SignIn {
  readonly #options: SignInOptions
  readonly #sources: SignInSources
  readonly #cookies: SealedCookies
  readonly #base: string
  readonly #routes: ReadonlyMap<string, Route>
  #waiting = 0

  constructor(options: SignInOptions, sources: SignInSources) {
    this.#options = options
    this.#sources = sources
    this.#cookies = new SealedCookies(options.cookieSecret?.reveal(), options.redirectUrl.startsWith('https:'))
    this.#base = options.redirectUrl.slice(0, -CALLBACK.length)
    this.#routes = new Map<string, Route>([
      ['/', { methods: ['GET', 'HEAD'], uses: 'session', run: (_, cookie) => this.#home(cookie) }],
      ['/sign-in', { methods: ['GET'], run: () => this.#begin() }],
      [CALLBACK, { methods: ['GET'], uses: 'transaction', run: (exchange, cookie) => this.#finish(exchange, cookie) }],
      ['/sign-out', { methods: ['POST'], run: () => Promise.resolve(this.#end()) }],
    ])
  }

  /** @returns Whether the path was one of these pages. */
  serve(exchange: Exchange, path: string): boolean {
    const route = this.#routes.get(path)
    if (route === undefined) return false
    const fields = requestOf(exchange, route.methods, this.#sources.reporter)
    // A form of another site can end nothing here.
    const foreign = exchange.method === 'POST' && (fields?.get('sec-fetch-site') ?? 'same-origin') !== 'same-origin'
    if (foreign) refuse(exchange, 'UNKNOWN_OPERATION', this.#sources.reporter)
    else if (fields !== undefined) void this.#answer(exchange, route, fields.get('cookie'))
    return true
  }

  async #answer(exchange: Exchange, route: Route, cookie: string | undefined): Promise<void> {
    this.#waiting++
    const { status, fields, content } = await this.#guarded(exchange, route, cookie)
    this.#waiting--
    if (exchange.gone) return
    const body = Buffer.from(content?.text ?? '')
    exchange.answer(status, ['Content-Type', 'text/html; charset=utf-8', 'Content-Length', String(body.length), 'Content-Security-Policy', PAGE_POLICY, ...SECURITY, ...fields], body)
  }

  /** Whatever goes wrong becomes a page that says so, and a line in the log that says why. */
  async #guarded(exchange: Exchange, { run, uses }: Route, cookie: string | undefined): Promise<Answer> {
    try {
      if (this.#waiting > MAX_WAITING) throw new Refused(503, 'SIGN_IN_BUSY', 'Too many people are signing in; try again in a moment.')
      return await run(exchange, cookie)
    } catch (error) {
      const { status, code, message, detail } = error instanceof Refused ? error : failure(error)
      this.#sources.log[status === 500 ? 'error' : 'warn']('sign-in refused', { request_id: exchange.id, source: exchange.source, error: code, detail })
      const over = uses !== undefined && status < 500 && !FORGED.has(code)
      return { status, fields: over ? this.#cookies.clear(uses) : [], content: refused({ base: this.#base }, message) }
    }
  }

  async #home(cookie: string | undefined): Promise<Answer> {
    const base = this.#base
    const session = this.#cookies.get(cookie, 'session', this.#sources.nowMs()) as Session | undefined
    if (session === undefined) return { status: 200, fields: [], content: signedOut({ base }) }
    const caller = await this.#callerOf(session.token)
    const { rules, limits, nowMs } = this.#sources
    const { exampleModel } = this.#options
    const view = { base, caller, exampleModel, ...session, allowed: rules.policy.rulesFor(caller), standings: await standingsOf(caller, limits, nowMs()) }
    return { status: 200, fields: [], content: portal(view) }
  }

  async #begin(): Promise<Answer> {
    const nowMs = this.#sources.nowMs()
    const { url, transaction } = await this.#sources.client.begin(this.#options.redirectUrl)
    return { status: 303, fields: ['Location', url, ...this.#cookies.set('transaction', transaction, nowMs + SIGN_IN_MS, nowMs)!] }
  }

  async #finish(exchange: Exchange, cookie: string | undefined): Promise<Answer> {
    const { client, nowMs, log } = this.#sources
    const { token: kind, redirectUrl } = this.#options
    const transaction = this.#cookies.get(cookie, 'transaction', nowMs()) as Transaction | undefined
    if (transaction === undefined) throw new Refused(400, 'SIGN_IN_UNKNOWN', 'This browser has begun no sign-in, or too long ago.')
    const { idToken, accessToken, claims } = await client.redeem(exchange.target.slice(exchange.target.indexOf('?') + 1), transaction, redirectUrl)
    const session: Session = { token: kind === 'id' ? idToken! : accessToken, name: nameIn(claims!) }
    const caller = await this.#callerOf(session.token)
    const fields = this.#cookies.set('session', session, caller.expiresS * 1000, nowMs())
    if (fields === undefined) throw new Refused(403, 'SIGN_IN_TOO_LARGE', 'Your token is too large for the cookies of a browser; use the login command.')
    log.info('sign-in', { request_id: exchange.id, source: exchange.source, user: caller.user, issuer: caller.issuer })
    return { status: 303, fields: ['Location', `${this.#base}/`, ...this.#cookies.clear('transaction'), ...fields] }
  }

  #end(): Answer {
    return { status: 303, fields: ['Location', `${this.#base}/`, ...this.#cookies.clear('transaction'), ...this.#cookies.clear('session')] }
  }

  /** Who the token says its bearer is, to this proxy; it accepts here what it would accept with a request. */
  async #callerOf(token: string): Promise<Caller> {
    const { authenticator, revoked, nowMs } = this.#sources
    const caller = await authenticated(authenticator, token, nowMs())
    if (revoked(caller)) throw new Refused(403, 'TOKEN_REVOKED', 'Your token is revoked.')
    const { groupsAllowed } = this.#options
    if (groupsAllowed !== undefined && !caller.groups.some((group) => groupsAllowed.includes(group))) {
      throw new Refused(403, 'SIGN_IN_GROUP', 'Your account is in none of the groups that may sign in here.', caller.user)
    }
    return caller
  }
}

async function authenticated(authenticator: Authenticator, token: string, nowMs: number): Promise<Caller> {
  try {
    return await authenticator.authenticate(token, nowMs)
  } catch (error) {
    if (!(error instanceof JwtError || error instanceof IdentityError)) throw error
    if (error.code === 'JWT_EXPIRED') throw new Refused(401, error.code, 'Your sign-in has expired.')
    const detail = error instanceof IdentityError && error.detail !== undefined ? error.detail : error.message
    throw new Refused(error.code === 'IDENTITY_KEYS_UNAVAILABLE' ? 503 : 403, error.code, 'This proxy does not accept the token that your single sign-on gave. Those who run it find the reason in its log.', detail)
  }
}

async function standingsOf(caller: Caller, limits: Limits, nowMs: number): Promise<Portal['standings']> {
  try {
    return await limits.standings(caller, nowMs)
  } catch (error) {
    if (error instanceof LimitsError) return undefined
    throw error
  }
}

/** Those that are not the issuer's fault; all others are. */
const STATUSES: { readonly [code in SsoErrorCode]?: number } = { SSO_DENIED: 403, SSO_STATE_MISMATCH: 400, SSO_ISSUER_MISMATCH: 400, SSO_CALLBACK_MALFORMED: 400, SSO_GRANT_REFUSED: 400 }

function failure(error: unknown): Refused {
  if (error instanceof SsoError) return new Refused(STATUSES[error.code] ?? 502, error.code, `You are not signed in: ${error.message}.`, error.detail)
  return new Refused(500, 'INTERNAL', 'Something went wrong here.', error instanceof Error ? error.stack : undefined)
}

const MAX_NAME_LENGTH = 100

/** OpenID Connect Core section 5.1. */
function nameIn({ name, preferred_username: username, email }: Readonly<Record<string, unknown>>): string | undefined {
  return [name, username, email].find((one) => typeof one === 'string' && one !== '')?.toString().slice(0, MAX_NAME_LENGTH)
}

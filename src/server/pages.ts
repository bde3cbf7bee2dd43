import { HttpError, type RequestFields, requestFields } from '../http/index.ts'
import { type Exchange, openApi, type ProblemCode, type Reporter } from '../proxy/index.ts'
import { refuse } from './refusal.ts'
import { setupText } from './snippets.ts'

/** What must be so before this host should get requests; the names are all that a stranger is told. */
export type ReadinessChecks = ReadonlyMap<string, () => boolean>

/** What the pages tell of. */
export interface PageSources {
  readonly reporter: Reporter
  readonly checks: ReadinessChecks
  readonly tls: boolean
  readonly basePath: string
  /** For the lines that people copy. */
  readonly exampleModel: string | undefined
  /** What `login` needs to know; `undefined` where nobody can log in. */
  readonly login: LoginFacts | undefined
}

/** Public, all of it. */
export interface LoginFacts {
  readonly issuer: string
  readonly client_id: string
  /** Of a program that everybody has: none that is kept. */
  readonly client_secret?: string | undefined
  readonly parameters?: Readonly<Record<string, string>> | undefined
  readonly scopes: readonly string[]
  readonly token: 'id' | 'access'
  readonly resource?: string | undefined
  readonly audience?: string | undefined
}

/**
 * The pages that need no token: health, for load balancers and supervisors; how to use this proxy, for people and programs.
 *
 * @returns Whether the path was one of them.
 */
export function servePage(exchange: Exchange, path: string, sources: PageSources): boolean {
  const page = PAGES.get(path)
  if (page === undefined) return false
  const fields = requestOf(exchange, ['GET', 'HEAD'], sources.reporter)
  if (fields !== undefined) send(exchange, page(sources, fields))
  return true
}

/** The header of a request for a page; `undefined` where it has been refused. */
export function requestOf(exchange: Exchange, methods: readonly string[], reporter: Reporter): RequestFields | undefined {
  const fields = fieldsOf(exchange, methods)
  if (typeof fields !== 'string') return fields
  refuse(exchange, fields, reporter, fields === 'UNKNOWN_METHOD' ? methods.join(', ') : undefined)
  return undefined
}

/** A page is held to the rules of any request: health checks that read theirs in another way have opened other proxies. */
function fieldsOf({ fields, protocol, method, hasBody }: Exchange, methods: readonly string[]): RequestFields | ProblemCode {
  try {
    const read = requestFields(fields, protocol)
    if (!methods.includes(method)) return 'UNKNOWN_METHOD'
    return hasBody ? 'BODY_NOT_ALLOWED' : read
  } catch (error) {
    if (error instanceof HttpError) return error.code
    throw error
  }
}

interface Answer {
  readonly status: number
  readonly type: 'application/json' | 'text/plain; charset=utf-8'
  readonly text: string
}

type Page = (sources: PageSources, fields: RequestFields) => Answer

const json = (status: number, value: object): Answer => ({ status, type: 'application/json', text: JSON.stringify(value) })

const alive: Page = () => json(200, { status: 'ok' })

const ready: Page = ({ checks }) => {
  const missing = [...checks].filter(([, check]) => !check()).map(([name]) => name)
  return missing.length === 0 ? json(200, { status: 'ok' }) : json(503, { status: 'not ready', missing })
}

const OPENAPI = json(200, openApi())
const openapi: Page = () => OPENAPI

const setup: Page = (sources, fields) => ({ status: 200, type: 'text/plain; charset=utf-8', text: setupText(originOf(sources, fields), sources.exampleModel) })

/** The address of this proxy as its reader knows it. Only the reader sees it, so that a header may say that TLS ends before us. */
function originOf({ tls, basePath }: PageSources, fields: RequestFields): string {
  const isSecure = tls || fields.get('x-forwarded-proto') === 'https'
  return `${isSecure ? 'https' : 'http'}://${fields.get('host') ?? 'localhost'}${basePath}`
}

/** Where people come by the address alone, and nobody can sign in. */
const home: Page = (sources, fields) => ({ status: 200, type: 'text/plain; charset=utf-8', text: `This is a proxy for AWS Bedrock. How clients are set up: ${originOf(sources, fields)}/setup\n` })

const login: Page = ({ login: facts }) => (facts === undefined ? json(404, { message: 'Nobody can log in here.' }) : json(200, facts))

const PAGES: ReadonlyMap<string, Page> = new Map([
  ['/', home], ['/.well-known/bedrock-sso-proxy', login],
  ['/health', alive], ['/health/live', alive], ['/health/ready', ready], ['/openapi.json', openapi], ['/setup', setup],
])

/** A page of ours loads nothing, runs nothing, and is framed by nobody. */
const PAGE_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

/** It is kept nowhere, and what it leads to does not learn of it. */
export const SECURITY = [
  'Cache-Control', 'no-store', 'X-Content-Type-Options', 'nosniff', 'Referrer-Policy', 'no-referrer', 'Cross-Origin-Resource-Policy', 'same-origin',
]

function send(exchange: Exchange, { status, type, text }: Answer): void {
  const body = Buffer.from(text)
  exchange.answer(status, ['Content-Type', type, 'Content-Length', String(body.length), 'Content-Security-Policy', PAGE_POLICY, ...SECURITY], body)
}

import { HttpError, requestFields } from '../http/index.ts'
import type { Exchange, ProblemCode } from '../proxy/index.ts'
import { refuse } from './refusal.ts'

/** What must be so before this host should get requests; the names are all that a stranger is told. */
export type ReadinessChecks = ReadonlyMap<string, () => boolean>

/**
 * The pages that need no token: health, for load balancers and supervisors.
 *
 * @returns Whether the path was one of them.
 */
export function servePage(exchange: Exchange, path: string, checks: ReadinessChecks): boolean {
  const page = PAGES.get(path)
  if (page === undefined) return false
  const flaw = flawOf(exchange)
  if (flaw !== undefined) refuse(exchange, flaw, flaw === 'UNKNOWN_METHOD' ? 'GET, HEAD' : undefined)
  else send(exchange, page(checks))
  return true
}

/** A page is held to the rules of any request: health checks that read theirs in another way have opened other proxies. */
function flawOf({ fields, protocol, method, hasBody }: Exchange): ProblemCode | undefined {
  try {
    requestFields(fields, protocol)
  } catch (error) {
    if (error instanceof HttpError) return error.code
    throw error
  }
  if (method !== 'GET' && method !== 'HEAD') return 'UNKNOWN_METHOD'
  return hasBody ? 'BODY_NOT_ALLOWED' : undefined
}

interface State {
  readonly status: number
  readonly json: object
}

type Page = (checks: ReadinessChecks) => State

const alive: Page = () => ({ status: 200, json: { status: 'ok' } })

const ready: Page = (checks) => {
  const missing = [...checks].filter(([, check]) => !check()).map(([name]) => name)
  return missing.length === 0 ? { status: 200, json: { status: 'ok' } } : { status: 503, json: { status: 'not ready', missing } }
}

const PAGES: ReadonlyMap<string, Page> = new Map([['/health', alive], ['/health/live', alive], ['/health/ready', ready]])

function send(exchange: Exchange, { status, json }: State): void {
  const text = Buffer.from(JSON.stringify(json))
  exchange.answer(status, ['Content-Type', 'application/json', 'Content-Length', String(text.length), 'Cache-Control', 'no-store'], text)
}

import type { Exchange } from '../proxy/index.ts'

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
  if (exchange.method !== 'GET' && exchange.method !== 'HEAD') {
    send(exchange, 405, { message: 'Only GET is known here.' }, ['Allow', 'GET, HEAD'])
    return true
  }
  const { status, json } = page(checks)
  send(exchange, status, json, [])
  return true
}

type Page = (checks: ReadinessChecks) => { readonly status: number; readonly json: object }

const alive: Page = () => ({ status: 200, json: { status: 'ok' } })

const ready: Page = (checks) => {
  const missing = [...checks].filter(([, check]) => !check()).map(([name]) => name)
  return missing.length === 0 ? { status: 200, json: { status: 'ok' } } : { status: 503, json: { status: 'not ready', missing } }
}

const PAGES: ReadonlyMap<string, Page> = new Map([['/health', alive], ['/health/live', alive], ['/health/ready', ready]])

function send(exchange: Exchange, status: number, json: object, fields: readonly string[]): void {
  const text = Buffer.from(JSON.stringify(json))
  const head = ['Content-Type', 'application/json', 'Content-Length', String(text.length), 'Cache-Control', 'no-store', ...fields]
  exchange.answer(status, head, exchange.method === 'HEAD' ? Buffer.alloc(0) : text)
}

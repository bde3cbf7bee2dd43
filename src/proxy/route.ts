import { decodeLabel, HttpError, parseQuery, type Target } from '../http/index.ts'
import { canonicalQuery, encodeUri } from '../sigv4/index.ts'
import { type Operation, OPERATIONS } from './operations.ts'
import { Refusal } from './problem.ts'

/** What a request asks for, and its one canonical spelling: what was authorised is what is sent. */
export interface Route {
  readonly operation: Operation
  /** The first label, decoded: a model id for the operations on models. */
  readonly subject: string | undefined
  readonly path: string
  readonly query: readonly (readonly [string, string])[]
  /** Path and query as they go on the wire. */
  readonly target: string
}

interface Template {
  readonly operation: Operation
  readonly pattern: RegExp
  readonly upstream: readonly string[]
}

/** Templates by the first segment of their path. */
const TEMPLATES = new Map<string, Template[]>()
for (const operation of OPERATIONS) {
  const segment = firstSegment(operation.path)
  const parts = operation.path.split(/\{\w+\+?\}/)
  const template: Template = {
    operation,
    // A label takes all it can: the operation is what stands at the end of the path.
    pattern: new RegExp(`^${operation.path.replace(/\{\w+\+?\}/g, parts.length > 2 ? '(.+?)' : '(.+)')}$`),
    upstream: (operation.upstreamPath ?? operation.path).split(/(\{\w+\+?\})/),
  }
  TEMPLATES.set(segment, [...(TEMPLATES.get(segment) ?? []), template])
}

/**
 * Finds the operation of a request and spells its path anew.
 *
 * @throws Refusal - `UNKNOWN_OPERATION`, or `UNKNOWN_METHOD` with the methods there are.
 * @throws HttpError - `HTTP_BAD_LABEL`, `HTTP_BAD_QUERY`
 */
export function findRoute(method: string, target: Target): Route {
  if (target.query !== undefined || target.path.length > MAX_KNOWN_LENGTH) return search(method, target)
  const name = `${method} ${target.path}`
  let route = KNOWN.get(name)
  if (route !== undefined) return route
  if (KNOWN.size >= MAX_KNOWN) KNOWN.clear()
  KNOWN.set(name, route = search(method, target))
  return route
}

/** Routes that were found lately: clients name the same few models again and again. Strangers can fill it, and no more. */
const KNOWN = new Map<string, Route>()
const MAX_KNOWN = 1000
const MAX_KNOWN_LENGTH = 256

function search(method: string, { path, query }: Target): Route {
  const matching: Operation[] = []
  for (const { operation, pattern, upstream } of TEMPLATES.get(firstSegment(path)) ?? []) {
    const match = pattern.exec(path)
    if (match === null) continue
    if (operation.method === method) return spell(operation, upstream, match.slice(1), query)
    matching.push(operation)
  }
  if (matching.length === 0) throw new Refusal('UNKNOWN_OPERATION')
  throw new Refusal('UNKNOWN_METHOD', { allow: matching.map((operation) => operation.method).join(', ') })
}

function spell(operation: Operation, upstream: readonly string[], raw: readonly string[], query: string | undefined): Route {
  let next = 0
  const path = upstream.map((part) => {
    if (!part.startsWith('{')) return part
    const label = raw[next++]!
    return part.endsWith('+}') ? label.split('/').map(canonicalLabel).join('/') : canonicalLabel(label)
  }).join('')
  const pairs = operation.query === true ? parseQuery(query) : []
  const subject = raw[0] === undefined ? undefined : decodeLabel(raw[0])
  return { operation, subject, path, query: pairs, target: pairs.length === 0 ? path : `${path}?${canonicalQuery(pairs)}` }
}

/** The same with another model in its path: only that goes elsewhere, and what was decided stays as it was asked. */
export function routeTo(route: Route, model: string): Route {
  const path = route.operation.path.replace(/\{\w+\}/, encodeUri(model))
  return { ...route, path, target: path }
}

function canonicalLabel(raw: string): string {
  const label = decodeLabel(raw)
  // AWS has slashes in ARNs only. Elsewhere one is a path made to look like an id.
  if (label.includes('/') && !label.startsWith('arn:')) throw new HttpError('HTTP_BAD_LABEL', 'a label holds a slash')
  return encodeUri(label)
}

function firstSegment(path: string): string {
  const slash = path.indexOf('/', 1)
  return slash < 0 ? path : path.slice(0, slash)
}

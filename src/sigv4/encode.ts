import { SigV4Error } from './error.ts'

/** One name and its value: of a header, or of a query, decoded. */
export type Pair = readonly [name: string, value: string]

/**
 * Percent-encodes everything but the unreserved characters of RFC 3986 section 2.3, as UTF-8 and in upper-case hex.
 * `encodeUri('v1:0/a b')` is `v1%3A0%2Fa%20b`.
 *
 * @throws SigV4Error SIGV4_TEXT where the text holds half a surrogate pair, which has no UTF-8.
 */
export function encodeUri(text: string): string {
  if (typeof text !== 'string') throw new TypeError('text must be a string')
  try {
    return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
  } catch {
    throw new SigV4Error('SIGV4_TEXT', 'the text holds half a surrogate pair')
  }
}

/**
 * The canonical query: pairs encoded, sorted by name, then value (AWS General Reference, "Create a canonical request").
 * The same text goes on the wire, so that what is sent and what is signed cannot differ.
 */
export function canonicalQuery(query: readonly Pair[]): string {
  if (query.length === 0) return ''
  return query
    .map(([name, value]): Pair => [encodeUri(name), encodeUri(value)])
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
}

/**
 * The canonical path of every service but S3: the path that is on the wire, encoded once more, slashes kept.
 * `/model/x-v1%3A0/invoke` is signed as `/model/x-v1%253A0/invoke`.
 *
 * @throws SigV4Error SIGV4_PATH where the path could not stand on a request line; the query is no part of it.
 */
export function canonicalPath(path: string): string {
  if (!WIRE_PATH.test(path)) throw new SigV4Error('SIGV4_PATH', 'the path must begin with "/" and be printable ASCII without "?" and "#"')
  return encodeUri(path).replaceAll('%2F', '/') // a %2F of the wire reads %252F by now
}

/**
 * The path without empty, `.` and `..` segments, as AWS clients sign it. For those who must sign such a path as it comes;
 * a path of our own never holds one. `//a/./b/../c/` becomes `/a/c/`.
 */
export function normalizePath(path: string): string {
  const kept: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop()
    else if (segment !== '' && segment !== '.') kept.push(segment)
  }
  return kept.length === 0 ? '/' : `/${kept.join('/')}${path.endsWith('/') ? '/' : ''}`
}

// A space is let through: the official suite signs one, and Node refuses to send it.
const WIRE_PATH = /^\/[ !"$->@-~]*$/

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

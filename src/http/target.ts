import { HttpError } from './errors.ts'

/** An origin-form request target (RFC 9112 §3.2.1), still as it was spelt. */
export interface Target {
  readonly path: string
  /** What stands behind the first `?`, or `undefined` without one. */
  readonly query: string | undefined
}

const MAX_TARGET_LENGTH = 8192
/** The service models of Bedrock know no longer identifier. */
const MAX_LABEL_LENGTH = 2048

/**
 * Takes a request target apart without decoding anything. `new URL()` is never used: it moves hosts and folds dots.
 *
 * @throws HttpError - `HTTP_BAD_TARGET` for absolute form, `//host`, `*`, fragments, backslashes and what is not visible ASCII.
 */
export function parseTarget(raw: string): Target {
  if (raw.length > MAX_TARGET_LENGTH) throw new HttpError('HTTP_BAD_TARGET', 'the request target is too long')
  if (raw.charCodeAt(0) !== 0x2f || raw.charCodeAt(1) === 0x2f) throw new HttpError('HTTP_BAD_TARGET', 'the request target is not a path')
  if (!/^[\x21\x22\x24-\x5b\x5d-\x7e]*$/.test(raw)) throw new HttpError('HTTP_BAD_TARGET', 'the request target holds a character it cannot')
  const mark = raw.indexOf('?')
  return mark < 0 ? { path: raw, query: undefined } : { path: raw.slice(0, mark), query: raw.slice(mark + 1) }
}

/** The path below a prefix, which is empty or begins with a slash; `undefined` where it is elsewhere. */
export function belowBase(path: string, base: string): string | undefined {
  return path.startsWith(`${base}/`) ? path.slice(base.length) : undefined
}

/**
 * Decodes one label of a path, such as a model id, exactly once.
 *
 * What still holds `%`, a control character, `\`, `?`, `#`, or an empty, `.` or `..` segment could be read
 * differently by a second parser, so it is refused.
 *
 * @throws HttpError - `HTTP_BAD_LABEL`
 */
export function decodeLabel(raw: string): string {
  const label = percentDecode(raw, 'HTTP_BAD_LABEL')
  if (label.length > MAX_LABEL_LENGTH) throw new HttpError('HTTP_BAD_LABEL', 'a label is too long')
  if (/[\x00-\x1f\x7f-\x9f%\\?#]/.test(label)) throw new HttpError('HTTP_BAD_LABEL', 'a label holds a character it cannot')
  for (const segment of label.split('/')) {
    if (segment === '' || segment === '.' || segment === '..') throw new HttpError('HTTP_BAD_LABEL', 'a label holds an empty or dot segment')
  }
  return label
}

/**
 * Query string → decoded pairs, in their order. `+` is a plus, as in RFC 3986: AWS's pagination tokens are base64.
 *
 * @throws HttpError - `HTTP_BAD_QUERY`
 */
export function parseQuery(query: string | undefined): [string, string][] {
  if (query === undefined || query === '') return []
  return query.split('&').filter((part) => part !== '').map((part) => {
    const equals = part.indexOf('=')
    const [name, value] = equals < 0 ? [part, ''] : [part.slice(0, equals), part.slice(equals + 1)]
    const decoded = percentDecode(name, 'HTTP_BAD_QUERY')
    // A signature, or a token, in the query: nothing but headers may say who signs.
    if (decoded.toLowerCase().startsWith('x-amz-')) throw new HttpError('HTTP_BAD_QUERY', 'the query holds a parameter of signatures')
    return [decoded, percentDecode(value, 'HTTP_BAD_QUERY')]
  })
}

function percentDecode(text: string, code: 'HTTP_BAD_LABEL' | 'HTTP_BAD_QUERY'): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    throw new HttpError(code, 'percent-encoding is malformed')
  }
}

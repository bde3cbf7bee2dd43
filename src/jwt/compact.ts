import { JsonError, parseJson } from '../json/index.ts'
import { decodeBase64url } from './base64url.ts'
import { JwtError } from './error.ts'

/** A JOSE header whose `alg`, and `kid` if there is one, are strings; nothing else in it is of use. */
export interface JoseHeader {
  readonly alg: string
  readonly kid?: string
  readonly [name: string]: unknown
}

/** A token taken apart; nothing of it is verified yet. */
export interface Compact {
  readonly header: JoseHeader
  readonly payload: Buffer
  readonly signature: Buffer
  /** What the signature is made over: the first two parts and the dot between them. */
  readonly signingInput: Buffer
}

/** Claims as they stand in the payload: a JSON object of any content. */
export type Claims = Readonly<Record<string, unknown>>

const MAX_BYTES = 8192
const MAX_DEPTH = 16

/**
 * Takes a compact JWS (RFC 7515 section 7.1) apart, in the one spelling it has. Its size is looked at before anything else.
 *
 * The header parameters that could name or carry a key (`jku`, `jwk`, `x5u`, `x5c`, …) are never read. Those that would
 * change what the payload means (`crit`, `b64`, `zip`, `enc`, a nested `cty`) are refused (RFC 8725 section 3.10).
 *
 * @throws JwtError - for anything wrong with the token.
 */
export function parseCompact(token: string, maxBytes = MAX_BYTES): Compact {
  if (typeof token !== 'string') throw new TypeError('a token is a string')
  if (token.length > maxBytes) throw new JwtError('JWT_TOO_LARGE', 'the token is too large')
  const parts = token.split('.', 4)
  const [header, payload, signature] = parts.map(decodeBase64url)
  if (parts.length !== 3 || header === undefined || payload === undefined || signature === undefined) {
    throw new JwtError('JWT_MALFORMED', 'the token is not three base64url parts with two dots between them')
  }
  const signingInput = Buffer.from(token.slice(0, token.lastIndexOf('.')), 'latin1')
  return { header: checkHeader(parseObject(header)), payload, signature, signingInput }
}

/**
 * The claims of a token (RFC 7519 section 7.2, step 10). They are what its sender says, no more, until `verifyCompact`
 * has passed: read the issuer from them to choose the keys, and trust nothing else.
 */
export const parseClaims = (compact: Compact): Claims => parseObject(compact.payload)

function parseObject(bytes: Buffer): Claims {
  const value = tryJson(bytes)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Claims
  throw new JwtError('JWT_MALFORMED', 'a part of the token is not a JSON object')
}

function tryJson(bytes: Buffer): unknown {
  try {
    return parseJson(bytes, { maxDepth: MAX_DEPTH })
  } catch (error) {
    if (error instanceof JsonError) throw new JwtError('JWT_MALFORMED', 'a part of the token is not strict JSON')
    throw error
  }
}

function checkHeader(header: Claims): JoseHeader {
  if (typeof header.alg !== 'string') throw new JwtError('JWT_MALFORMED', '"alg" is not a string')
  if (header.kid !== undefined && typeof header.kid !== 'string') throw new JwtError('JWT_MALFORMED', '"kid" is not a string')
  for (const name of ['crit', 'b64', 'zip', 'enc']) {
    if (header[name] !== undefined) throw new JwtError('JWT_HEADER_UNSUPPORTED', 'a header parameter asks for what is not supported')
  }
  if (mediaType(header.typ) !== 'jwt' && mediaType(header.typ) !== 'at+jwt') {
    throw new JwtError('JWT_HEADER_UNSUPPORTED', '"typ" is neither "JWT" nor "at+jwt"')
  }
  if (header.cty !== undefined && mediaType(header.cty) === 'jwt') {
    throw new JwtError('JWT_HEADER_UNSUPPORTED', '"cty" says that another token is nested')
  }
  return header as JoseHeader
}

/** RFC 7515 section 4.1.9: no case, and "application/" may be left out; without a "typ" a JWT is expected here. */
const mediaType = (value: unknown = 'jwt'): unknown =>
  typeof value === 'string' ? value.toLowerCase().replace(/^application\//, '') : undefined

import { createHmac, randomBytes } from 'node:crypto'

export const ISSUER = 'https://login.interop.test'
export const JWT_SECRET = randomBytes(48).toString('base64')

const nowS = Math.floor(Date.now() / 1000)

/** What a caller can hold in the hand. `none` is no token at all. */
export const TOKENS = {
  good: mint(JWT_SECRET, { iss: ISSUER, sub: 'alice', groups: ['engineering'], iat: nowS, exp: nowS + 3600 }),
  forged: mint('another secret that is long enough for HS256', { iss: ISSUER, sub: 'alice', iat: nowS, exp: nowS + 3600 }),
  expired: mint(JWT_SECRET, { iss: ISSUER, sub: 'alice', iat: nowS - 7200, exp: nowS - 3600 }),
  none: undefined,
} as const

/** An HS256 token (RFC 7515 §3.3), made without the code that it is to try. */
function mint(secret: string, claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

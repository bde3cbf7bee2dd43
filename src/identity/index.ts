/** Who calls: issuers, the keys to check their tokens with, and what a token says of its bearer. */
export { Authenticator, type IssuerStatus } from './authenticator.ts'
export type { Caller, ClaimNames } from './caller.ts'
export { type KeyCopies, type KeyCopy, keyCopies } from './copies.ts'
export { IdentityError, type IdentityErrorCode } from './errors.ts'
export { type Get, httpGet } from './fetch.ts'
export { type IssuerOptions, type TrustedIssuer, trustedIssuers } from './issuer.ts'
export type { World } from './remote.ts'

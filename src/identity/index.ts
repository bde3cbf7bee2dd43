export { Authenticator, type AuthenticatorOptions } from './authenticator.ts'
export type { Caller, ClaimNames } from './caller.ts'
export { IdentityError, type IdentityErrorCode } from './errors.ts'
export { type KeyMaterial, SECRET_COMMAND, trustedKeys, type TrustedKeys } from './keys.ts'

/** An OpenID Connect client: sign-in through a browser, on another device, and refresh. */
export type { Ask } from './ask.ts'
export type { Transaction } from './authorization.ts'
export { type ClientOptions, type SignedIn, SsoClient, type SsoWorld } from './client.ts'
export type { DeviceCode } from './device.ts'
export { SsoError, type SsoErrorCode } from './error.ts'
export { type Loopback, openLoopback } from './loopback.ts'

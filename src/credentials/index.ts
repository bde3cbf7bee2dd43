/** AWS credentials of this host: who has some, and how they stay fresh. */
export { type ChainOptions, credentialChain, type HostCredentials } from './chain.ts'
export { type HttpClient, httpClient } from './http.ts'
export { type Asked, type Credentials, CredentialsError, type CredentialsErrorCode, type CredentialSource } from './source.ts'
export { type CredentialPlace, credentialPlaces, rolePlace } from './places.ts'
export { type RoleRule, RoleSessions, roleSessionOf } from './roles.ts'
export { type Run, runProcess } from './process.ts'
export { configuredEndpoint, type SdkSetting, sdkSetting } from './shared.ts'
export { type Files, hostFiles, type Shared, type Sight } from './world.ts'

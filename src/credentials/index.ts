export { type Credentials, CredentialsError, type CredentialSource } from './source.ts'
export { staticCredentials } from './static.ts'

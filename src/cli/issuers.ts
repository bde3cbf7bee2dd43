import type { Config } from '../config/index.ts'

export type ConfiguredIssuer = Omit<Config['jwt'], 'issuers' | 'cache_folder' | 'revocation_file'>

/** The issuers of the list, or else the one at the top, each with its key. */
export function issuersOf({ issuers, ...one }: Config['jwt']): readonly (readonly [key: string, issuer: ConfiguredIssuer])[] {
  return issuers.length === 0 ? [['jwt', one]] : issuers.map((issuer, i) => [`jwt.issuers[${i}]`, issuer])
}

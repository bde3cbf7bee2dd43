import type { Config } from '../config/index.ts'
import { type Get, httpGet, type IssuerOptions, type Reach } from '../identity/index.ts'
import { egressProxy, placeOf, UpstreamClient } from '../upstream/index.ts'

export type ConfiguredIssuer = Omit<Config['jwt'], 'issuers' | 'cache_folder' | 'revocation_file'>

/** The issuers of the list, or else the one at the top, each with its key. */
export function issuersOf({ issuers, ...one }: Config['jwt']): readonly (readonly [key: string, issuer: ConfiguredIssuer])[] {
  return issuers.length === 0 ? [['jwt', one]] : issuers.map((issuer, i) => [`jwt.issuers[${i}]`, issuer])
}

const CONNECT_MS = 5000

/** How an issuer is reached: directly, or through its egress proxy. */
export function reachOf({ ca, proxyUrl }: Pick<IssuerOptions, 'ca' | 'proxyUrl'>): Reach {
  if (proxyUrl === undefined) return { ca }
  const road = new UpstreamClient({ connectMs: CONNECT_MS, firstByteMs: CONNECT_MS, idleMs: CONNECT_MS, ca, proxy: egressProxy(proxyUrl) })
  return { connect: (url) => road.connect(placeOf(url)) }
}

/** What the keys of an issuer are fetched with. */
export const issuerGet = (issuer: Pick<IssuerOptions, 'ca' | 'proxyUrl'>): Get => httpGet(reachOf(issuer))

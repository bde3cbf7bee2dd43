import { isAtHostOf } from '../http/index.ts'
import { parseJson } from '../json/index.ts'
import { IdentityError, notAmong } from './errors.ts'
import type { Get } from './fetch.ts'

/** Where an issuer describes itself (OpenID Connect Discovery 1.0 section 4.1). */
export const descriptionOf = (issuer: string): string => `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`

/**
 * Asks an issuer where its keys are.
 *
 * @param namedHosts - Where that may be, besides its own host; without them anywhere.
 * @throws IdentityError, JsonError - what is wrong with its description, or with the way there.
 */
export async function discoverKeys(issuer: string, namedHosts: readonly string[] | undefined, get: Get, signal: AbortSignal): Promise<string> {
  const { bytes } = await get(descriptionOf(issuer), signal)
  const { issuer: named, jwks_uri: url } = Object(parseJson(bytes)) as Readonly<Record<string, unknown>>
  // Section 4.3: exactly the same, or one issuer could speak for another.
  if (named !== issuer) throw new IdentityError('IDENTITY_DISCOVERY_MISMATCH', 'the issuer describes itself by another name', notAmong('issuer', named, [issuer]))
  if (typeof url !== 'string') throw new IdentityError('IDENTITY_DISCOVERY_INCOMPLETE', 'the issuer does not say where its keys are')
  // Who is reached over TLS has no business on the plain ports of this host.
  if (issuer.startsWith('https:') && !url.startsWith('https:')) throw new IdentityError('IDENTITY_URL_REFUSED', 'the keys of the issuer are at a URL without TLS')
  if (namedHosts !== undefined && !(URL.canParse(url) && isAtHostOf(url, issuer, namedHosts))) throw new IdentityError('IDENTITY_URL_REFUSED', 'the keys of the issuer are at a host that jwt.named_hosts does not hold', notAmong('jwks_uri', url, namedHosts))
  return url
}

import { createSecureContext, type SecureContextOptions } from 'node:tls'

/** A certificate with its chain, and its key, as PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
  /** The authorities one of which must have signed a client's own certificate; without them none is asked for. */
  readonly clientCa?: string | undefined
}

/** What OpenSSL needs to speak TLS with it. */
export function contextOf({ cert, key, clientCa }: Certificate): SecureContextOptions {
  return { cert, key, ca: clientCa, minVersion: 'TLSv1.2' }
}

/** Whether TLS can be spoken with it: the chain whole, the key its own. Shown to a server that runs, any other would end it. */
export function isUsable(certificate: Certificate): boolean {
  try {
    createSecureContext(contextOf(certificate))
    return true
  } catch {
    return false
  }
}

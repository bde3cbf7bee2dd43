import { createSecureContext } from 'node:tls'

/** A certificate with its chain, and its key, as PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** Whether TLS can be spoken with it: the chain whole, the key its own. Shown to a server that runs, any other would end it. */
export function isUsable(certificate: Certificate): boolean {
  try {
    createSecureContext({ ...certificate })
    return true
  } catch {
    return false
  }
}

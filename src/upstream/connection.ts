import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectTls, type SecureContext } from 'node:tls'
import type { Endpoint } from './endpoint.ts'

/**
 * Begins to connect to an endpoint.
 *
 * @param trust - What is trusted over TLS. Always given, so that no environment variable decides it.
 * @param protocol - The one protocol offered by ALPN.
 */
export function connectTo({ hostname: host, port, secure }: Endpoint, trust: SecureContext, protocol: 'http/1.1' | 'h2'): Socket {
  const socket = secure
    ? connectTls({
        host, port, secureContext: trust, rejectUnauthorized: true, minVersion: 'TLSv1.2', ALPNProtocols: [protocol],
        ...(isIP(host) === 0 && { servername: host }),
      })
    : connectPlain({ host, port })
  socket.setNoDelay(true)
  socket.setKeepAlive(true, 30_000)
  return socket
}

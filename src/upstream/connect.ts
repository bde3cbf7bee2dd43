import { connect as connectPlain, isIP, type LookupFunction, type Socket } from 'node:net'
import { connect as connectTls, type SecureContext } from 'node:tls'
import { requirePrivate } from './addresses.ts'
import { UpstreamError } from './errors.ts'
import { type EgressProxy, isNear, openTunnel, type Place } from './tunnel.ts'

/** How connections are made. */
export interface Road {
  /** For all of it: the proxy, its tunnel, TLS. */
  readonly connectMs: number
  /** What is trusted over TLS. Always given, so that no environment variable decides it. */
  readonly trust: SecureContext
  readonly proxy?: EgressProxy | undefined
  /** Where only private addresses may be dialled: the lookup that knows no others. */
  readonly privateLookup?: LookupFunction | undefined
}

/** What is spoken over TLS: the one protocol offered by ALPN. */
export type Protocol = 'http/1.1' | 'h2'

/**
 * A connection that is ready for its first request: through the egress proxy where there is one and the place is not near,
 * and with TLS done, to the very place, where it speaks TLS.
 *
 * @throws UpstreamError - `UPSTREAM_UNREACHABLE`, `UPSTREAM_CONNECT_TIMEOUT`, `UPSTREAM_PUBLIC_ADDRESS`
 */
export async function connect(place: Place, { connectMs, proxy, ...road }: Road, protocol: Protocol = 'http/1.1'): Promise<Socket> {
  const deadline = new AbortController()
  const timer = setTimeout(() => deadline.abort(), connectMs)
  try {
    if (proxy === undefined || isNear(place.hostname)) return await dial(place, road, protocol, deadline.signal)
    const bare = await dial(proxy, road, 'http/1.1', deadline.signal).catch((error) => { throw named('no connection to the egress proxy could be made', error) })
    return await dial(place, road, protocol, deadline.signal, await openTunnel(bare, place, proxy))
  } catch (error) {
    if (deadline.signal.aborted) throw new UpstreamError('UPSTREAM_CONNECT_TIMEOUT', 'no connection within the connect timeout')
    throw named('no connection could be made', error)
  } finally {
    clearTimeout(timer)
  }
}

const named = (message: string, error: unknown): UpstreamError => (error instanceof UpstreamError ? error : new UpstreamError('UPSTREAM_UNREACHABLE', message, error))

/** @param through - A tunnel to the place, in place of a connection of its own. */
async function dial({ hostname: host, port, path, secure }: Place, { trust, privateLookup: lookup }: Omit<Road, 'connectMs' | 'proxy'>, protocol: Protocol, deadline: AbortSignal, through?: Socket): Promise<Socket> {
  if (through !== undefined && !secure) return through
  // Behind a tunnel the addresses are the proxy's business.
  if (lookup !== undefined && through === undefined && path === undefined) requirePrivate(host)
  const checked = lookup !== undefined && { lookup }
  const socket = secure
    ? connectTls({
        host, port, secureContext: trust, rejectUnauthorized: true, minVersion: 'TLSv1.2', ALPNProtocols: [protocol], ...checked,
        ...(isIP(host) === 0 && { servername: host }), ...(through !== undefined && { socket: through }),
      })
    : connectPlain(path === undefined ? { host, port, ...checked } : { path })
  socket.setNoDelay(true)
  socket.setKeepAlive(true, 30_000)
  deadline.addEventListener('abort', () => socket.destroy())
  // 'error' is heard for good: an idle connection has no request to do so, nor has what lies under TLS. 'close' always follows.
  await new Promise<void>((resolve, reject) => socket.once(secure ? 'secureConnect' : 'connect', resolve).on('error', reject).once('close', reject))
  return socket
}

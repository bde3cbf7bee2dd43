import { lookup } from 'node:dns/promises'
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net'
import { UpstreamError } from './errors.ts'

/**
 * What a host name stands for here.
 *
 * @throws UpstreamError - `UPSTREAM_UNREACHABLE`
 */
export async function addressesOf(hostname: string): Promise<readonly string[]> {
  try {
    return (await lookup(hostname, { all: true })).map(({ address }) => address)
  } catch (error) {
    throw new UpstreamError('UPSTREAM_UNREACHABLE', 'the name is not found', error)
  }
}

// RFC 1918, RFC 6598, loopback and link-local; RFC 4193 and their like of IPv6.
const PRIVATE = new BlockList()
for (const [network, bits] of [['10.0.0.0', 8], ['172.16.0.0', 12], ['192.168.0.0', 16], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16]] as const) PRIVATE.addSubnet(network, bits)
for (const [network, bits] of [['fc00::', 7], ['fe80::', 10], ['::1', 128]] as const) PRIVATE.addSubnet(network, bits, 'ipv6')

/** Whether an address is of a network of one's own, as those of VPC endpoints are. */
export const isPrivate = (address: string): boolean => PRIVATE.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')

/** Finds the addresses of a name, at least one. */
export type Resolve = (hostname: string, options: { readonly all: true; readonly family?: number; readonly hints?: number }) => Promise<readonly { readonly address: string; readonly family: number }[]>

/**
 * A `lookup` for sockets that knows private addresses only. The socket dials what it is given here, so nothing can change between
 * the check and the connection. A name with one public address is refused whole: the socket chooses among them.
 */
export function privateLookup(resolve: Resolve = (hostname, options) => lookup(hostname, options)): LookupFunction {
  return (hostname, { all, family, hints }, done) => {
    const wanted = { all: true, ...(typeof family === 'number' && { family }), ...(hints !== undefined && { hints }) } as const
    resolve(hostname, wanted).then((found) => {
      for (const { address } of found) requirePrivate(address)
      if (all === true) done(null, [...found])
      else done(null, found[0]!.address, found[0]!.family)
    }).catch((error: Error) => done(error, ''))
  }
}

/**
 * Looks at a host that is an address itself: sockets look up none.
 *
 * @throws UpstreamError - `UPSTREAM_PUBLIC_ADDRESS`
 */
export function requirePrivate(hostname: string): void {
  if (isIP(hostname) !== 0 && !isPrivate(hostname)) throw new UpstreamError('UPSTREAM_PUBLIC_ADDRESS', 'only private addresses are allowed', new Error(hostname))
}

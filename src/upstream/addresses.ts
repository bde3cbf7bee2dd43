import { lookup } from 'node:dns/promises'
import { BlockList, isIPv6 } from 'node:net'
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

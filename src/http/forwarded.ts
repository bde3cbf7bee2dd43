/** A block of addresses: those that begin with the first `bits` of `address`. */
export interface Network {
  readonly address: bigint
  readonly bits: number
}

const ADDRESS_BITS = 128
/** RFC 4291 §2.5.5.2: `::ffff:192.0.2.1` and `192.0.2.1` are one address, so IPv4 is held as the IPv6 that it maps to. */
const MAPPED = 0xffffn << 32n
const MAPPED_BITS = 96
/** More proxies than stand in any row; a client within the trusted blocks could name thousands. */
const MAX_HOPS = 32

/**
 * Reads an address (`192.0.2.1`) or a block in CIDR notation (`10.0.0.0/8`, `2001:db8::/32`).
 *
 * @returns `undefined` for anything else, and for a block whose address goes on behind its prefix: `10.1.2.3/8` says two things.
 */
export function parseNetwork(text: string): Network | undefined {
  const [, address, prefix] = /^([^/]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? []
  const parsed = address === undefined ? undefined : parseAddress(address)
  if (parsed === undefined) return undefined
  const bits = prefix === undefined ? ADDRESS_BITS : Number(prefix) + (address!.includes(':') ? 0 : MAPPED_BITS)
  if (bits > ADDRESS_BITS || BigInt.asUintN(ADDRESS_BITS - bits, parsed) !== 0n) return undefined
  return { address: parsed, bits }
}

/**
 * Where a request comes from: the peer, or, where the peer is a trusted proxy, whom it says it speaks for; and so on
 * from right to left as long as the one who says it is trusted. What a client writes into these headers itself stands
 * to the left of what a proxy adds, and counts for nothing. What is no address ends the walk at who wrote it.
 *
 * @param fields - Header lines as flat name, value pairs.
 * @returns An address without port or brackets, spelt as RFC 5952 has it.
 */
export function sourceOf(peer: string, fields: readonly string[], trusted: readonly Network[]): string {
  const source = peer.startsWith('::ffff:') && peer.includes('.') ? peer.slice('::ffff:'.length) : peer
  if (trusted.length === 0 || !isIn(trusted, source)) return source
  const listed = walk(source, elements(fields, 'x-forwarded-for'), nodeOf, trusted)
  const forwarded = walk(source, elements(fields, 'forwarded'), forOf, trusted)
  // A proxy keeps one of the two. Where both speak and differ, one is the client's own, and nobody knows which.
  if (listed === source) return forwarded
  return forwarded === source || forwarded === listed ? listed : source
}

function walk(source: string, claimed: readonly string[], read: (element: string) => string | undefined, trusted: readonly Network[]): string {
  let reached = source
  for (const element of claimed.slice(-MAX_HOPS).reverse()) {
    if (!isIn(trusted, reached)) return reached
    const hop = read(element)
    if (hop === undefined) return reached
    reached = hop
  }
  return reached
}

/** All lines of a field are one list, from left to right. */
function elements(fields: readonly string[], name: string): string[] {
  return fields.flatMap((field, i) => (i % 2 === 0 && field.toLowerCase() === name ? fields[i + 1]!.split(',') : []))
}

/** `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]` and `[2001:db8::1]:4711` → the address. */
function nodeOf(text: string): string | undefined {
  const [, bracketed, dotted, bare] = /^[ \t]*(?:\[([^\]]+)\](?::\d{1,5})?|([\d.]+)(?::\d{1,5})?|([^[\] \t]+))[ \t]*$/.exec(text) ?? []
  const address = parseAddress(bracketed ?? dotted ?? bare ?? '')
  return address === undefined ? undefined : formatAddress(address)
}

/**
 * RFC 7239 §4: the `for` of one element. Elements are cut at every comma, so quotes that a client left open swallow nothing
 * that comes after them; a value that holds a comma or semicolon of its own is in pieces then, none of which is well-formed.
 */
function forOf(element: string): string | undefined {
  const nodes: (string | undefined)[] = []
  for (const pair of element.split(';')) {
    const [, name, , value] = /^[ \t]*([!#$%&'*+.^_`|~\w-]+)=("?)([^"\\]*)\2[ \t]*$/.exec(pair) ?? []
    if (name === undefined) return undefined
    if (name.toLowerCase() === 'for') nodes.push(nodeOf(value!))
  }
  return nodes.length === 1 ? nodes[0] : undefined
}

function isIn(networks: readonly Network[], text: string): boolean {
  const address = parseAddress(text)
  return address !== undefined && networks.some((network) => {
    const rest = BigInt(ADDRESS_BITS - network.bits)
    return address >> rest === network.address >> rest
  })
}

function parseAddress(text: string): bigint | undefined {
  const [, before = '', dotted] = /^(.*:)?(\d+\.\d+\.\d+\.\d+)$/.exec(text) ?? []
  if (dotted === undefined) return parseGroups(text)
  const v4 = parseIpv4(dotted)
  if (v4 === undefined) return undefined
  return before === '' ? MAPPED | v4 : parseGroups(`${before}${(v4 >> 16n).toString(16)}:${(v4 & 0xffffn).toString(16)}`)
}

// No leading zeros: some parsers take them for octal.
function parseIpv4(text: string): bigint | undefined {
  const octets = text.split('.')
  if (!octets.every((octet) => /^(0|[1-9]\d{0,2})$/.test(octet) && Number(octet) < 256)) return undefined
  return octets.reduce((address, octet) => (address << 8n) | BigInt(octet), 0n)
}

function parseGroups(text: string): bigint | undefined {
  const [head, tail, ...more] = text.split('::').map((half) => (half === '' ? [] : half.split(':')))
  const missing = 8 - head!.length - (tail?.length ?? 0)
  if (more.length > 0 || (tail === undefined ? missing !== 0 : missing < 1)) return undefined
  const groups = [...head!, ...Array<string>(missing).fill('0'), ...(tail ?? [])]
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined
  return BigInt(`0x${groups.map((group) => group.padStart(4, '0')).join('')}`)
}

function formatAddress(address: bigint): string {
  if (address >> 32n === MAPPED >> 32n) return [24n, 16n, 8n, 0n].map((shift) => (address >> shift) & 255n).join('.')
  const groups = address.toString(16).padStart(32, '0').replace(/.{4}(?=.)/g, '$&:')
  // WHATWG URLs spell an address as RFC 5952 does.
  return new URL(`http://[${groups}]`).hostname.slice(1, -1)
}

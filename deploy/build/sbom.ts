import { createHash } from 'node:crypto'
import type { NodeBuild } from './flavours.ts'
import { PARTS, VERSIONS } from './parts.ts'

export interface Shipment {
  readonly version: string
  /** Lines as `sha256sum` writes them. */
  readonly sums: readonly string[]
  readonly nodes: readonly { readonly node: NodeBuild; readonly sha256: string }[]
}

/**
 * A bill of materials, CycloneDX 1.6: what is shipped, the builds of Node inside, and their parts. Our own code has no other.
 * Without a time and with a number that follows from the hashes, so that the same build has the same bill.
 */
export function billOfMaterials({ version, sums, nodes }: Shipment): string {
  const ours = `pkg:generic/bedrock-sso-proxy@${version}`
  const bill = {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(sums.join(''))}`,
    version: 1,
    metadata: {
      component: {
        type: 'application', 'bom-ref': ours, name: 'bedrock-sso-proxy', version, purl: ours,
        components: sums.map((line) => fileOf(line)),
      },
    },
    components: nodes.map(({ node, sha256 }) => nodeOf(node, sha256)),
    dependencies: [
      { ref: ours, dependsOn: nodes.map(({ node }) => refOf(node)) },
      ...nodes.map(({ node }) => ({ ref: refOf(node), dependsOn: partsOf(node).map((part) => part['bom-ref']) })),
    ],
  }
  return `${JSON.stringify(bill, undefined, 2)}\n`
}

function fileOf(line: string) {
  const [hash, name] = line.trimEnd().split('  ') as [string, string]
  return { type: 'file', 'bom-ref': `file:${name}`, name, hashes: [{ alg: 'SHA-256', content: hash }] }
}

function nodeOf(node: NodeBuild, sha256: string) {
  return {
    ...component(refOf(node), { name: 'node', licence: 'MIT', cpe: 'nodejs:node.js' }, node.version),
    purl: refOf(node), hashes: [{ alg: 'SHA-256', content: sha256 }], components: partsOf(node),
  }
}

function partsOf(node: NodeBuild) {
  return Object.entries(VERSIONS[node.version]!).map(([key, version]) => {
    const part = PARTS[key]!
    return { ...component(`${refOf(node)}#${part.name}`, part, version), purl: `pkg:generic/${part.name}@${version}` }
  })
}

function component(ref: string, { name, licence, cpe }: (typeof PARTS)[string], version: string) {
  const known = cpe === undefined ? {} : { cpe: `cpe:2.3:a:${cpe}:${version.split('-')[0]}:*:*:*:*:*:*:*` }
  return { type: 'library', 'bom-ref': ref, name, version, licenses: [{ license: { id: licence } }], ...known }
}

const refOf = ({ package: name, version }: NodeBuild): string => `pkg:npm/${name}@${version}`

/** A UUID that a text has for ever; RFC 9562 §5.8. */
function uuidOf(text: string): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x80
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  return bytes.toString('hex').replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

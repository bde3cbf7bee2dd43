import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { blobOf } from './blob.ts'
import { inject } from './elf.ts'
import { type Flavour, FLAVOURS, majorOf } from './flavours.ts'
import { link } from './link.ts'
import { officialNode, type OfficialNode, run } from './nodes.ts'
import { billOfMaterials } from './sbom.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const ENTRY = 'bin/bedrock-sso-proxy.js'
/** The program as one file: it is in every binary, and beside them for whoever wants to read it or has a Node. */
export const PROGRAM = 'bedrock-sso-proxy.cjs'
const BILL = 'bedrock-sso-proxy.cdx.json'
const LICENCE = 'LICENSE.node'
const SUMS = 'SHA256SUMS'

/**
 * Builds everything that is shipped into `out`. The same sources give the same bytes, on any machine and in any folder.
 *
 * @param names - Flavours to build; all where none is named.
 */
export function build(out: string, names: readonly string[], tell: (line: string) => void): void {
  const flavours = FLAVOURS.filter(({ name }) => names.length === 0 || names.includes(name))
  const strange = names.find((name) => !flavours.some((flavour) => flavour.name === name))
  if (strange !== undefined) throw new Error(`${strange} is none of ${FLAVOURS.map(({ name }) => name).join(', ')}`)
  const program = compile()
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  const shipped: string[] = []
  const ship = (name: string, bytes: string | Buffer, mode = 0o644) => {
    writeFileSync(join(out, name), bytes, { mode })
    shipped.push(`${sha256(bytes)}  ${name}\n`)
    tell(`${name}  ${bytes.length} bytes`)
  }
  const nodes = new Map<Flavour['node'], OfficialNode>()
  for (const { node } of flavours) if (!nodes.has(node)) nodes.set(node, officialNode(node, join(ROOT, '.tmp', 'nodes')))
  ship(PROGRAM, program)
  ship(LICENCE, [...nodes.values()][0]!.licence)
  for (const flavour of flavours) ship(flavour.name, binaryOf(flavour, nodes.get(flavour.node)!.program, program), 0o755)
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
  ship(BILL, billOfMaterials({ version, sums: shipped, nodes: [...nodes].map(([node, { program: bytes }]) => ({ node, sha256: sha256(bytes) })) }))
  writeFileSync(join(out, SUMS), shipped.toSorted((a, b) => (a.slice(64) < b.slice(64) ? -1 : 1)).join(''))
}

/** The one right binary of a flavour. */
export function binaryOf({ node, options }: Flavour, official: Buffer, program: string): Buffer {
  return inject(official, blobOf({ name: PROGRAM, program, options }, majorOf(node)))
}

export const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** The program as one file: compiled and linked. */
export function compile(): string {
  const folder = join(ROOT, '.tmp', 'build', String(process.pid))
  try {
    run(process.execPath, [join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', join(ROOT, 'deploy', 'build'), '--outDir', folder])
    const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.js'))
    return link(new Map(paths.map((path) => [path.split(sep).join('/'), readFileSync(join(folder, path), 'utf8')])), ENTRY)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

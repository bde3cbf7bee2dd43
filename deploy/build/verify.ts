import { PROGRAM, binaryOf, sha256 } from './build.ts'
import { machineOf } from './elf.ts'
import { FLAVOURS } from './flavours.ts'

/** What is to be compared: a binary, the official Node it is said to be made of, and the program it is said to run. */
export interface Claim {
  readonly binary: Buffer
  readonly node: Buffer
  readonly program: string
}

/** Whether a binary is what it is said to be, and lines for people that say so. */
export interface Verdict {
  readonly good: boolean
  readonly lines: readonly string[]
}

/** Makes each binary there could be out of the two parts, and compares byte by byte: one of them is this one, or none is. */
export function verify({ binary, node, program }: Claim): Verdict {
  const flavour = FLAVOURS.find((one) => one.node.package.endsWith(`-${machineOf(node)}`) && binaryOf(one, node, program).equals(binary))
  if (flavour === undefined) return { good: false, lines: [`this is no binary of that Node and that program; ${differences(binary, node)}`] }
  return {
    good: true,
    lines: [
      `${flavour.name}: nothing but the official Node, ${PROGRAM} and these options`,
      `  Node     SHA-256 ${sha256(node)}; ${differences(binary, node)}`,
      `  program  SHA-256 ${sha256(program)}`,
      `  options  ${flavour.options.join(' ')}`,
    ],
  }
}

function differences(binary: Buffer, node: Buffer): string {
  const { count, first } = comparison(binary, node)
  const shown = first.map((place) => `0x${place.toString(16)}`).join(' ')
  return `${count} of its ${node.length} bytes differ (${shown}), ${Math.max(0, binary.length - node.length)} are behind its end`
}

const BLOCK = 65_536
const SHOWN = 16

/** How many bytes of `node` are others in `binary`, and where the first of them are. */
function comparison(binary: Buffer, node: Buffer): { readonly count: number; readonly first: readonly number[] } {
  const first: number[] = []
  let count = 0
  for (let from = 0; from < node.length; from += BLOCK) {
    const end = Math.min(from + BLOCK, node.length)
    if (end <= binary.length && node.compare(binary, from, end, from, end) === 0) continue
    for (let i = from; i < end; i++) if (binary[i] !== node[i] && ++count <= SHOWN) first.push(i)
  }
  return { count, first }
}

/** Where in an ELF64 header the place and the number of program headers stand; elf(5). */
const PHOFF = 32
const PHENTSIZE = 54
const PHNUM = 56

/** Which processor the program is for, and how Node calls it. */
const MACHINE = 18
const MACHINES: Readonly<Record<number, string>> = { 0x3e: 'x64', 0xb7: 'arm64' }

/** Types and fields of a program header. */
const PT_LOAD = 1
const PT_NOTE = 4
const PT_PHDR = 6
const READABLE = 4

/** Node looks for its application only where the digit behind this is 1. */
const FUSE = Buffer.from('NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2:')
const NOTE_NAME = 'NODE_SEA_BLOB'

/** The largest page of any kernel the binary may meet. */
const PAGE = 0x10000

interface Segment {
  readonly type: number
  readonly offset: number
  readonly address: number
  readonly memoryBytes: number
  readonly header: Buffer
}

/**
 * Puts an application into a program of Node: a note behind its end, mapped by one more segment. Of the official bytes only the fuse, the
 * place and the number of program headers change.
 *
 * @param node - The official program, ELF64 little-endian.
 * @throws Error - where it is not one, or holds an application already.
 */
export function inject(node: Buffer, blob: Buffer): Buffer {
  const segments = segmentsOf(node)
  const loaded = segments.filter(({ type }) => type === PT_LOAD)
  const base = loaded[0]!.address - loaded[0]!.offset
  const end = Math.max(...loaded.map(({ address, memoryBytes }) => address + memoryBytes))
  // One distance between file and memory for all: old kernels find the program headers by that of the first segment.
  const offset = roundUp(Math.max(node.length, end - base), PAGE)
  const note = noteOf(blob)
  const tableBytes = roundUp((segments.length + 2) * segments[0]!.header.length, 64)
  const place = (type: number, from: number, bytes: number, align: number) => header({ type, offset: offset + from, address: base + offset + from, bytes, align })
  const table = segments.map(({ type, header: old }) => (type === PT_PHDR ? place(PT_PHDR, 0, tableBytes, 8) : old))
  table.splice(segments.indexOf(loaded.at(-1)!) + 1, 0, place(PT_LOAD, 0, tableBytes + note.length, PAGE))
  table.push(place(PT_NOTE, tableBytes, note.length, 4))
  const binary = Buffer.alloc(offset + tableBytes + note.length)
  for (const [bytes, at] of [[node, 0], [Buffer.concat(table), offset], [note, offset + tableBytes]] as const) bytes.copy(binary, at)
  binary.writeBigUInt64LE(BigInt(offset), PHOFF)
  binary.writeUInt16LE(table.length, PHNUM)
  binary[fuseOf(node)] = '1'.charCodeAt(0)
  return binary
}

/** The processor that a program is for, as `process.arch` has it. */
export const machineOf = (program: Buffer): string | undefined => MACHINES[program.readUInt16LE(MACHINE)]

function segmentsOf(node: Buffer): readonly Segment[] {
  if (node.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') throw new Error('this is no ELF64 program, little-endian')
  const at = Number(node.readBigUInt64LE(PHOFF))
  const bytes = node.readUInt16LE(PHENTSIZE)
  return Array.from({ length: node.readUInt16LE(PHNUM) }, (_, i) => {
    const part = node.subarray(at + i * bytes, at + (i + 1) * bytes)
    const field = (offset: number) => Number(part.readBigUInt64LE(offset))
    return { type: part.readUInt32LE(0), offset: field(8), address: field(16), memoryBytes: field(40), header: part }
  })
}

function header({ type, offset, address, bytes, align }: { type: number; offset: number; address: number; bytes: number; align: number }): Buffer {
  const made = Buffer.alloc(56)
  made.writeUInt32LE(type, 0)
  made.writeUInt32LE(READABLE, 4)
  for (const [i, value] of [offset, address, address, bytes, bytes, align].entries()) made.writeBigUInt64LE(BigInt(value), 8 + 8 * i)
  return made
}

function noteOf(blob: Buffer): Buffer {
  const name = Buffer.from(`${NOTE_NAME}\0`)
  const head = Buffer.alloc(12)
  head.writeUInt32LE(name.length, 0)
  head.writeUInt32LE(blob.length, 4)
  return Buffer.concat([head, padded(name), padded(blob)])
}

function fuseOf(node: Buffer): number {
  const at = node.indexOf(FUSE)
  const digit = at + FUSE.length
  if (at === -1 || node.indexOf(FUSE, digit) !== -1) throw new Error('this is no program of Node that can hold an application')
  if (node[digit] !== '0'.charCodeAt(0)) throw new Error('it holds an application already')
  return digit
}

const roundUp = (value: number, unit: number): number => Math.ceil(value / unit) * unit
const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(roundUp(bytes.length, 4) - bytes.length)])

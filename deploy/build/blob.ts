/** What Node finds in its own file: the program, and the options to run it with. */
export interface Application {
  /** Shown in stack traces. */
  readonly name: string
  readonly program: string
  readonly options: readonly string[]
}

const MAGIC = 0x0143da20
/** Bits of the flags, from src/node_sea.h: no warning that this is an experiment; options of Node are inside. */
const NO_WARNING = 1
const HAS_OPTIONS = 16
/** That neither the environment nor the command line adds options: execArgvExtension "none". */
const OPTIONS_ARE_ALL = 0
const COMMONJS = 0

/**
 * The blob that `node --experimental-sea-config` writes for the same application, byte for byte: little-endian, lengths of 64 bits before texts.
 *
 * @param major - Line of Node it is for: the format of 26 has one byte more than that of 24.
 */
export function blobOf({ name, program, options }: Application, major: number): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32LE(MAGIC, 0)
  head.writeUInt32LE(NO_WARNING | HAS_OPTIONS, 4)
  const kind = major >= 26 ? [OPTIONS_ARE_ALL, COMMONJS] : [OPTIONS_ARE_ALL]
  return Buffer.concat([head, Buffer.from(kind), text(name), text(program), length(options.length), ...options.map(text)])
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([length(bytes.length), bytes])
}

function length(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

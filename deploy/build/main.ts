import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { build, PROGRAM } from './build.ts'
import { verify } from './verify.ts'

const USAGE = `usage:
  build [--out FOLDER] [NAME…]
      builds the flavours that are named, or all, into FOLDER (dist), with SHA256SUMS and a bill of materials
  build verify FILE --node OFFICIAL [--program FILE]
      proves that a binary is the official Node, ${PROGRAM} (beside it, or --program) and baked options, and nothing else
`

process.exitCode = main(process.argv.slice(2))

function main(args: readonly string[]): number {
  const options = { out: { type: 'string', default: 'dist' }, node: { type: 'string' }, program: { type: 'string' }, help: { type: 'boolean' } } as const
  const { values, positionals: [first, file, ...more] } = parseArgs({ args: [...args], options, allowPositionals: true })
  if (values.help === true) return say(USAGE, 0)
  if (first !== 'verify') {
    build(values.out, [first, file, ...more].filter((name) => name !== undefined), (line) => process.stdout.write(`${line}\n`))
    return 0
  }
  if (file === undefined || values.node === undefined || more.length > 0) return say(USAGE, 64)
  const program = readFileSync(values.program ?? join(dirname(file), PROGRAM), 'utf8')
  const { good, lines } = verify({ binary: readFileSync(file), node: readFileSync(values.node), program })
  return say(`${lines.join('\n')}\n`, good ? 0 : 1)
}

function say(text: string, code: number): number {
  process.stdout.write(text)
  return code
}

import { createSecretKey } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { AuditError, type Finding, readHead, USAGE_KEYS, type UsageKey, type UsageRow, usage, verify } from '../audit/index.ts'
import { type Command, printable, type Terminal } from './command.ts'

const OPTIONS = {
  head: { type: 'string' }, key_file: { type: 'string' }, by: { type: 'string', default: 'user' }, json: { type: 'boolean' }, csv: { type: 'boolean' },
} as const

const EXIT_PROBLEMS = 1
/** Nothing can be said, for the files cannot be read or the question makes no sense. */
const EXIT_UNKNOWN = 2

export const audit: Command = {
  usage: 'audit verify FILE… [--head FILE|HASH] [--key_file FILE] | audit usage FILE… [--by user|group|model|day] [--json|--csv]',
  text: 'verify finds lines of the audit log that were changed, removed, moved or added (and, with a head, a cut tail) and ends with 1 where there are any; usage sums requests, tokens and cost',
  async run(args, process) {
    const { values, positionals: [act, ...files] } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
    const run = ACTS.get(act ?? '')
    try {
      if (run !== undefined && files.length > 0) return run(files, values, process)
      process.stderr.write(`usage: ${this.usage}\n`)
    } catch (error) {
      if (!(error instanceof AuditError) && !(error instanceof Error && 'syscall' in error)) throw error
      process.stderr.write(`${error.message}\n`)
    }
    return EXIT_UNKNOWN
  },
}

interface Values { readonly head?: string; readonly key_file?: string; readonly by: string; readonly json?: boolean; readonly csv?: boolean }

const ACTS: ReadonlyMap<string, (files: readonly string[], values: Values, process: Terminal) => number> = new Map([['verify', runVerify], ['usage', runUsage]])

function runVerify(files: readonly string[], values: Values, { stdout }: Terminal): number {
  const key = values.key_file === undefined ? undefined : createSecretKey(readFileSync(values.key_file, 'utf8').replace(/\r?\n$/, ''), 'utf8')
  const isHash = /^[0-9a-f]{12,64}$/.test(values.head ?? '') && !isThere(values.head!)
  const head = values.head === undefined || isHash ? values.head : readHead(values.head, key)
  const { problems, notes, problemCount, lines, first, last } = verify(files, { key, head })
  for (const problem of problems) stdout.write(`${described(problem)}\n`)
  for (const note of notes) stdout.write(`note: ${described(note)}\n`)
  stdout.write(`${lines} lines, ${first?.seq ?? 0} to ${last?.seq ?? 0} of the chain, head ${last?.hash ?? 'none'}: ${problemCount === 0 ? 'good' : `problems: ${problemCount}`}\n`)
  return problemCount === 0 ? 0 : EXIT_PROBLEMS
}

function isThere(path: string): boolean {
  try {
    return existsSync(path)
  } catch {
    // The permission model of Node lets nobody look there.
    return false
  }
}

const described = ({ file, line, what }: Finding): string => (file === '' ? what : `${file}:${line}: ${what}`)

function runUsage(files: readonly string[], { by, json, csv }: Values, { stdout, stderr }: Terminal): number {
  if (!(USAGE_KEYS as readonly string[]).includes(by)) {
    stderr.write(`--by is one of ${USAGE_KEYS.join(', ')}\n`)
    return EXIT_UNKNOWN
  }
  const { rows, unread } = usage(files, by as UsageKey)
  if (unread > 0) stderr.write(`${unread} lines cannot be read: see audit verify\n`)
  stdout.write(json === true ? `${JSON.stringify(rows, undefined, 2)}\n` : csv === true ? asCsv(rows) : asTable(rows))
  return 0
}

function asCsv(rows: readonly UsageRow[]): string {
  return cellsOf(rows).map((cells) => `${cells.map(csvCell).join(',')}\r\n`).join('')
}

/** RFC 4180. A text that a spreadsheet would run as a formula gets an apostrophe before it. */
function csvCell(cell: string): string {
  const harmless = /^[=+\-@]/.test(cell) && Number.isNaN(Number(cell)) ? `'${cell}` : cell
  return /[",;]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless
}

function asTable(rows: readonly UsageRow[]): string {
  const table = cellsOf(rows)
  const widths = (table[0] ?? []).map((_, i) => Math.max(...table.map((cells) => cells[i]!.length)))
  const isNumber = (i: number) => typeof Object.values(rows[0]!)[i] === 'number'
  return table.map((cells) => `${cells.map((cell, i) => (isNumber(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join('  ').trimEnd()}\n`).join('')
}

/** The names of the columns, then the rows. */
function cellsOf(rows: readonly UsageRow[]): string[][] {
  if (rows[0] === undefined) return []
  return [Object.keys(rows[0]), ...rows.map((row) => Object.values(row).map((value) => printable(String(value))))]
}

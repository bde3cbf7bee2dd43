import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { optionsTable } from '../../src/config/index.ts'

/** Rooms whose tests read configurations without serving with them. */
const SILENT = new Set(['config', 'guard', 'kit', 'bench', 'node_modules'])

const TESTS = join(import.meta.dirname, '..')
const sources = readdirSync(TESTS).filter((room) => !SILENT.has(room)).flatMap((room) => {
  return readdirSync(join(TESTS, room)).filter((file) => /\.(?:test|interop)\.ts$/.test(file)).map((file) => readFileSync(join(TESTS, room, file), 'utf8'))
})

const OPTIONS = optionsTable().trimEnd().split('\n').slice(2).map((row) => /^\| `([^`]+)`/.exec(row)![1]!)

/** An option is set by its variable, or in a file by its key, in a test that knows the table that it stands in. */
function isSet(option: string): boolean {
  const words = option.match(/\w+/g)!
  const variable = words.join('__').toUpperCase()
  const [leaf, table] = [words.at(-1)!, words.at(-2) ?? words[0]!]
  return sources.some((source) => source.includes(variable) || (new RegExp(String.raw`\b${leaf}['"]?(?::|\])|'${leaf}'|[{,] ${leaf}[ ,]`).test(source) && new RegExp(String.raw`\b${table}\b`).test(source)))
}

test('every option is set in a test that looks at what it does', () => {
  assert.ok(OPTIONS.length > 60)
  assert.deepEqual(OPTIONS.filter((option) => !isSet(option)), [])
})

import { takeTable } from './cells.ts'
import { readText } from './files.ts'
import type { Files } from './files.ts'
import { path } from './kinds.ts'
import type { Given } from './layer.ts'
import { describe } from './problem.ts'
import type { Place, Problem } from './problem.ts'
import { variableOf } from './schema.ts'
import type { Option } from './schema.ts'

/** One option as it counts in the end. */
export interface Taken {
  readonly name: string
  /** None where it is a row. */
  readonly option: Option | undefined
  readonly place: Place
  readonly value: unknown
  /** The rows of a table, the cells of a row. Their problems and hints are its own, too. */
  readonly parts: readonly Taken[]
  readonly problems: readonly Problem[]
  readonly hints: readonly Problem[]
}

/** A value, with the file it was read from if it was; or why there is none. */
type Reading = Value | { readonly problem: Problem }
interface Value { readonly value: unknown; readonly holder?: string }

const NOBODY: Place = Object.freeze({ layer: 'default', where: 'default' })

/** Reads the first layer that gives the option, else its default. What the layers below say must be right, too. */
export function take(name: string, option: Option, layers: readonly (Given | undefined)[], files: Files): Taken {
  const [given, ...shadowed] = layers.filter((one) => one !== undefined)
  // A file named by a shadowed layer need not be there: an image's own secret, where a developer gives another.
  const problems = shadowed.filter(({ spelling }) => !spelling.held).map((one) => direct(option, one)).flatMap(problemOf)
  if (given === undefined) {
    const value = option.default === undefined ? undefined : option.kind.fromText(option.default, '')
    return { name, option, place: NOBODY, value, problems, hints: [], parts: [] }
  }
  if (option.kind.table !== undefined) return takeTable(option, option.kind.table, given, files)
  const reading = given.spelling.held ? held(option, given, files) : direct(option, given)
  const value = 'value' in reading ? reading.value : undefined
  const hints = 'value' in reading ? exposure(option, given, reading, files) : []
  return { name, option, place: given.place, value, problems: [...problemOf(reading), ...problems], hints, parts: [] }
}

function direct({ kind }: Option, given: Given): Reading {
  const { raw, folder, place } = given
  const value = place.layer === 'file' ? kind.fromValue(raw, folder) : kind.fromText(String(raw), folder)
  return value === undefined ? problem(given, kind.expected, describe(raw, kind.discreet)) : { value }
}

function held({ kind }: Option, given: Given, files: Files): Reading {
  const holder = path.fromValue(given.raw, given.folder)
  if (holder === undefined) return problem(given, path.expected, describe(given.raw, true))
  const content = readText(files, holder)
  if (typeof content !== 'string') return problem(given, content.expected, content.found)
  // Editors and `echo` end a file with a newline that is no part of the secret; a second one may be.
  const value = kind.fromText(content.replace(/\r?\n$/, ''), given.folder)
  return value === undefined ? problem(given, `a file that holds ${kind.expected}`) : { value, holder }
}

function problem({ place: { where, line }, spelling: { key } }: Given, expected: string, found?: string): Reading {
  return { problem: { where, line, key, expected, found } }
}

const problemOf = (reading: Reading): readonly Problem[] => ('problem' in reading ? [reading.problem] : [])

/** Who else on this machine can read the secret. */
function exposure({ kind, guarded }: Option, given: Given, { value, holder }: Value, files: Files): readonly Problem[] {
  const { place: { layer, where, line }, spelling: { key } } = given
  if (!kind.secret && !guarded) return []
  // proc(5): /proc/PID/environ keeps what a process was started with, even what it deletes, and crash reports print it.
  if (!guarded && !holder && layer === 'environment') {
    return [{ where, key, expected: `${variableOf(key)}_FILE instead: an environment can be read from outside` }]
  }
  const file = guarded ? String(value) : holder ?? where
  const mode = files.mode(file)
  return mode & 0o004 ? [{ where, line, key, expected: 'its file to be closed to others (chmod o-r)', found: `mode ${mode.toString(8)}` }] : []
}

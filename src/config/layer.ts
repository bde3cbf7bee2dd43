import type { Place, Problem } from './problem.ts'
import type { Spelling } from './schema.ts'

/** One option as one layer gives it, not yet read. */
export interface Given {
  readonly spelling: Spelling
  readonly place: Place
  readonly raw: unknown
  /** What relative paths start from. */
  readonly folder: string
  /** The line of what stands below it. */
  readonly lineOf: (path: readonly string[]) => number | undefined
}

/** What one layer, the file or the environment, has to say. */
export interface Layer {
  readonly given: ReadonlyMap<string, Given>
  readonly problems: readonly Problem[]
}

/** Orders what a layer gives by option. An option given twice is a problem, but for the variables of other programs. */
export function layer(all: readonly Given[], problems: readonly Problem[]): Layer {
  const given = new Map<string, Given>()
  const conflicts: Problem[] = []
  for (const one of all) {
    const before = given.get(one.spelling.option)
    if (before === undefined) given.set(one.spelling.option, one)
    else if (before.spelling.held !== one.spelling.held) {
      const { where, line } = one.place
      conflicts.push({ where, line, key: one.spelling.key, expected: `either this or ${before.spelling.key}, not both` })
    }
  }
  return { given, problems: [...problems, ...conflicts] }
}

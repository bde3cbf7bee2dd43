/** Where a value comes from: a default, a line of the configuration file, a variable. */
export interface Place {
  /** `sdk`: what the AWS SDKs would take, too. */
  readonly layer: 'default' | 'sdk' | 'file' | 'environment'
  /** The file's path, the variable's name, the profile, or `default`. */
  readonly where: string
  readonly line?: number | undefined
}

/** What is wrong with the configuration. Never holds a secret, nor any value that could be one. */
export interface Problem {
  readonly where: string
  readonly line?: number | undefined
  /** The option's path as it was written, `jwt.secret_file` for one. */
  readonly key?: string | undefined
  /** Completes the sentence "expected …". */
  readonly expected: string
  readonly found?: string | undefined
}

/**
 * One line for people: `config.json:3: server.port: expected an integer from 0 to 65535, found "http"`.
 */
export function formatProblem({ where, line, key, expected, found }: Problem): string {
  const place = line === undefined ? where : `${where}:${line}`
  const subject = key === undefined ? place : `${place}: ${key}`
  return printable(`${subject}: expected ${expected}${found === undefined ? '' : `, found ${found}`}`)
}

/** Words for a refused value: the value itself where it is plain and `discreet` does not forbid it, else its type. */
export function describe(value: unknown, discreet = false): string {
  if (value === null || value === '') return 'nothing'
  if (Array.isArray(value)) return !discreet && value.every((item) => typeof item === 'string') ? shorten(value) : 'a list'
  if (typeof value === 'object') return isMapping(value) ? 'a mapping' : 'a value of another type'
  if (discreet) return typeof value === 'string' ? 'other text' : `a ${typeof value}`
  return shorten(value)
}

export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value))
}

/**
 * The word that `word` most likely was meant to be, as `; did you mean …?`, or nothing where none is near:
 * at most two letters added, lost, changed or swapped with a neighbour, and fewer than half of them.
 */
export function suggest(word: string, known: Iterable<string>): string {
  const bound = Math.min(2, (word.length - 1) / 2)
  const near = [...known]
    .filter((other) => Math.abs(other.length - word.length) <= bound)
    .map((other) => ({ other, edits: distance(word.toLowerCase(), other.toLowerCase()) }))
    .filter(({ edits }) => edits <= bound)
    .sort((a, b) => a.edits - b.edits)[0]
  return near === undefined ? '' : `; did you mean ${near.other}?`
}

/** Edit distance with swaps of neighbours (optimal string alignment). */
function distance(a: string, b: string): number {
  let [before, above] = [[] as number[], Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const changed = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? before[j - 2]! + 1 : Infinity
      row.push(Math.min(above[j]! + 1, row[j - 1]! + 1, changed, swapped))
    }
    ;[before, above] = [above, row]
  }
  return above[b.length]!
}

function shorten(value: unknown): string {
  // TOML has integers that are a bigint, which JSON.stringify() throws at.
  const words = typeof value === 'bigint' ? String(value) : JSON.stringify(value)
  return words.length > 60 ? `${words.slice(0, 60)}…` : words
}

/** Control characters, direction marks and line separators, which could forge or hide lines, become escapes. */
function printable(line: string): string {
  return line.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`)
}

/** What "resolved" means in YAML 1.2.2 section 10.3.2, the core schema: the words that are not strings. */
const WORDS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ...['~', 'null', 'Null', 'NULL'].map((word) => [word, null] as const),
  ...['true', 'True', 'TRUE'].map((word) => [word, true] as const),
  ...['false', 'False', 'FALSE'].map((word) => [word, false] as const),
  ...['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF'].map((word) => [word, Infinity] as const),
  ...['-.inf', '-.Inf', '-.INF'].map((word) => [word, -Infinity] as const),
  ...['.nan', '.NaN', '.NAN'].map((word) => [word, NaN] as const),
])

const INTEGER = /^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$/
// Written without a quantifier inside another, and so that no two neighbours can share a digit: matching stays linear.
const FLOAT = /^[-+]?(?:[0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)(?:|[eE][-+]?[0-9]+)$/

/**
 * Resolves a plain scalar: null, boolean, number, else the text itself. `no`, `on`, `0b1`, `1_000` and `1:30` are text.
 *
 * @returns undefined for a number that a double cannot hold: an integer beyond 2^53 or a float beyond 1.8e308.
 */
export function resolve(text: string): unknown {
  if (WORDS.has(text)) return WORDS.get(text)
  if (INTEGER.test(text)) {
    const integer = Number(text) + 0 // "-0" is an integer, and integers have one zero
    return Number.isSafeInteger(integer) ? integer : undefined
  }
  if (!FLOAT.test(text)) return text
  return Number.isFinite(Number(text)) ? Number(text) : undefined
}

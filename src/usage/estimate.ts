import type { Members } from '../json/index.ts'

/** Tokens that a call may take. */
export interface Estimate {
  readonly input: number
  readonly output: number
}

/** Where the vendors' requests say how long an answer may be: a member of the body, or one of that. */
const LENGTHS: ReadonlyMap<string, string | undefined> = new Map([
  ['max_tokens', undefined], ['max_completion_tokens', undefined], ['max_output_tokens', undefined], ['max_tokens_to_sample', undefined],
  ['max_gen_len', undefined], ['maxTokens', undefined], ['inferenceConfig', 'maxTokens'], ['textGenerationConfig', 'maxTokenCount'],
])

/** The members of a request body to look for with a `MemberScanner`. */
export const LENGTH_MEMBERS: readonly string[] = [...LENGTHS.keys()]

/** More than any model gives; what is beyond it is no length. */
const MAX_LENGTH = 10_000_000
const BYTES_PER_TOKEN = 4

/**
 * What a call may take, before it is made: a token for every four bytes of the body, and as many as the body allows for the answer.
 *
 * @param members - What was found in the body, where it was looked into.
 * @param reserveTokens - For an answer whose length the body does not limit.
 */
export function estimateTokens(bodyBytes: number, members: Members | undefined, reserveTokens: number): Estimate {
  let most = -1
  for (const [name, values] of members ?? []) {
    if (!LENGTHS.has(name)) continue
    const inner = LENGTHS.get(name)
    for (const value of values) most = Math.max(most, lengthIn(inner === undefined ? value : memberOf(value, inner)))
  }
  return { input: Math.ceil(bodyBytes / BYTES_PER_TOKEN), output: most < 0 ? reserveTokens : most }
}

/** Below zero where it is none. */
const lengthIn = (value: unknown): number => (Number.isInteger(value) && (value as number) <= MAX_LENGTH ? value as number : -1)

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)).get(name) : undefined
}

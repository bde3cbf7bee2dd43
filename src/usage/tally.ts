import type { Tokens } from './prices.ts'

export interface Usage extends Tokens {
  /** There was more than is counted: the answer broke off, or did not say. */
  readonly partial: boolean
}

type Counter = keyof Tokens
type Names = Readonly<Record<Counter, readonly string[]>>

/** How AWS and the vendors call them. Input never holds what was read from or written to the cache. */
const NAMES: Names = {
  input: ['input_tokens', 'inputTokens', 'inputTokenCount', 'prompt_tokens', 'totalInputTokens'],
  output: ['output_tokens', 'outputTokens', 'outputTokenCount', 'completion_tokens', 'totalOutputTokens'],
  cacheRead: ['cache_read_input_tokens', 'cacheReadInputTokens', 'cacheReadInputTokenCount'],
  cacheWrite: ['cache_creation_input_tokens', 'cacheWriteInputTokens', 'cacheWriteInputTokenCount'],
}
/** Llama and Titan write them beside their text. Nothing else counts there: so do answers that only count a prompt. */
const TOP_NAMES: Names = { input: ['prompt_token_count', 'inputTextTokenCount'], output: ['generation_token_count', 'totalOutputTextTokenCount'], cacheRead: [], cacheWrite: [] }

/** What is known once a count was seen: all, all once the answer is complete, or too little whatever comes. */
type Standing = 'final' | 'running' | 'first'

/** Where counts stand in the answers and events of all vendors. */
const PLACES: readonly { readonly path: readonly string[]; readonly standing: Standing; readonly names: Names }[] = [
  { path: ['usage'], standing: 'final', names: NAMES },
  { path: ['amazon-bedrock-invocationMetrics'], standing: 'final', names: NAMES },
  { path: ['metadata', 'usage'], standing: 'final', names: NAMES }, // Nova, in a stream
  { path: ['response', 'usage'], standing: 'final', names: NAMES }, // OpenAI Responses, in a stream
  { path: ['message', 'usage'], standing: 'first', names: NAMES }, // Anthropic's message_start
  { path: ['event', 'usageEvent'], standing: 'running', names: NAMES }, // Nova Sonic, since the session began
  { path: [], standing: 'running', names: TOP_NAMES },
]

/** The first member of each place: what to look for in a body. */
export const USAGE_MEMBERS: readonly string[] = [...new Set(PLACES.map(({ path }) => path[0]).filter((name) => name !== undefined)), ...Object.values(TOP_NAMES).flat(), 'results']

/**
 * The tokens of one answer. All counts are cumulative, and those that disagree (Anthropic's own and the metrics of Bedrock do)
 * leave some out: the highest is taken.
 */
export class Tally {
  readonly #tokens: Record<Counter, number> = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 }
  #isFinal = false
  #isRunning = false

  /** Takes the counts of a body, or of one event of a stream. */
  see(event: unknown): void {
    for (const { path, standing, names } of PLACES) {
      const place = path.reduce<unknown>(member, event)
      if (typeof place === 'object') this.#take(countsIn(place, names), standing)
    }
    // Titan, not in a stream: of each of its texts.
    const results = member(event, 'results')
    if (Array.isArray(results)) this.#take({ output: results.reduce<number>((sum, result) => sum + count(member(result, 'tokenCount')), 0) }, 'running')
  }

  /** Takes one count that is final. */
  count(counter: Counter, value: number): void {
    if (isCount(value)) this.#take({ [counter]: value }, 'final')
  }

  /** @param complete - The answer came to its end. */
  usage(complete: boolean): Usage {
    const { input, output, cacheRead, cacheWrite } = this.#tokens
    return { input, output, cacheRead, cacheWrite, partial: !this.#isFinal && !(complete && this.#isRunning) }
  }

  #take(counts: Counts, standing: Standing): void {
    for (const counter of COUNTERS) {
      const value = counts[counter]
      if (value === undefined || value > MAX_COUNT) continue
      if (standing === 'final') this.#isFinal = true
      if (standing === 'running') this.#isRunning = true
      this.#tokens[counter] = Math.max(this.#tokens[counter], value)
    }
  }
}

type Counts = { readonly [counter in Counter]?: number | undefined }

function countsIn(place: object | null, names: Names): Counts {
  const counts = { input: firstCount(place, names.input), output: firstCount(place, names.output), cacheRead: firstCount(place, names.cacheRead), cacheWrite: firstCount(place, names.cacheWrite) }
  const details = member(place, 'prompt_tokens_details') ?? member(place, 'input_tokens_details')
  if (details === undefined || counts.input === undefined) return counts
  // OpenAI's input holds what was cached.
  const [cacheRead, cacheWrite] = [count(member(details, 'cached_tokens')), count(member(details, 'cache_write_tokens'))]
  return { ...counts, input: Math.max(0, counts.input - cacheRead - cacheWrite), cacheRead, cacheWrite }
}

function firstCount(place: unknown, names: readonly string[]): number | undefined {
  for (const name of names) {
    const value = member(place, name)
    if (isCount(value)) return value
  }
  return undefined
}

const COUNTERS = Object.keys(NAMES) as Counter[]

/** More than any call can use: what is beyond it is no count, and money made of it would be no whole number. */
const MAX_COUNT = 1_000_000_000

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const count = (value: unknown): number => (isCount(value) ? value : 0)

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
}

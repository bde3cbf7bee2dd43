import type { Tokens } from './prices.ts'

export interface Usage extends Tokens {
  /** There was more than is counted: the answer broke off, or did not say. */
  readonly partial: boolean
}

type Counter = keyof Tokens

/** How AWS and the vendors call them. Input never holds what was read from or written to the cache. */
const COUNTERS: ReadonlyMap<string, Counter> = new Map<string, Counter>([
  ...['input_tokens', 'inputTokens', 'inputTokenCount', 'prompt_tokens', 'totalInputTokens'].map((name) => [name, 'input'] as const),
  ...['output_tokens', 'outputTokens', 'outputTokenCount', 'completion_tokens', 'totalOutputTokens'].map((name) => [name, 'output'] as const),
  ...['cache_read_input_tokens', 'cacheReadInputTokens', 'cacheReadInputTokenCount'].map((name) => [name, 'cacheRead'] as const),
  ...['cache_creation_input_tokens', 'cacheWriteInputTokens', 'cacheWriteInputTokenCount'].map((name) => [name, 'cacheWrite'] as const),
])
/** Llama and Titan write them beside their text. Nothing else counts there: so do answers that only count a prompt. */
const TOP_COUNTERS: ReadonlyMap<string, Counter> = new Map<string, Counter>([
  ['prompt_token_count', 'input'], ['inputTextTokenCount', 'input'], ['generation_token_count', 'output'], ['totalOutputTextTokenCount', 'output'],
])

/** What is known once a count was seen: all, all once the answer is complete, or too little whatever comes. */
type Standing = 'final' | 'running' | 'first'

/** Where counts stand in the answers and events of all vendors: in a member, or in one of that. */
const PLACES: ReadonlyMap<string, { readonly inner?: string; readonly standing: Standing }> = new Map<string, { inner?: string; standing: Standing }>([
  ['usage', { standing: 'final' }],
  ['amazon-bedrock-invocationMetrics', { standing: 'final' }],
  ['metadata', { inner: 'usage', standing: 'final' }], // Nova, in a stream
  ['response', { inner: 'usage', standing: 'final' }], // OpenAI Responses, in a stream
  ['message', { inner: 'usage', standing: 'first' }], // Anthropic's message_start
  ['event', { inner: 'usageEvent', standing: 'running' }], // Nova Sonic, since the session began
])
/** Of Titan, not in a stream: each of its texts has a count of its own. */
const TEXTS = 'results'

/** What to look for in a body. */
export const USAGE_MEMBERS: readonly string[] = [...PLACES.keys(), ...TOP_COUNTERS.keys(), TEXTS]

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
    if (!isObject(event)) return
    // Some models count in every event: what is not there is not asked for.
    for (const name of Object.keys(event)) {
      const counter = TOP_COUNTERS.get(name)
      if (counter !== undefined) this.#take(counter, event[name], 'running')
      else if (name === TEXTS) this.#take('output', sumOf(event[name]), 'running')
      else this.#look(name, event[name])
    }
  }

  /** Takes one count that is final. */
  count(counter: Counter, value: number): void {
    this.#take(counter, value, 'final')
  }

  /** @param complete - The answer came to its end. */
  usage(complete: boolean): Usage {
    const { input, output, cacheRead, cacheWrite } = this.#tokens
    return { input, output, cacheRead, cacheWrite, partial: !this.#isFinal && !(complete && this.#isRunning) }
  }

  #look(name: string, value: unknown): void {
    const place = PLACES.get(name)
    const counts = place?.inner === undefined ? value : member(value, place.inner)
    if (place === undefined || !isObject(counts)) return
    for (const [counter, count] of Object.entries(countsIn(counts))) this.#take(counter as Counter, count, place.standing)
  }

  #take(counter: Counter, value: unknown, standing: Standing): void {
    if (!isCount(value) || value > MAX_COUNT) return
    if (standing === 'final') this.#isFinal = true
    if (standing === 'running') this.#isRunning = true
    if (value > this.#tokens[counter]) this.#tokens[counter] = value
  }
}

type Json = Readonly<Record<string, unknown>>

function countsIn(place: Json): { [counter in Counter]?: number } {
  const counts: { [counter in Counter]?: number } = {}
  for (const name of Object.keys(place)) {
    const [counter, value] = [COUNTERS.get(name), place[name]]
    if (counter !== undefined && isCount(value)) counts[counter] = Math.max(counts[counter] ?? 0, value)
  }
  const details = member(place, 'prompt_tokens_details') ?? member(place, 'input_tokens_details')
  if (details === undefined || counts.input === undefined) return counts
  // OpenAI's input holds what was cached.
  const [cacheRead, cacheWrite] = [count(member(details, 'cached_tokens')), count(member(details, 'cache_write_tokens'))]
  return { ...counts, input: Math.max(0, counts.input - cacheRead - cacheWrite), cacheRead, cacheWrite }
}

const sumOf = (texts: unknown): unknown => (Array.isArray(texts) ? texts.reduce<number>((sum, text) => sum + count(member(text, 'tokenCount')), 0) : undefined)

/** More than any call can use: what is beyond it is no count, and money made of it would be no whole number. */
const MAX_COUNT = 1_000_000_000

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const count = (value: unknown): number => (isCount(value) ? value : 0)
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null

function member(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
}

import { type Model, ModelPatterns } from '../model/index.ts'

/** Tokens of a call, counted apart because they are priced apart. */
export interface Tokens {
  /** What was read from and written to the cache not among them. */
  readonly input: number
  readonly output: number
  readonly cacheRead: number
  readonly cacheWrite: number
}

/** Prices of models in USD per million tokens, with no more than six digits behind the point. */
export interface PriceRow {
  readonly models: readonly string[]
  readonly input: number
  readonly output: number
  /** Without it what `input` costs. */
  readonly cache_read?: number | undefined
  readonly cache_write?: number | undefined
}

/** The prices of all models, in their order: the first row that names a model counts. */
export class Prices {
  readonly #rows: readonly { readonly models: ModelPatterns; readonly rates: Readonly<Record<keyof Tokens, bigint>> }[]

  constructor(rows: readonly PriceRow[]) {
    this.#rows = rows.map(({ models, input, output, cache_read = input, cache_write = input }) => ({
      models: new ModelPatterns(models),
      rates: { input: rate(input), output: rate(output), cacheRead: rate(cache_read), cacheWrite: rate(cache_write) },
    }))
  }

  /**
   * What tokens cost, in whole millionths of a US dollar, rounded up once: whole numbers add up without drift, and no call is free.
   *
   * @returns `undefined` where no row names the model: then nobody knows.
   */
  microUsd(model: Model, tokens: Tokens): number | undefined {
    const rates = this.#rows.find(({ models }) => models.name(model))?.rates
    if (rates === undefined) return undefined
    const exact = COUNTERS.reduce((sum, counter) => sum + BigInt(tokens[counter]) * rates[counter], 0n)
    return Number((exact + MICRO - 1n) / MICRO)
  }
}

const COUNTERS = ['input', 'output', 'cacheRead', 'cacheWrite'] as const

/** Parts of a rate in one micro-dollar. */
const MICRO = 1_000_000n

/** Of one token, in millionths of a micro-dollar: exact, where a double is not. */
const rate = (usdPerMillion: number): bigint => BigInt(Math.round(usdPerMillion * 1e6))

import { type Model, ModelPatterns, UNNAMED } from '../model/index.ts'

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
  readonly #rows: readonly { readonly models: ModelPatterns; readonly rates: Tokens }[]

  constructor(rows: readonly PriceRow[]) {
    this.#rows = rows.map(({ models, input, output, cache_read = input, cache_write = input }) => ({
      models: new ModelPatterns(models),
      rates: { input: rate(input), output: rate(output), cacheRead: rate(cache_read), cacheWrite: rate(cache_write) },
    }))
  }

  /**
   * What tokens cost, in whole millionths of a US dollar, rounded up once: whole numbers add up without drift, and no call is free.
   * Of a request in which we can read no model it is what the dearest model would cost: to hide it must not pay.
   *
   * @returns `undefined` where no row names the model: then nobody knows.
   */
  microUsd(model: Model, tokens: Tokens): number | undefined {
    if (model === UNNAMED && this.#rows.length > 0) return Math.max(...this.#rows.map(({ rates }) => costOf(tokens, rates)))
    const rates = this.#rows.find(({ models }) => models.name(model))?.rates
    return rates && costOf(tokens, rates)
  }
}

function costOf({ input, output, cacheRead, cacheWrite }: Tokens, rates: Tokens): number {
  const sum = input * rates.input + output * rates.output + cacheRead * rates.cacheRead + cacheWrite * rates.cacheWrite
  const rest = sum % MICRO
  return (sum - rest) / MICRO + Math.sign(rest)
}

/** Parts of a rate in one micro-dollar. */
const MICRO = 1_000_000

/** Of one token, in millionths of a micro-dollar: whole numbers, so that a sum is exact up to 9007 dollars. */
const rate = (usdPerMillion: number): number => Math.round(usdPerMillion * 1e6)

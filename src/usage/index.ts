/** What a call took, in tokens, and what that costs. */
export { type Estimate, estimateTokens, LENGTH_MEMBERS } from './estimate.ts'
export { type PriceRow, Prices, type Tokens } from './prices.ts'
export { UsageTap } from './tap.ts'
export type { Usage } from './tally.ts'

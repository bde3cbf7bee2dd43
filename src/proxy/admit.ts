import type { Caller } from '../identity/index.ts'
import { LimitExceeded, type Limits, LimitsError, rateLimitFields, type Ticket } from '../limits/index.ts'
import type { Model } from '../model/index.ts'
import type { Policy } from '../policy/index.ts'
import { type Estimate, type Prices, type Tokens, type Usage, UsageTap } from '../usage/index.ts'
import { type ProblemCode, Refusal } from './problem.ts'

/** What may be done, and what it costs. A reload changes all of it. */
export interface Rules {
  readonly policy: Policy
  readonly prices: Prices
  /** Tokens held for an answer whose length nothing limits. */
  readonly reserveTokens: number
  /** Whether rules or prices look at models. */
  readonly doModelsMatter: boolean
  /** Whether tokens or money are limited for anybody. */
  readonly areTokensLimited: boolean
}

/** What a call that does not run a model is expected to take. */
export const NOTHING: Estimate = { input: 0, output: 0 }

/**
 * Takes what a request may use from the limits of its caller.
 *
 * @throws Refusal - `RATE_LIMITED`, `BUDGET_SPENT`, `LIMITS_UNAVAILABLE`. A promise rejects with the same.
 */
export function admit(limits: Limits, caller: Caller, { input, output }: Estimate, microUsd: number | undefined, nowMs: number): Ticket | Promise<Ticket> {
  try {
    const ticket = limits.admit(caller, { tokens: input + output, microUsd: microUsd ?? 0 }, nowMs)
    return ticket instanceof Promise ? ticket.catch((error: unknown) => refuse(error, nowMs)) : ticket
  } catch (error) {
    return refuse(error, nowMs)
  }
}

function refuse(error: unknown, nowMs: number): never {
  if (error instanceof LimitExceeded) {
    const isBudget = error.code === 'LIMITS_BUDGET_EXCEEDED'
    const more = { message: error.message, detail: error.standing.limit, fields: rateLimitFields([error.standing], nowMs, true) }
    throw isBudget ? new Refusal('BUDGET_SPENT', more) : new Refusal('RATE_LIMITED', { ...more, retryAfterS: error.retryAfterS })
  }
  if (error instanceof LimitsError) throw new Refusal('LIMITS_UNAVAILABLE', { detail: error.message })
  throw error
}

export function priceOf(model: Model | undefined, tokens: Tokens, prices: Prices): number | undefined {
  return model === undefined ? undefined : prices.microUsd(model, tokens)
}

/** After these AWS has worked, though we do not know on how much. */
const WORKED: ReadonlySet<ProblemCode | undefined> = new Set<ProblemCode>([
  'CLIENT_GONE', 'TOKEN_REVOKED', 'DRAINING', 'UPSTREAM_SILENT', 'UPSTREAM_RESET', 'UPSTREAM_BROKE', 'UPSTREAM_STALLED', 'UPSTREAM_BAD_ANSWER',
])

/** A frame of a stream holds a token or a few, and some two hundred bytes. */
const STREAMED_BYTES_PER_TOKEN = 200
const BYTES_PER_TOKEN = 4

/**
 * What a call that went up has used: what its answer said. Where it broke off before that, or was a stream that does not say,
 * what it was asked and what was seen of its answer count as far as they can be estimated: else it would be free to leave
 * early, or not to ask for counts.
 *
 * @param answered - Bytes of the answer that were seen.
 */
export function usageOf(tap: UsageTap | undefined, estimate: Estimate, failure: ProblemCode | undefined, answered: number): Usage | undefined {
  if (tap === undefined) return WORKED.has(failure) ? { input: estimate.input, output: 0, cacheRead: 0, cacheWrite: 0, partial: true } : undefined
  const usage = tap.end(failure === undefined)
  if (!usage.partial || (failure === undefined && (!tap.isStream || tap.isBroken))) return usage
  const { input, cacheRead, cacheWrite } = usage
  return {
    ...usage,
    input: input + cacheRead + cacheWrite === 0 ? estimate.input : input,
    output: Math.max(usage.output, outputIn(answered, tap, estimate)),
  }
}

/** Tokens in so much of an answer. Most of a whole one is text, but for pictures: no more of it than was asked for. */
function outputIn(bytes: number, { isStream }: UsageTap, { output }: Estimate): number {
  const fewest = Math.ceil(bytes / STREAMED_BYTES_PER_TOKEN)
  return isStream ? fewest : Math.max(fewest, Math.min(output, Math.ceil(bytes / BYTES_PER_TOKEN)))
}

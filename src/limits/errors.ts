import type { Standing } from './standing.ts'

export type LimitsErrorCode =
  // of a request
  | 'LIMITS_RATE_EXCEEDED' | 'LIMITS_BUDGET_EXCEEDED' | 'LIMITS_STORE_UNAVAILABLE'
  // of the configuration
  | 'LIMITS_AMBIGUOUS_USER'
  // of a journal that cannot be opened
  | 'LIMITS_JOURNAL_LOCKED' | 'LIMITS_JOURNAL_CORRUPT' | 'LIMITS_JOURNAL_UNUSABLE'

/** Why a request is not admitted, or a store not opened. */
export class LimitsError extends Error {
  override readonly name = 'LimitsError'
  readonly code: LimitsErrorCode

  constructor(code: LimitsErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}

/** A limit that is reached. The message is fit for the client: it names the limit, what is left of it and its reset. */
export class LimitExceeded extends LimitsError {
  readonly standing: Standing
  /** Whole seconds, at least one; for `Retry-After`. */
  readonly retryAfterS: number

  constructor(code: 'LIMITS_RATE_EXCEEDED' | 'LIMITS_BUDGET_EXCEEDED', message: string, standing: Standing, retryAfterS: number) {
    super(code, message)
    this.standing = standing
    this.retryAfterS = retryAfterS
  }
}

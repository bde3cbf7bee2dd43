export type PolicyErrorCode = 'POLICY_AMBIGUOUS_USER' | 'POLICY_UNKNOWN_OPERATION' | 'POLICY_DUPLICATE_MODEL'

/** What is wrong with a rule, or with a request that must not be decided upon. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError'
  readonly code: PolicyErrorCode

  constructor(code: PolicyErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

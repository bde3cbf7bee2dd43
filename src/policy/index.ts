/** Who may use which operation and model, and where it may run. */
export { modelIn } from './body.ts'
export { PolicyError, type PolicyErrorCode } from './error.ts'
export { type Decision, Policy, type PolicyContext, type PolicyOptions } from './policy.ts'
export type { RuleOptions } from './rule.ts'

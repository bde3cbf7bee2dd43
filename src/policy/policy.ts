import type { Asker } from '../asker/index.ts'
import type { Model } from '../model/index.ts'
import { PolicyError } from './error.ts'
import { Rule, type RuleOptions } from './rule.ts'

export interface PolicyOptions {
  /** What holds where no rule does; without it `allow` while there is no rule, `deny` once there is one. */
  readonly default?: 'allow' | 'deny' | undefined
  readonly rules: readonly RuleOptions[]
}

/** What rules may speak of. */
export interface PolicyContext {
  /** All that are trusted; `undefined` is one whose name is not checked. */
  readonly issuers: readonly (string | undefined)[]
  /** Names of all operations. */
  readonly operations: Iterable<string>
}

export interface Decision {
  readonly allow: boolean
  /** What decided: `policy.rules[0]` as the configuration calls it, or `default`. */
  readonly rule: string
}

/**
 * The rules, in their order: the first that applies decides.
 *
 *     const policy = new Policy({ rules: [{ groups: ['engineers'], models: ['anthropic.claude-*'], effect: 'allow' }] }, context)
 *     policy.decide(caller, 'Converse', [parseModel(id)])  // { allow: true, rule: 'policy.rules[0]' }
 */
export class Policy {
  readonly #rules: readonly { readonly rule: Rule; readonly options: RuleOptions; readonly decision: Decision }[]
  readonly #otherwise: Decision

  /** @throws PolicyError - `POLICY_AMBIGUOUS_USER`, `POLICY_UNKNOWN_OPERATION`; the message names the rule. */
  constructor({ rules, default: otherwise = rules.length === 0 ? 'allow' : 'deny' }: PolicyOptions, { issuers, operations }: PolicyContext) {
    const known = new Set(operations)
    this.#rules = rules.map((options, i) => {
      const name = `policy.rules[${i}]`
      return { rule: made(name, () => new Rule(options, issuers, known)), options, decision: { allow: options.effect === 'allow', rule: name } }
    })
    this.#otherwise = { allow: otherwise === 'allow', rule: 'default' }
  }

  /**
   * Whether the caller may use an operation with these models: every one of them, and the operation alone where there is none.
   * An opaque model is allowed only where it would be whatever is behind it.
   */
  decide(asker: Asker, operation: string, models: readonly Model[]): Decision {
    if (models.length === 0) return this.#decide(asker, operation, undefined)
    const decisions = models.map((model) => this.#decide(asker, operation, model))
    return decisions.find(({ allow }) => !allow) ?? decisions[0]!
  }

  /** What the caller can be told: the rules that are for him, in their order, and what holds where none of them applies. */
  rulesFor(asker: Asker): { readonly rules: readonly RuleOptions[]; readonly otherwise: 'allow' | 'deny' } {
    return { rules: this.#rules.filter(({ rule }) => rule.isFor(asker)).map(({ options }) => options), otherwise: this.#otherwise.allow ? 'allow' : 'deny' }
  }

  #decide(asker: Asker, operation: string, model: Model | undefined): Decision {
    return this.#rules.find(({ rule }) => rule.applies(asker, operation, model))?.decision ?? this.#otherwise
  }
}

function made<T>(name: string, make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (error instanceof PolicyError) throw new PolicyError(error.code, `${name}: ${error.message}`)
    throw error
  }
}

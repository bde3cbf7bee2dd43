import { type Asker, Askers } from '../asker/index.ts'
import { type Model, ModelPatterns } from '../model/index.ts'
import { PolicyError } from './error.ts'

/** A rule: every condition that it has must hold, and of each condition one value is enough. */
export interface RuleOptions {
  /** `user`, or `issuer|user`; with several issuers only the latter. */
  readonly users?: readonly string[] | undefined
  /** `group`, or `issuer|group` for that of one issuer. */
  readonly groups?: readonly string[] | undefined
  /** As they are called in the table of operations: `Converse`. */
  readonly operations?: readonly string[] | undefined
  readonly models?: readonly string[] | undefined
  /** `eu`, `global`…; `in-region` for models that run in one region only. */
  readonly geographies?: readonly string[] | undefined
  readonly effect: 'allow' | 'deny'
}

export class Rule {
  readonly effect: 'allow' | 'deny'
  readonly #askers: Askers
  readonly #operations: ReadonlySet<string> | undefined
  readonly #models: ModelPatterns | undefined
  readonly #geographies: ReadonlySet<string | undefined> | undefined

  /** @throws PolicyError - `POLICY_AMBIGUOUS_USER`, `POLICY_UNKNOWN_OPERATION`. */
  constructor(options: RuleOptions, issuers: readonly (string | undefined)[], operations: ReadonlySet<string>) {
    const { models, geographies } = options
    this.effect = options.effect
    this.#askers = new Askers(options, issuers)
    // Without a name before it a user would be somebody else with the other issuer.
    if (this.#askers.hasBareUsers && issuers.length > 1) throw new PolicyError('POLICY_AMBIGUOUS_USER', 'with several issuers a user is written issuer|user')
    this.#operations = options.operations && new Set(options.operations)
    // A prohibition with a slip of the pen would prohibit nothing.
    if (options.operations?.some((operation) => !operations.has(operation)) === true) throw new PolicyError('POLICY_UNKNOWN_OPERATION', 'there is no such operation')
    this.#models = models && new ModelPatterns(models)
    this.#geographies = geographies && new Set(geographies)
  }

  /** Whether it is a rule for this request. Of a model that is not fully known a permission says no, and a prohibition yes. */
  applies(asker: Asker, operation: string, model: Model | undefined): boolean {
    return (this.#operations === undefined || this.#operations.has(operation)) && this.isFor(asker)
      && ((this.#models === undefined && this.#geographies === undefined) || (model !== undefined && this.#covers(model)))
  }

  /** Whether it is a rule for this caller, whatever is asked for. */
  isFor(asker: Asker): boolean {
    return this.#askers.has(asker)
  }

  #covers(model: Model): boolean {
    const denies = this.effect === 'deny'
    if (this.#geographies !== undefined && !this.#geographies.has(model.geography) && !(denies && model.geography === undefined)) return false
    return this.#models === undefined || (denies ? this.#models.mayName(model) : this.#models.name(model))
  }
}

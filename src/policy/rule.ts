import { type Model, ModelPatterns } from '../model/index.ts'
import { PolicyError } from './error.ts'

/** Who asks, as far as rules look at it. */
export interface Asker {
  readonly issuer: string
  readonly user: string
  readonly groups: readonly string[]
}

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
  readonly #users: Names | undefined
  readonly #groups: Names | undefined
  readonly #operations: ReadonlySet<string> | undefined
  readonly #models: ModelPatterns | undefined
  readonly #geographies: ReadonlySet<string | undefined> | undefined

  /** @throws PolicyError - `POLICY_AMBIGUOUS_USER`, `POLICY_UNKNOWN_OPERATION`. */
  constructor(options: RuleOptions, issuers: readonly (string | undefined)[], operations: ReadonlySet<string>) {
    const { users, groups, models, geographies } = options
    this.effect = options.effect
    this.#users = users && new Names(users, issuers)
    // Without a name before it a user would be somebody else with the other issuer.
    if (this.#users?.bare === true && issuers.length > 1) throw new PolicyError('POLICY_AMBIGUOUS_USER', 'with several issuers a user is written issuer|user')
    this.#groups = groups && new Names(groups, issuers)
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
  isFor({ issuer, user, groups }: Asker): boolean {
    return (this.#users === undefined || this.#users.has(issuer, user)) && (this.#groups === undefined || groups.some((group) => this.#groups!.has(issuer, group)))
  }

  #covers(model: Model): boolean {
    const denies = this.effect === 'deny'
    if (this.#geographies !== undefined && !this.#geographies.has(model.geography) && !(denies && model.geography === undefined)) return false
    return this.#models === undefined || (denies ? this.#models.mayName(model) : this.#models.name(model))
  }
}

/** Names of users or groups: of one issuer, or of whichever. */
class Names {
  readonly #bare = new Set<string>()
  readonly #byIssuer = new Map<string, Set<string>>()

  constructor(names: readonly string[], issuers: readonly (string | undefined)[]) {
    for (const name of names) {
      const issuer = issuers.find((known) => known !== undefined && name.startsWith(`${known}|`))
      if (issuer === undefined) this.#bare.add(name)
      else this.#byIssuer.set(issuer, (this.#byIssuer.get(issuer) ?? new Set()).add(name.slice(issuer.length + 1)))
    }
  }

  get bare(): boolean {
    return this.#bare.size > 0
  }

  has(issuer: string, name: string): boolean {
    return this.#bare.has(name) || this.#byIssuer.get(issuer)?.has(name) === true
  }
}

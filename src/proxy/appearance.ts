import { type Alphabet, type Askers, type Described, fill, type Template } from '../asker/index.ts'
import type { Model, ModelPatterns } from '../model/index.ts'

/** What the configuration says of how callers appear; it changes at a reload. */
export interface AppearanceRules {
  readonly metadata: ReadonlyMap<string, Template>
  /** Whether a client may not even send metadata of its own. It never goes up. */
  readonly refusesMetadata: boolean
  readonly profiles: readonly ProfileRule[]
}

/** An inference profile that is called in place of models. */
export interface ProfileRule {
  readonly askers: Askers
  readonly models: ModelPatterns
  readonly arn: string
}

/** Bedrock API reference, Converse, requestMetadata. */
const METADATA: Alphabet = { foreign: /[^\w :@$#=/+,.-]/gu, min: 0, max: 256 }

/** How callers appear to AWS, beside the credentials. */
export class Appearances {
  #rules: AppearanceRules
  #metadata = new WeakMap<Described, { readonly text: string | undefined }>()

  constructor(rules: AppearanceRules) {
    this.#rules = rules
  }

  reload(rules: AppearanceRules): void {
    this.#rules = rules
    this.#metadata = new WeakMap()
  }

  get refusesMetadata(): boolean {
    return this.#rules.refusesMetadata
  }

  /** Value of the header that AWS writes into its invocation log. */
  metadataFor(caller: Described): string | undefined {
    return this.#rules.metadata.size === 0 ? undefined : this.#metadataOf(caller)
  }

  /** The profile that a caller calls in place of a model. */
  profileFor(caller: Described, model: Model): string | undefined {
    return this.#rules.profiles.find(({ askers, models }) => askers.has(caller) && models.name(model))?.arn
  }

  #metadataOf(caller: Described): string | undefined {
    const known = this.#metadata.get(caller)
    if (known !== undefined) return known.text
    const pairs = [...this.#rules.metadata].map(([key, template]) => [key, fill(template, caller, METADATA)] as const).filter(([, value]) => value !== '')
    const text = pairs.length === 0 ? undefined : JSON.stringify(Object.fromEntries(pairs))
    this.#metadata.set(caller, { text })
    return text
  }
}

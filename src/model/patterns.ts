import type { Model } from './model.ts'
import { lessPrecise, type OtherNames } from './spellings.ts'

/** An ARN that says no more than the id at its end does. */
const TRANSPARENT_ARN = /^arn:[^/]*:(?:foundation-model|inference-profile)\//

/**
 * A list of patterns for models; `*` stands for any characters. A pattern is an id, `anthropic.claude-*`, and then names the model
 * in all its spellings, in every geography; with a geography, `eu.anthropic.claude-*`, in that one only. An opaque model is named
 * by an ARN, `arn:aws:bedrock:*:*:application-inference-profile/abc*`, or literally.
 */
export class ModelPatterns {
  readonly #patterns: readonly Pattern[]
  /** What was asked before: every call asks several lists of the same few models. */
  readonly #named = new WeakMap<Model, boolean>()

  constructor(patterns: readonly string[]) {
    this.#patterns = patterns.map((pattern) => new Pattern(pattern))
  }

  /** Whether the model is named for certain: what permissions and prices go by. */
  name(model: Model): boolean {
    let known = this.#named.get(model)
    if (known === undefined) this.#named.set(model, known = this.#names(model))
    return known
  }

  /** Whether the model may be one that is named, in a spelling that we do not know, or behind what is opaque: what prohibitions go by. */
  mayName(model: Model): boolean {
    if (model.names.length === 0) return this.#patterns.some((pattern) => pattern.mayNameOpaque(model))
    return this.name(model) || this.#patterns.some((pattern) => model.others.some((names) => pattern.mayName(names)))
  }

  #names({ id, names, spellings }: Model): boolean {
    if (this.#patterns.some((pattern) => pattern.namesId(id))) return true
    return names.length > 0 && spellings.every((ofOne) => this.#patterns.some((pattern) => pattern.names(ofOne)))
  }
}

class Pattern {
  readonly #arn: boolean
  readonly #glob: Glob
  /** What it is called elsewhere. Less of a pattern with a `*` would be far more models. */
  readonly #lessPrecise: readonly string[]

  constructor(pattern: string) {
    const text = pattern.replace(TRANSPARENT_ARN, '')
    this.#arn = text.startsWith('arn:')
    this.#glob = new Glob(text)
    this.#lessPrecise = this.#glob.literal ? lessPrecise(text) : []
  }

  /** A prompt has versions too: `…:prompt/ABCDEFGHIJ:1`. */
  namesId(id: string): boolean {
    return (this.#arn || this.#glob.literal) && (this.#glob.matches(id) || this.#glob.matches(id.replace(/:\d+$/, '')))
  }

  names(spellings: readonly string[]): boolean {
    return spellings.some((spelling) => this.#glob.matches(spelling))
  }

  mayName({ precise, any }: OtherNames): boolean {
    return any.some((name) => this.#glob.matches(name)) || precise.some((name) => this.#lessPrecise.includes(name))
  }

  /** An ARN names others only where nothing is known of them: an id can be the id of what it names. */
  mayNameOpaque({ id, type }: Model): boolean {
    return !this.#arn || type === 'unknown' || this.namesId(id)
  }
}

/** A pattern in which `*` stands for any characters. It looks at each character of a text once, whatever the pattern. */
export class Glob {
  readonly #parts: readonly string[]

  constructor(pattern: string) {
    this.#parts = pattern.split('*')
  }

  get literal(): boolean {
    return this.#parts.length === 1
  }

  matches(text: string): boolean {
    const first = this.#parts[0]!
    if (this.literal) return text === first
    const last = this.#parts.at(-1)!
    if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last)) return false
    let at = first.length
    for (const part of this.#parts.slice(1, -1)) {
      at = text.indexOf(part, at)
      if (at < 0) return false
      at += part.length
    }
    return at <= text.length - last.length
  }
}

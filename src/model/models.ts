import { type Model, parseModel } from './model.ts'

const MAX_KNOWN = 1000
/** Longer ones are taken apart each time: strangers choose them. */
const MAX_KNOWN_LENGTH = 256

/** Models by the ids that requests ask for: each is taken apart once. */
export class Models {
  readonly #known = new Map<string, Model>()
  readonly #profiles = new Map<string, readonly string[]>()

  /** The model that is meant by an id, decoded. */
  of(id: string): Model {
    const known = this.#known.get(id)
    if (known !== undefined) return known
    const model = parseModel(id, this.#profiles.get(id))
    if (this.#known.size >= MAX_KNOWN) this.#known.clear()
    if (id.length <= MAX_KNOWN_LENGTH) this.#known.set(id, model)
    return model
  }

  /**
   * Learns what is behind an inference profile, from then on.
   *
   * @param id - The id or ARN that AWS has answered for, as requests ask for it.
   * @param behind - `models[].modelArn` of GetInferenceProfile.
   */
  learn(id: string, behind: readonly string[]): void {
    this.#profiles.set(id, behind)
    this.#known.delete(id)
  }
}

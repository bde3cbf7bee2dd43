import type { Caller } from '../identity/index.ts'
import { parseJson } from '../json/index.ts'
import type { Model, Models } from '../model/index.ts'
import { askAws } from './ask.ts'
import type { CallDependencies, Way } from './call.ts'

/** ARNs of the models behind an inference profile; `undefined` where AWS does not say. */
export type AskProfile = (id: string) => Promise<readonly string[] | undefined>

/** An application profile is made over models that do not change; one that AWS did not know can be made a minute later. */
const UNKNOWN_MS = 60_000
/** Callers choose the ids. Each has one question under way and a few that wait for it, so that nobody keeps the others from asking. */
const MAX_WAITING = 8
/** More at once are not worth a place in AWS's own limits. */
const MAX_CALLERS = 16
const MAX_UNKNOWN = 1000

/**
 * Learns what is behind application inference profiles, whose ids say nothing. Without that, rules about models deny them,
 * and nobody knows their price.
 */
export class Profiles {
  readonly #models: Models
  readonly #ask: AskProfile
  readonly #nowMs: () => number
  readonly #flights = new Map<string, Promise<void>>()
  /** Of each caller who asks: the last question, and how many there are. */
  readonly #asking = new Map<string, { readonly last: Promise<void>; readonly count: number }>()
  /** Ids that AWS does not know, and until when it is not asked again. */
  readonly #unknown = new Map<string, number>()

  constructor(models: Models, ask: AskProfile, nowMs: () => number) {
    this.#models = models
    this.#ask = ask
    this.#nowMs = nowMs
  }

  /** The model with what is behind it, as far as it can be known; a promise only where AWS has to be asked, for this caller. */
  resolve(model: Model, { issuer, user }: Pick<Caller, 'issuer' | 'user'>): Model | Promise<Model> {
    const { id, type, names } = model
    if (type !== 'application-inference-profile' || names.length > 0 || this.#isUnknown(id)) return model
    const flight = this.#flights.get(id) ?? this.#begin(id, `${issuer} ${user}`)
    return flight === undefined ? model : flight.then(() => this.#models.of(id))
  }

  #isUnknown(id: string): boolean {
    return (this.#unknown.get(id) ?? -Infinity) > this.#nowMs()
  }

  #begin(id: string, caller: string): Promise<void> | undefined {
    const { last, count } = this.#asking.get(caller) ?? { last: undefined, count: 0 }
    if (count > MAX_WAITING || (last === undefined && this.#asking.size >= MAX_CALLERS)) return undefined
    const flight = (last === undefined ? this.#learn(id) : last.then(() => this.#learn(id))).finally(() => {
      this.#flights.delete(id)
      this.#over(caller)
    })
    this.#flights.set(id, flight)
    this.#asking.set(caller, { last: flight, count: count + 1 })
    return flight
  }

  #over(caller: string): void {
    const { last, count } = this.#asking.get(caller)!
    if (count > 1) this.#asking.set(caller, { last, count: count - 1 })
    else this.#asking.delete(caller)
  }

  async #learn(id: string): Promise<void> {
    const behind = await this.#ask(id).catch(() => undefined)
    if (behind !== undefined) return this.#models.learn(id, behind)
    if (this.#unknown.size >= MAX_UNKNOWN) this.#unknown.clear()
    this.#unknown.set(id, this.#nowMs() + UNKNOWN_MS)
  }
}

/** Asks by GetInferenceProfile, with the proxy's own credentials: they need `bedrock:GetInferenceProfile`. */
export function askProfile(house: CallDependencies & Way): AskProfile {
  return async (id) => {
    const { status, body } = await askAws(house, 'GET', `/inference-profiles/${encodeURIComponent(id)}`)
    return status === 200 ? modelArns(parseJson(body)) : undefined
  }
}

/** `models[].modelArn`: all of them, or none. */
function modelArns(answer: unknown): readonly string[] | undefined {
  const models = (answer as { readonly models?: unknown } | null)?.models
  if (!Array.isArray(models)) return undefined
  const arns = models.map((model: { readonly modelArn?: unknown } | null) => model?.modelArn)
  return arns.every((arn) => typeof arn === 'string') ? arns : undefined
}

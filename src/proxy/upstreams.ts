import { createHash } from 'node:crypto'
import type { CredentialSource } from '../credentials/index.ts'
import type { Caller } from '../identity/index.ts'
import { isInGeography, type Model, type ModelPatterns, regionGeography } from '../model/index.ts'
import type { Secret } from '../secret/index.ts'
import type { Endpoint, Service } from '../upstream/index.ts'
import type { Route } from './route.ts'

/** A region and an account of AWS that calls can go to. */
export interface Upstream {
  /** Absent where it is the only one, and nobody asks. */
  readonly name: string | undefined
  readonly region: string
  readonly endpoints: Readonly<Record<Service, Endpoint>>
  /** What calls of a caller are signed with. */
  readonly credentialsFor: (caller: Caller) => CredentialSource
  /** A Bedrock API key, in place of signatures. */
  readonly apiKey?: Secret | undefined
  /** The models it is for; all where there are none. */
  readonly models?: ModelPatterns | undefined
  /** Its share of the calls, beside those of others; one without is there for when they fail. */
  readonly weight?: number | undefined
}

/** Why a call could be better off elsewhere. */
export type Fault = 'throttled' | 'failed' | 'unreachable' | 'silent'

export interface UpstreamsOptions {
  /** How long one that failed is passed over. */
  readonly coolDownMs: number
  /** Whether calls may go to another geography than that of the first upstream that fits. */
  readonly allowCrossGeography: boolean
  readonly nowMs: () => number
  /** From 0 to below 1. */
  readonly random: () => number
}

interface Rest {
  readonly untilMs: number
  /** A call is under way that finds out whether it is over. */
  isProbed: boolean
}

/** Callers choose the models: more of them are not remembered. */
const MAX_RESTS = 1000

/**
 * The upstreams there are, and which of them rest. One that throttles or fails does so with one model; one that cannot be reached,
 * with all. After its rest one call goes there, and others follow when that has come through.
 */
export class Upstreams {
  readonly #all: readonly Upstream[]
  readonly #options: UpstreamsOptions
  readonly #rests = new Map<string, Rest>()

  constructor(all: readonly Upstream[], options: UpstreamsOptions) {
    this.#all = all
    this.#options = options
  }

  /** Whether there is nothing to choose from, ever. */
  get isOne(): boolean {
    return this.#all.length === 1 && this.#all[0]!.models === undefined
  }

  /**
   * Those that a call may go to, in the order in which they are tried: none that it does not fit, those that rest last.
   * What runs no model has one: ids of guardrails and jobs mean nothing elsewhere.
   *
   * @param session - What the client calls its session: all of it goes to one upstream, which knows its prompts from before.
   */
  candidates({ operation, subject }: Route, model: Model | undefined, session: string | undefined): readonly Upstream[] {
    if (this.isOne) return this.#all
    const region = ARN_REGION.exec(model?.id ?? subject ?? '')?.[1]
    const fit = this.#all.filter((upstream) => fits(upstream, model, region))
    const home = fit[0] && regionGeography(fit[0].region)
    const near = this.#options.allowCrossGeography ? fit : fit.filter((upstream) => regionGeography(upstream.region) === home)
    if (operation.metered !== true) return near.slice(0, 1)
    const ordered = this.#shared(near, session)
    if (this.#rests.size === 0) return ordered
    const isResting = (upstream: Upstream) => keysOf(upstream, model).some((key) => this.#isResting(key))
    return [...ordered.filter((upstream) => !isResting(upstream)), ...ordered.filter(isResting)]
  }

  /**
   * Says that a call goes there.
   *
   * @returns To be told how it went; nothing where that cannot be said.
   */
  begin(upstream: Upstream, model: Model | undefined): (outcome: Fault | 'worked' | undefined) => void {
    const keys = keysOf(upstream, model)
    const probed = keys.map((key) => this.#rests.get(key)).filter((rest) => rest !== undefined && !rest.isProbed && rest.untilMs <= this.#options.nowMs())
    for (const rest of probed) rest!.isProbed = true
    return (outcome) => {
      for (const rest of probed) rest!.isProbed = false
      if (outcome === 'worked') for (const key of keys) this.#rests.delete(key)
      else if (outcome !== undefined) this.#rest(keys[outcome === 'unreachable' ? 0 : 1])
    }
  }

  /** Shares by weight: one is first, and the others follow in the order of the list. */
  #shared(near: readonly Upstream[], session: string | undefined): readonly Upstream[] {
    const total = near.reduce((sum, { weight = 0 }) => sum + weight, 0)
    if (total === 0) return near
    let at = (session === undefined ? this.#options.random() : fractionOf(session)) * total
    const first = near.find(({ weight = 0 }) => (at -= weight) < 0)!
    const others = near.filter((upstream) => upstream !== first)
    return [first, ...others.filter(({ weight = 0 }) => weight > 0), ...others.filter(({ weight = 0 }) => weight === 0)]
  }

  #isResting(key: string): boolean {
    const rest = this.#rests.get(key)
    return rest !== undefined && (rest.isProbed || rest.untilMs > this.#options.nowMs())
  }

  #rest(key: string): void {
    this.#rests.delete(key)
    if (this.#rests.size >= MAX_RESTS) this.#rests.delete(this.#rests.keys().next().value!)
    this.#rests.set(key, { untilMs: this.#options.nowMs() + this.#options.coolDownMs, isProbed: false })
  }
}

const ARN_REGION = /^arn:[^:]*:[^:]*:([a-z0-9-]+):/

/** An ARN of a region is known there only; the id of a profile of a geography only within it. Any other id may be anywhere. */
function fits({ models, region: here }: Upstream, model: Model | undefined, region: string | undefined): boolean {
  if (region !== undefined && region !== here) return false
  if (model === undefined) return true
  const { geography = 'in-region' } = model
  return (models === undefined || models.name(model)) && (geography === 'in-region' || isInGeography(here, geography))
}

/** The upstream, and the model there. */
const keysOf = ({ name }: Upstream, model: Model | undefined): readonly [string, string] => [String(name), `${name} ${model?.id}`]

const fractionOf = (text: string): number => createHash('sha256').update(text).digest().readUInt32BE(0) / 2 ** 32

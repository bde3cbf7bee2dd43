/** A label; with `values`, any other value counts as `other`. */
export type Label = string | { readonly name: string; readonly values: readonly string[] }
export type Labels = readonly (readonly [name: string, value: string])[]

export interface MetricOptions {
  /** In base units; a counter's ends with `_total`. */
  readonly name: string
  readonly help: string
  readonly labels?: readonly Label[]
  /** Where strangers choose values: a series that would be one too many counts as `other` in every label. */
  readonly maxSeries?: number
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const LABEL = /^(?!__|le$|quantile$)[a-zA-Z_][a-zA-Z0-9_]*$/
const OTHER = 'other'
const MAX_SERIES = 1000

/** The series of a metric, by the values of its labels: a Map for each label, so that finding one makes no garbage. */
export class Family<S extends object> {
  readonly name: string
  readonly help: string
  readonly #labels: readonly { readonly name: string; readonly values: ReadonlySet<string> | undefined }[]
  readonly #maxSeries: number
  readonly #create: () => S
  readonly #root: Level<S> = new Map()
  readonly #all: { readonly labels: Labels; readonly series: S }[] = []

  constructor({ name, help, labels = [], maxSeries = MAX_SERIES }: MetricOptions, create: () => S) {
    this.name = name
    this.help = help
    this.#maxSeries = maxSeries
    this.#create = create
    this.#labels = labels.map((label) => (typeof label === 'string' ? { name: label, values: undefined } : { name: label.name, values: new Set(label.values) }))
    if (!NAME.test(name) || this.#labels.some((label) => !LABEL.test(label.name))) throw new TypeError('a metric or label has no proper name')
    // Without labels there is one series, and it is there from the start, with 0.
    if (labels.length === 0) this.with()
  }

  /** The series of these values, one for each label. It may be kept. */
  with(...values: readonly string[]): S {
    if (values.length !== this.#labels.length) throw new TypeError('a series has a value for each label')
    let level = this.#root
    for (let i = 0; i < values.length - 1; i++) {
      const next = level.get(values[i]!)
      if (next === undefined) return this.#admit(values)
      level = next as Level<S>
    }
    return (level.get(values.at(-1) ?? '') as S | undefined) ?? this.#admit(values)
  }

  protected get all(): readonly { readonly labels: Labels; readonly series: S }[] {
    return this.#all
  }

  /** Makes a series that is not there yet, in so far as it may be. */
  #admit(values: readonly string[]): S {
    const known = values.map((value, i) => (this.#labels[i]!.values?.has(value) === false ? OTHER : value))
    if (known.some((value, i) => value !== values[i])) return this.with(...known)
    if (this.#all.length >= this.#maxSeries && values.some((value) => value !== OTHER)) return this.with(...values.map(() => OTHER))
    let level = this.#root
    for (const value of values.slice(0, -1)) {
      const next = level.get(value) ?? new Map()
      level.set(value, next)
      level = next as Level<S>
    }
    const series = this.#create()
    level.set(values.at(-1) ?? '', series)
    this.#all.push({ labels: values.map((value, i) => [this.#labels[i]!.name, value]), series })
    return series
  }
}

/** The last label's level holds series, those before it hold levels. */
type Level<S> = Map<string, Level<S> | S>

import { Family, type Labels, type MetricOptions } from './family.ts'

/** One line of the exposition: what is added to the metric's name, its labels, its value. */
export type Sample = readonly [suffix: string, labels: Labels, value: number]

export interface Metric {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  samples(): Sample[]
}

/** The value of one series. */
class Value {
  value = 0

  inc(by = 1): void {
    this.value += by
  }
}

/** What only grows. */
export class Counter extends Family<Value> implements Metric {
  readonly type = 'counter'

  constructor(options: MetricOptions) {
    super(options, () => new Value())
  }

  samples(): Sample[] {
    return this.all.map(({ labels, series }) => ['', labels, series.value])
  }
}

/** What somebody else knows; it is asked when the metrics are. No value: no sample. */
export class Reading implements Metric {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge'
  readonly #read: () => number | undefined | readonly (readonly [labels: Labels, value: number])[]

  constructor(type: 'counter' | 'gauge', name: string, help: string, read: () => number | undefined | readonly (readonly [labels: Labels, value: number])[]) {
    this.type = type
    this.name = name
    this.help = help
    this.#read = read
  }

  samples(): Sample[] {
    const found = this.#read()
    if (found === undefined) return []
    return typeof found === 'number' ? [['', [], found]] : found.map(([labels, value]) => ['', labels, value])
  }
}

/** How often a value was at most each of some bounds. */
class Distribution {
  /** One for each bound, and one for what is beyond them; not cumulative. */
  readonly counts: number[]
  sum = 0
  readonly #bounds: readonly number[]

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0)
  }

  observe(value: number): void {
    let i = 0
    while (i < this.#bounds.length && value > this.#bounds[i]!) i++
    this.counts[i]!++
    this.sum += value
  }
}

export class Histogram extends Family<Distribution> implements Metric {
  readonly type = 'histogram'
  readonly #bounds: readonly number[]

  /** @param bounds - Upper ends of the buckets, ascending, without infinity. */
  constructor(options: MetricOptions, bounds: readonly number[]) {
    super(options, () => new Distribution(bounds))
    this.#bounds = bounds
  }

  samples(): Sample[] {
    return this.all.flatMap(({ labels, series }) => {
      let below = 0
      const buckets = series.counts.map((count, i): Sample => {
        return ['_bucket', [...labels, ['le', i < this.#bounds.length ? String(this.#bounds[i]) : '+Inf']], below += count]
      })
      return [...buckets, ['_sum', labels, series.sum], ['_count', labels, below]] satisfies Sample[]
    })
  }
}

/** Counters, readings and histograms, and the text that Prometheus reads. */
export type { Label, Labels, MetricOptions } from './family.ts'
export { Counter, Histogram, type Metric, Reading } from './metric.ts'
export { CONTENT_TYPE, exposition } from './text.ts'

import type { Labels } from './family.ts'
import type { Metric } from './metric.ts'

/** Prometheus text format, version 0.0.4. */
export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** What Prometheus reads: for each metric its help and type, then its samples. */
export function exposition(metrics: readonly Metric[]): string {
  return metrics.map((metric) => {
    const head = `# HELP ${metric.name} ${escapeHelp(metric.help)}\n# TYPE ${metric.name} ${metric.type}\n`
    return head + metric.samples().map(([suffix, labels, value]) => `${metric.name}${suffix}${labelText(labels)} ${numberText(value)}\n`).join('')
  }).join('')
}

function labelText(labels: Labels): string {
  return labels.length === 0 ? '' : `{${labels.map(([name, value]) => `${name}="${escapeValue(value)}"`).join(',')}}`
}

const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
const escapeValue = (text: string): string => escapeHelp(text).replaceAll('"', '\\"')
const numberText = (value: number): string => String(value).replace('Infinity', 'Inf').replace(/^Inf$/, '+Inf')

import assert from 'node:assert/strict'
import { after } from 'node:test'

const secrets = new Map<string, string>()
const outputs: string[] = []

/** Remembers a secret that must not come out anywhere. */
export function secret(what: string, value: string): string {
  secrets.set(value, what)
  return value
}

/** Remembers what came out: log lines, error bodies, everything a program printed. */
export function output(text: string): void {
  outputs.push(text)
}

after(() => {
  const all = outputs.join('\n')
  for (const [value, what] of secrets) assert.ok(!all.includes(value), `${what} came out in a log line or an error body`)
})

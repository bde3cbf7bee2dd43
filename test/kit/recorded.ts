import type { Usage } from '../../src/usage/index.ts'

/** A recorded answer of Bedrock, as far as its tokens go. */
export interface RecordedAnswer {
  readonly name: string
  readonly kind: string
  readonly response: { readonly status: number; readonly headers: readonly (readonly [string, string])[]; readonly body_base64: string }
  readonly decoded?: readonly { readonly payload_base64: string }[]
}

type Json = { readonly [name: string]: Json | undefined } & { readonly bytes?: string }
const json = (base64: string): Json => JSON.parse(Buffer.from(base64, 'base64').toString()) as Json

/** What a reader of the whole answer would write down, by the table of the contract, section 5.3. */
export function usageOf({ kind, response, decoded = [] }: RecordedAnswer): Usage {
  if (response.status !== 200) return { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, partial: false }
  const field = (name: string) => Number(response.headers.find(([key]) => key.toLowerCase() === `x-amzn-bedrock-${name}-token-count`)?.[1] ?? 0)
  if (kind === 'invoke') return { input: field('input'), output: field('output'), cacheRead: field('cache-read-input'), cacheWrite: field('cache-write-input'), partial: false }
  const payloads = decoded.map(({ payload_base64 }) => json(payload_base64)).map((payload) => (payload.bytes === undefined ? payload : json(payload.bytes)))
  const usage = kind === 'converse' ? json(response.body_base64).usage : payloads.find((payload) => payload.usage?.inputTokens !== undefined)?.usage
  const metrics = payloads.find((payload) => payload['amazon-bedrock-invocationMetrics'] !== undefined)?.['amazon-bedrock-invocationMetrics']
  const delta = payloads.find(({ type }) => type as unknown === 'message_delta')?.usage?.output_tokens
  const number = (...values: readonly unknown[]) => Number(values.find((value) => value !== undefined) ?? 0)
  return {
    input: number(usage?.inputTokens, metrics?.inputTokenCount), output: number(usage?.outputTokens, delta, metrics?.outputTokenCount),
    cacheRead: number(usage?.cacheReadInputTokens, metrics?.cacheReadInputTokenCount), cacheWrite: number(usage?.cacheWriteInputTokens, metrics?.cacheWriteInputTokenCount), partial: false,
  }
}

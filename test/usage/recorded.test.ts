import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Usage, UsageTap } from '../../src/usage/index.ts'
import { type Chunks, cuttings } from '../kit/pieces.ts'
import { conformance, readJson } from '../kit/vectors.ts'

const EVENT_STREAM = ['Content-Type', 'application/vnd.amazon.eventstream']

function metered(status: number, fields: readonly string[], chunks: Chunks, complete = true): Usage {
  const tap = new UsageTap(status, fields)
  for (const chunk of chunks) tap.push(chunk)
  return tap.end(complete)
}

interface Exchange {
  readonly name: string
  readonly kind: string
  readonly response: { readonly status: number; readonly headers: readonly (readonly [string, string])[]; readonly body_base64: string }
  readonly decoded?: readonly { readonly payload_base64: string }[]
}

type Json = { readonly [name: string]: Json | undefined } & { readonly bytes?: string }
const json = (base64: string): Json => JSON.parse(Buffer.from(base64, 'base64').toString()) as Json

/** What a reader of the whole answer would write down, by the table of the contract, section 5.3. */
function expected({ kind, response, decoded = [] }: Exchange): Usage {
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

conformance('bedrock-recorded', (folder) => {
  const exchanges = readJson<readonly Exchange[]>(folder, 'open', 'exchanges.json')
  for (const [i, exchange] of exchanges.entries()) {
    const { status, headers, body_base64: base64 } = exchange.response
    if (exchange.kind === 'count-tokens') continue // not metered: what it counts was not used
    test(`bedrock-recorded: tokens of ${exchange.name} (${i})`, () => {
      const body = Buffer.from(base64, 'base64')
      const wanted = expected(exchange)
      assert.ok(status !== 200 || wanted.input > 0)
      for (const [cut, chunks] of cuttings(body)) assert.deepEqual(metered(status, headers.flat(), chunks), wanted, cut)
    })

    if (exchange.kind !== 'invoke' || status !== 200) continue
    const vendor = /"(?:usage|inputTextTokenCount)"/.test(Buffer.from(base64, 'base64').toString())
    test(`bedrock-recorded: tokens of ${exchange.name} (${i}) by its body alone`, () => {
      const body = Buffer.from(base64, 'base64')
      const wanted = vendor ? expected(exchange) : { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, partial: true }
      for (const [cut, chunks] of cuttings(body)) assert.deepEqual(metered(200, ['content-type', 'application/json'], chunks), wanted, cut)
    })
  }
})

interface Fixture {
  readonly file: string
  readonly expect?: { readonly usage?: Partial<Usage>; readonly usageFromDelta?: number } | null
  readonly frames: readonly { readonly offset: number; readonly length: number }[]
}

/** What the manifest does not say: streams that break off keep what message_start said. */
const BEGUN = { input: 25, output: 1, cacheRead: 9511, cacheWrite: 1956, partial: true }
const NOTHING = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, partial: true }
const UNSAID: Readonly<Record<string, Usage>> = {
  '02': { input: 392, output: 133, cacheRead: 0, cacheWrite: 0, partial: false },
  ...Object.fromEntries(['16', '17', '29', '30', '31', '32', '34', '35'].map((number) => [number, NOTHING])),
}

conformance('bedrock-contract', (folder) => {
  const streams = join(folder, 'eventstream-fixtures')
  for (const { file, expect } of readJson<{ files: readonly Fixture[] }>(streams, 'manifest.json').files) {
    test(`bedrock-contract: tokens of ${file}`, () => {
      const { input, output, cacheRead = 0, cacheWrite = 0 } = expect?.usage ?? {}
      const wanted = input === undefined ? UNSAID[file.slice(0, 2)] ?? BEGUN : { input, output, cacheRead, cacheWrite, partial: false }
      for (const [cut, chunks] of cuttings(readFileSync(join(streams, file)))) assert.deepEqual(metered(200, EVENT_STREAM, chunks), wanted, cut)
    })
  }

  test('bedrock-contract: a stream that is aborted counts what was seen of it, and is partial until all is known', () => {
    const { frames } = readJson<{ files: readonly Fixture[] }>(streams, 'manifest.json').files.find(({ file }) => file.startsWith('01'))!
    const bytes = readFileSync(join(streams, '01-anthropic-text.bin'))
    const whole = { ...BEGUN, output: 12, partial: false }
    const known = frames.at(-2)!.offset + frames.at(-2)!.length
    for (let end = 0; end <= bytes.length; end++) {
      const wanted = end < frames[0]!.length ? NOTHING : end < known ? BEGUN : whole
      assert.deepEqual(metered(200, EVENT_STREAM, [bytes.subarray(0, end)], false), wanted, String(end))
    }
  })
})

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Usage, UsageTap } from '../../src/usage/index.ts'
import { type Chunks, cuttings } from '../kit/pieces.ts'
import { type RecordedAnswer as Exchange, usageOf as expected } from '../kit/recorded.ts'
import { conformance, readJson } from '../kit/vectors.ts'

const EVENT_STREAM = ['Content-Type', 'application/vnd.amazon.eventstream']

function metered(status: number, fields: readonly string[], chunks: Chunks, complete = true): Usage {
  const tap = new UsageTap(status, fields)
  for (const chunk of chunks) tap.push(chunk)
  return tap.end(complete)
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

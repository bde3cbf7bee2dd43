import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { requestFields } from '../../src/http/index.ts'
import { receiveBody } from '../../src/proxy/body.ts'
import { ByteBudget } from '../../src/proxy/budget.ts'
import type { Exchange } from '../../src/proxy/exchange.ts'
import { LiveAnswers } from '../../src/proxy/live.ts'

const SENT = Buffer.from('{"messages":[]}')

// What comes before anybody reads it: while keys are fetched, for one.
for (let cut = 0; cut <= SENT.length; cut++) {
  test(`a small body that was all here before it is read, cut at byte ${cut}, is taken whole`, async () => {
    const body = new PassThrough()
    for (const piece of [SENT.subarray(0, cut), SENT.subarray(cut)]) if (piece.length > 0) body.write(piece)
    body.end()
    const ended = new Promise((resolve) => body.once('end', resolve))
    const exchange = { body, hasBody: true, aheadBytes: 1024, gone: false, continue: () => undefined } as unknown as Exchange
    const fields = requestFields(['host', 'h', 'content-length', String(SENT.length)], '1.1')
    const watch = { live: new LiveAnswers(), revoked: () => false }
    const payload = await receiveBody(exchange, fields, { maxBytes: 1000, idleMs: 1000, budget: new ByteBudget(1000, 1000), watch, caller: {} as never })
    assert.deepEqual(Buffer.concat(payload.chunks), SENT)
    assert.deepEqual([payload.bytes, payload.sha256], [SENT.length, createHash('sha256').update(SENT).digest('hex')])
    await ended
  })
}

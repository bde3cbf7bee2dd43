import { createHash } from 'node:crypto'
import { UpstreamError } from '../upstream/index.ts'
import { NO_BODY, Payload } from './body.ts'
import { type CallDependencies, callAws, errorType, type Way } from './call.ts'
import { Errand } from './live.ts'
import { findRoute } from './route.ts'

/** What AWS says to a request of our own. */
export interface Told {
  readonly status: number
  /** Name of the error, where it is one. */
  readonly type: string
  readonly body: Buffer
}

const MAX_BYTES = 4_194_304
const NO_FIELDS = { get: () => undefined, forward: [] }

/**
 * Asks AWS something of our own, not for a client.
 *
 * @param path - As the door has it.
 * @throws Refusal, UpstreamError - as `callAws` does; of an answer that is too large `UPSTREAM_BAD_ANSWER`.
 */
export async function askAws(house: CallDependencies & Way, method: 'GET' | 'POST', path: string, body?: string): Promise<Told> {
  const payload = body === undefined ? NO_BODY : new Payload([Buffer.from(body)], Buffer.byteLength(body), createHash('sha256').update(body).digest('hex'), { release: () => undefined })
  const { status, message, held } = await callAws(new Errand(), house, findRoute(method, { path, query: undefined }), NO_FIELDS, payload, house, () => undefined)
  const chunks = held === undefined ? [] : [held]
  let bytes = 0
  for await (const chunk of held === undefined ? (message as AsyncIterable<Buffer>) : []) {
    bytes += chunk.length
    if (bytes > MAX_BYTES) throw new UpstreamError('UPSTREAM_BAD_ANSWER', 'an answer to a request of our own is too large')
    chunks.push(chunk)
  }
  const whole = Buffer.concat(chunks)
  return { status, type: status < 400 ? '' : errorType(message.headers['x-amzn-errortype'], whole), body: whole }
}

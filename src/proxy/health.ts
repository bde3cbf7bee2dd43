import type { HostCredentials } from '../credentials/index.ts'
import type { Secret } from '../secret/index.ts'
import { type Endpoint, type UpstreamClient, UpstreamError } from '../upstream/index.ts'
import type { Exchange } from './exchange.ts'
import { Refusal } from './problem.ts'
import type { Passage } from './relay.ts'

/** Closed words: neither hosts nor the text of errors are anybody's business. */
type Reach = 'ok' | 'unreachable' | 'timeout'
type Held = 'ok' | 'searching' | 'missing'

/** The better ones first: of several upstreams the worst counts. */
const REACHES: readonly Reach[] = ['ok', 'timeout', 'unreachable']
const HELDS: readonly Held[] = ['ok', 'searching', 'missing']

/** How long a connection that was made, or not, is good as an answer. */
const KEPT_MS = 5000

/** What is asked of an upstream. */
interface Asked {
  readonly credentials: HostCredentials
  readonly apiKey?: Secret | undefined
  readonly endpoints: { readonly runtime: Endpoint }
}

/** How the way to AWS is: whether there are credentials, and whether the Bedrock runtime can be connected to; of all upstreams, and none is named. */
export class AwsHealth {
  readonly #client: UpstreamClient
  readonly #all: readonly Asked[]
  /** One for all who ask, kept for a while: asking often connects no more often. */
  #reaches: Promise<readonly Reach[]> | undefined

  constructor({ client, all }: { readonly client: UpstreamClient; readonly all: readonly Asked[] }) {
    this.#client = client
    this.#all = all
  }

  /**
   * Answers 200 with the status `ok`, or, where some upstreams of several cannot serve, `degraded`; 503 `unavailable` where none can. Beside it
   * `"credentials": {"status", "provider", "expires"}` and `"runtime": {"status"}`, of several the worst, and how many of these can serve.
   */
  async answer(exchange: Exchange): Promise<Passage> {
    this.#reaches ??= Promise.all(this.#all.map((one) => this.#probe(one))).finally(() => setTimeout(() => { this.#reaches = undefined }, KEPT_MS).unref())
    const [helds, reaches] = [this.#all.map(heldBy), await this.#reaches]
    if (exchange.gone) throw new Refusal('CLIENT_GONE')
    const serving = helds.filter((held, i) => held === 'ok' && reaches[i] === 'ok').length
    const word = serving === helds.length ? 'ok' : serving > 0 ? 'degraded' : 'unavailable'
    const status = serving > 0 ? 200 : 503
    const told = { status: word, credentials: { status: worst(HELDS, helds), ...this.#credentials() }, runtime: { status: worst(REACHES, reaches) }, ...(helds.length > 1 && { upstreams: { all: helds.length, serving } }) }
    const body = Buffer.from(JSON.stringify(told))
    exchange.answer(status, ['Content-Type', 'application/json', 'Content-Length', String(body.length), 'Cache-Control', 'no-store'], body)
    return { status, bytes: body.length, awsRequestId: undefined, failure: undefined }
  }

  /** Who gives them, and when the first of them expire. */
  #credentials() {
    const all = this.#all.map(({ credentials }) => credentials)
    const expiresMs = Math.min(...all.map((one) => one.expiresMs ?? Infinity))
    return { provider: [...new Set(all.map(({ name }) => name))].join(', '), expires: expiresMs === Infinity ? null : new Date(expiresMs).toISOString() }
  }

  async #probe({ endpoints: { runtime } }: Asked): Promise<Reach> {
    try {
      const socket = await this.#client.connect(runtime)
      socket.destroy()
      return 'ok'
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error
      return error.code === 'UPSTREAM_CONNECT_TIMEOUT' ? 'timeout' : 'unreachable'
    }
  }
}

/** Whether there are credentials for an upstream, or a key in their place. */
export function heldBy({ apiKey, credentials }: Pick<Asked, 'apiKey' | 'credentials'>): Held {
  if (apiKey !== undefined) return 'ok'
  try {
    return credentials.get() instanceof Promise ? 'searching' : 'ok'
  } catch {
    return 'missing'
  }
}

const worst = <T>(order: readonly T[], found: readonly T[]): T => order[Math.max(...found.map((one) => order.indexOf(one)))]!

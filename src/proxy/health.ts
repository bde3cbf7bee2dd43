import type { HostCredentials } from '../credentials/index.ts'
import type { Secret } from '../secret/index.ts'
import { type Endpoint, type UpstreamClient, UpstreamError } from '../upstream/index.ts'
import type { Exchange } from './exchange.ts'
import { Refusal } from './problem.ts'
import type { Passage } from './relay.ts'

/** Closed words: neither hosts nor the text of errors are anybody's business. */
type Reach = 'ok' | 'unreachable' | 'timeout'
type Held = 'ok' | 'searching' | 'missing'

/** How long a connection that was made, or not, is good as an answer. */
const KEPT_MS = 5000

/** How the way to AWS is: whether there are credentials, and whether the Bedrock runtime can be connected to. */
export class AwsHealth {
  readonly #client: UpstreamClient
  readonly #credentials: HostCredentials
  readonly #endpoint: Endpoint
  readonly #hasKey: boolean
  /** One for all who ask, kept for a while: asking often connects no more often. */
  #reach: Promise<Reach> | undefined

  constructor({ client, credentials, apiKey, endpoints }: { client: UpstreamClient; credentials: HostCredentials; apiKey?: Secret | undefined; endpoints: { readonly runtime: Endpoint } }) {
    this.#hasKey = apiKey !== undefined
    this.#client = client
    this.#credentials = credentials
    this.#endpoint = endpoints.runtime
  }

  /** Answers 200 or 503, with `{"status", "credentials": {"status", "provider", "expires"}, "runtime": {"status"}}`. */
  async answer(exchange: Exchange): Promise<Passage> {
    this.#reach ??= this.#probe().finally(() => setTimeout(() => { this.#reach = undefined }, KEPT_MS).unref())
    const [held, reach] = [this.#held(), await this.#reach]
    if (exchange.gone) throw new Refusal('CLIENT_GONE')
    const isGood = held === 'ok' && reach === 'ok'
    const { name, expiresMs } = this.#credentials
    const expires = expiresMs === undefined ? null : new Date(expiresMs).toISOString()
    const body = Buffer.from(JSON.stringify({ status: isGood ? 'ok' : 'unavailable', credentials: { status: held, provider: name, expires }, runtime: { status: reach } }))
    const status = isGood ? 200 : 503
    exchange.answer(status, ['Content-Type', 'application/json', 'Content-Length', String(body.length), 'Cache-Control', 'no-store'], body)
    return { status, bytes: body.length, awsRequestId: undefined, failure: undefined }
  }

  #held(): Held {
    if (this.#hasKey) return 'ok'
    try {
      return this.#credentials.get() instanceof Promise ? 'searching' : 'ok'
    } catch {
      return 'missing'
    }
  }

  async #probe(): Promise<Reach> {
    try {
      const socket = await this.#client.connect(this.#endpoint)
      socket.destroy()
      return 'ok'
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error
      return error.code === 'UPSTREAM_CONNECT_TIMEOUT' ? 'timeout' : 'unreachable'
    }
  }
}

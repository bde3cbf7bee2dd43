import { readdirSync, readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { AuditLog, CallFacts } from '../audit/index.ts'
import { Counter, exposition, Histogram, type Labels, type Metric, Reading } from '../prometheus/index.ts'

/** What the metrics read of the rest of the proxy. */
export interface MetricSources {
  readonly version: string
  /** Whether users are told apart. */
  readonly byUser: boolean
  readonly live: () => number
  readonly checks: ReadonlyMap<string, () => boolean>
  readonly audit: AuditLog | undefined
  /** Whether what callers use is counted where it should be. */
  readonly limitsAvailable: () => boolean
  /** When our credentials end, in milliseconds since 1970, where they do. */
  readonly credentialsEndMs: () => number | undefined
  readonly issuers: () => readonly { readonly issuer: string | undefined; readonly ageMs?: number | undefined }[]
}

const P = 'bedrock_sso_proxy_'

/** The names by which model ids tell their families, in whatever ARN or geography they stand. */
const FAMILIES = [
  'ai21.jamba', 'amazon.nova', 'amazon.titan', 'anthropic.claude', 'cohere.command', 'cohere.embed', 'cohere.rerank', 'deepseek', 'google.gemma', 'luma.ray',
  'meta.llama', 'minimax', 'mistral', 'moonshot', 'nvidia.nemotron', 'openai.gpt-oss', 'qwen', 'stability', 'twelvelabs', 'writer.palmyra', 'zai.glm',
]
const FAMILY = new RegExp(`(?:^|[./])(${FAMILIES.map((name) => name.replaceAll('.', '\\.')).join('|')})`)
const model = { name: 'model', values: [...FAMILIES, 'none'] }

// A model answers within milliseconds (counting tokens) or thinks for minutes.
const SECONDS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]

/** Every metric there is: what calls count, and what is looked up when somebody asks. */
export class Metrics {
  readonly #calls = {
    requests: new Counter({ name: `${P}requests_total`, help: 'Requests by what was asked, what was answered and who failed.', labels: ['operation', model, 'status', 'failed'] }),
    received: new Counter({ name: `${P}request_bytes_total`, help: 'Bytes of request bodies.', labels: ['operation'] }),
    sent: new Counter({ name: `${P}response_bytes_total`, help: 'Bytes of the bodies of answers that were passed on.', labels: ['operation'] }),
    duration: new Histogram({ name: `${P}request_duration_seconds`, help: 'From the head of a request to the end of its answer.', labels: ['operation'] }, SECONDS),
    firstByte: new Histogram({ name: `${P}first_byte_seconds`, help: 'From the head of a request to the first byte of its answer.', labels: ['operation'] }, SECONDS),
    upstream: new Histogram({ name: `${P}upstream_seconds`, help: 'From sending a request to AWS to the head of its answer.', labels: ['operation'] }, SECONDS),
    tokens: new Counter({ name: `${P}tokens_total`, help: 'Tokens of models, by kind.', labels: ['kind', model] }),
    cost: new Counter({ name: `${P}cost_usd_total`, help: 'What calls cost, by the prices of the configuration.', labels: [model] }),
    errors: new Counter({ name: `${P}errors_total`, help: 'Requests that were refused or failed, by the code of the reason; limits that were hit are among them.', labels: ['error'] }),
  }
  /** To find each series anew for every call would cost more than to count it. */
  readonly #ofOperation = kept((operation) => {
    const { received, sent, duration, firstByte, upstream } = this.#calls
    return { received: received.with(operation), sent: sent.with(operation), duration: duration.with(operation), firstByte: firstByte.with(operation), upstream: upstream.with(operation) }
  })
  readonly #ofFamily = kept((family) => TOKENS.map(([field, kind]) => ({ field, counter: this.#calls.tokens.with(kind, family) })))
  /** Names of people are for those who ask for them, and for no stranger: only who has a token has a name. */
  readonly #users: UserMetrics | undefined
  readonly #delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS })
  readonly #metrics: readonly Metric[]

  constructor(sources: MetricSources) {
    this.#delay.enable()
    this.#users = sources.byUser ? userMetrics() : undefined
    this.#metrics = [...Object.values(this.#calls), ...Object.values(this.#users ?? {}), ...readings(sources), new Reading('gauge', `${P}event_loop_delay_seconds`, 'How late the event loop was, since it was asked last.', () => this.#delays())]
  }

  /** Counts a call at its end. */
  observe(call: CallFacts): void {
    const { requests, cost, errors } = this.#calls
    const operation = call.operation ?? 'none'
    const family = call.model === undefined ? 'none' : FAMILY.exec(call.model)?.[1] ?? 'other'
    requests.with(operation, family, String(call.status ?? 'none'), call.failed ?? 'none').inc()
    const { received, sent, duration, firstByte, upstream } = this.#ofOperation(operation)
    received.inc(call.bytes_in)
    sent.inc(call.bytes_out)
    duration.observe(call.duration_ms / 1000)
    if (call.first_byte_ms !== undefined) firstByte.observe(call.first_byte_ms / 1000)
    if (call.upstream_ms !== undefined) upstream.observe(call.upstream_ms / 1000)
    if (call.error !== undefined) errors.with(call.error).inc()
    if (call.cost_usd !== undefined) cost.with(family).inc(call.cost_usd)
    if (call.input_tokens !== undefined) for (const { field, counter } of this.#ofFamily(family)) counter.inc(call[field] ?? 0)
    if (this.#users !== undefined && call.user !== undefined) countUser(this.#users, call, [call.issuer ?? '', call.user])
  }

  text(): string {
    return exposition(this.#metrics)
  }

  close(): void {
    this.#delay.disable()
  }

  #delays(): (readonly [Labels, number])[] {
    const stats = [['p50', this.#delay.percentile(50)], ['p99', this.#delay.percentile(99)], ['max', this.#delay.max]] as const
    this.#delay.reset()
    // What is measured is the time between two looks, each of which is late by the delay.
    return stats.map(([stat, ns]) => [[['stat', stat]], Math.max(0, ns / 1e9 - DELAY_RESOLUTION_MS / 1000)])
  }
}

type UserMetrics = ReturnType<typeof userMetrics>

function userMetrics() {
  const labels = ['issuer', 'user']
  return {
    requests: new Counter({ name: `${P}user_requests_total`, help: 'Requests by user.', labels }),
    tokens: new Counter({ name: `${P}user_tokens_total`, help: 'Tokens by user and kind.', labels: [...labels, 'kind'] }),
    cost: new Counter({ name: `${P}user_cost_usd_total`, help: 'What the calls of a user cost.', labels }),
  }
}

function countUser({ requests, tokens, cost }: UserMetrics, call: CallFacts, user: readonly [issuer: string, user: string]): void {
  requests.with(...user).inc()
  if (call.cost_usd !== undefined) cost.with(...user).inc(call.cost_usd)
  for (const [field, kind] of TOKENS) if (call[field] !== undefined) tokens.with(...user, kind).inc(call[field])
}

/** Asks once for each name: of a closed list. */
function kept<T>(make: (name: string) => T): (name: string) => T {
  const all = new Map<string, T>()
  return (name) => {
    let one = all.get(name)
    if (one === undefined) all.set(name, one = make(name))
    return one
  }
}

const DELAY_RESOLUTION_MS = 20

const TOKENS = [['input_tokens', 'input'], ['output_tokens', 'output'], ['cache_read_tokens', 'cache_read'], ['cache_write_tokens', 'cache_write']] as const

function readings({ version, live, checks, audit, limitsAvailable, credentialsEndMs, issuers }: MetricSources): Metric[] {
  const rows: readonly ['counter' | 'gauge', string, string, ConstructorParameters<typeof Reading>[3]][] = [
    ['gauge', `${P}live_streams`, 'Requests under way: uploads that are not all here, calls that wait for AWS, and its answers.', live],
    ['gauge', `${P}ready`, 'Whether what must be so is so.', () => [...checks].map(([name, check]) => [[['check', name]], check() ? 1 : 0])],
    ['gauge', `${P}limits_store_available`, 'Whether what callers use is counted where the configuration says; where not, requests are refused, unless limits.fail is open.', () => (limitsAvailable() ? 1 : 0)],
    ['gauge', `${P}credentials_expiry_timestamp_seconds`, 'When our AWS credentials end; absent where they do not.', () => seconds(credentialsEndMs())],
    ['gauge', `${P}keys_age_seconds`, 'Since when the keys of an issuer are as they are; absent where they come from the configuration.', () => issuers().flatMap(({ issuer = '', ageMs }) => (ageMs === undefined ? [] : [[[['issuer', issuer]], ageMs / 1000]]))],
    ['gauge', `${P}build_info`, 'Always 1; what runs is in the labels.', () => [[[['version', version], ['node', process.versions.node]], 1]]],
    ['counter', 'process_cpu_seconds_total', 'CPU time of the process.', () => { const { user, system } = process.cpuUsage(); return (user + system) / 1e6 }],
    ['gauge', 'process_resident_memory_bytes', 'Memory of the process.', () => process.memoryUsage.rss()],
    ['gauge', 'process_open_fds', 'Descriptors that are open.', () => readdirSync('/proc/self/fd').length],
    ['gauge', 'process_max_fds', 'Descriptors that may be open.', () => Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? NaN)],
    ['gauge', 'process_start_time_seconds', 'When the process began.', () => performance.timeOrigin / 1000],
  ]
  const ofAudit: typeof rows = audit === undefined ? [] : [
    ['gauge', `${P}audit_writable`, 'Whether calls can be written down; where not, they are refused, unless audit.fail is open.', () => (audit.writable() ? 1 : 0)],
    ['counter', `${P}audit_lost_lines_total`, 'Lines that were never written.', () => audit.lost],
    ['gauge', `${P}audit_head_number`, 'Number of the last line of the audit log.', () => audit.head.seq],
    // As a label it would be a series for each scrape. 48 bits fit into the number; 12 digits are enough for audit verify --head.
    ['gauge', `${P}audit_head_hash`, 'The first 12 hexadecimal digits of its hash, as a number.', () => Number.parseInt(audit.head.hash.slice(0, 12), 16)],
  ]
  return [...rows, ...ofAudit].map(([type, name, help, read]) => new Reading(type, name, help, () => attempt(read)))
}

const seconds = (ms: number | undefined): number | undefined => ms && ms / 1000

/** With all descriptors taken, even the memory of the process cannot be read. That must not cost the other figures. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

import type { Facts } from '../log/index.ts'

/** What is written of every call at its end. */
export interface CallRecord {
  /** When it began, as ISO 8601 in UTC. */
  readonly time: string
  readonly groups?: readonly string[] | undefined
  readonly facts: Facts<CallFacts>
}

/**
 * Of a call, what the log of the proxy says as well (a type, as no interface is `LogFields`); the order of the fields is that of the line.
 * Never a prompt, never a token: nothing here comes from a body but counts.
 */
export type CallFacts = {
  readonly request_id: string
  readonly user?: string | undefined
  readonly issuer?: string | undefined
  /** Address of the peer. */
  readonly source: string
  readonly method?: string | undefined
  readonly operation?: string | undefined
  readonly model?: string | undefined
  /** The inference profile that was called in its place. */
  readonly profile?: string | undefined
  /** Which of several upstreams served it, or was the last to be tried. */
  readonly upstream?: string | undefined
  /** What the client got, or was to get. */
  readonly status?: number | undefined
  /** Who could have done better; absent where nothing failed. */
  readonly failed?: 'client' | 'proxy' | 'upstream' | undefined
  readonly error?: string | undefined
  /** Why it went up more than once, where it did: it may have been paid for twice. */
  readonly retried?: string | undefined
  readonly bytes_in: number
  readonly bytes_out: number
  readonly input_tokens?: number | undefined
  readonly output_tokens?: number | undefined
  readonly cache_read_tokens?: number | undefined
  readonly cache_write_tokens?: number | undefined
  /** The counts are of what was seen before the call was broken off. */
  readonly partial?: boolean | undefined
  readonly cost_usd?: number | undefined
  /** From the request's head to the first byte of the answer. */
  readonly first_byte_ms?: number | undefined
  /** From sending the request to AWS, retries included, to the head of its answer. */
  readonly upstream_ms?: number | undefined
  readonly duration_ms: number
  readonly aws_request_id?: string | undefined
  /** The policy rule that decided. */
  readonly rule?: string | undefined
  /** The session that a client such as Claude Code says its calls belong to. */
  readonly session_id?: string | undefined
}

/** What is written before a call goes up, so that not even a crash can hide it. */
export type IntentRecord = Pick<CallRecord, 'time'> & Pick<CallFacts, 'request_id' | 'user' | 'issuer' | 'source' | 'operation' | 'model'>

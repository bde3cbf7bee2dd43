import type { Caller } from '../identity/index.ts'
import type { Model } from '../model/index.ts'
import { UpstreamError, type UpstreamErrorCode } from '../upstream/index.ts'
import type { Appearances } from './appearance.ts'
import { type Answer, errorType, type Way } from './call.ts'
import { Refusal } from './problem.ts'
import { fieldOf } from './relay.ts'
import type { Fault, Upstream, Upstreams } from './upstreams.ts'

/** Errors before a byte of an answer. */
const FAULTS: ReadonlyMap<UpstreamErrorCode, Fault> = new Map([
  ['UPSTREAM_UNREACHABLE', 'unreachable'], ['UPSTREAM_CONNECT_TIMEOUT', 'unreachable'], ['UPSTREAM_PUBLIC_ADDRESS', 'unreachable'],
  ['UPSTREAM_SILENT', 'silent'], ['UPSTREAM_RESET', 'silent'], ['UPSTREAM_BAD_ANSWER', 'silent'],
])

/** What an answer says of who gave it; one that is not the last try is let go then. An error about the request is the client's to hear. */
export function judgeAnswer({ status, fields, message }: Answer, isLast: boolean): Fault | undefined {
  const isThrottled = status === 429 || (status >= 400 && errorType(fieldOf(fields, 'x-amzn-errortype'), undefined) === 'ThrottlingException')
  const fault = isThrottled ? 'throttled' : status >= 500 ? 'failed' : undefined
  if (fault !== undefined && !isLast) message.resume()
  return fault
}

/** Where a call may go, and what decides that. */
export interface Goal {
  readonly candidates: readonly Upstream[]
  readonly model: Model | undefined
}

/** What a caller's calls look like at an upstream. */
export function wayTo({ endpoints, apiKey, credentialsFor }: Upstream, caller: Caller, { appearances }: { readonly appearances: Appearances }): Way {
  return { endpoints, apiKey, credentials: credentialsFor(caller), metadata: appearances.metadataFor(caller) }
}

/** Tells the client which of several upstreams has served it. */
export const upstreamField = (name: string | undefined): readonly string[] => (name === undefined ? [] : ['x-bedrock-sso-proxy-upstream', name])

/**
 * Tries upstreams in turn, until one does not throttle, fail or hide. One that took the call and left it without an answer may have
 * run it: no other is tried then.
 *
 * @param attempt - Must hand nothing to the client.
 * @param judge - Looks at what came of it, and lets it go where there is a fault and another try.
 * @param onNext - Told why the next one is tried.
 * @throws what the attempt throws.
 */
export function inTurn<T>(upstreams: Upstreams, goal: Goal, attempt: (upstream: Upstream) => Promise<T>, judge: (outcome: T, isLast: boolean) => Fault | undefined, onNext: (why: Fault) => void): Promise<T> {
  return upstreams.isOne ? attempt(goal.candidates[0]!) : tryAll(upstreams, goal, attempt, judge, onNext)
}

async function tryAll<T>(upstreams: Upstreams, { candidates, model }: Goal, attempt: (upstream: Upstream) => Promise<T>, judge: (outcome: T, isLast: boolean) => Fault | undefined, onNext: (why: Fault) => void): Promise<T> {
  for (const [i, upstream] of candidates.entries()) {
    const isLast = i === candidates.length - 1
    const over = upstreams.begin(upstream, model)
    let fault: Fault | undefined
    try {
      const outcome = await attempt(upstream)
      fault = judge(outcome, isLast)
      over(fault ?? 'worked')
      if (fault === undefined || isLast) return outcome
    } catch (error) {
      fault = error instanceof UpstreamError ? FAULTS.get(error.code) : undefined
      over(fault)
      if (fault !== 'unreachable' || isLast) throw error
    }
    onNext(fault)
  }
  throw new Refusal('NO_UPSTREAM', { detail: 'no upstream is for this model in its geography' })
}

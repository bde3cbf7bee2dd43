import { presentedToken, type RequestFields } from '../http/index.ts'
import { type Authenticator, type Caller, IdentityError } from '../identity/index.ts'
import { JwtError } from '../jwt/index.ts'
import { Refusal, type RefusalCode } from './problem.ts'

/**
 * Tells who calls: at once, or later where keys have to be fetched first.
 *
 * @throws HttpError - where there is no token, or two.
 * @throws Refusal - `TOKEN_EXPIRED`, `KEYS_UNAVAILABLE`, or `TOKEN_INVALID` for all the rest; why exactly stands in `detail`, for the log. The
 *   promise rejects with the same.
 */
export function authenticate(fields: RequestFields, authenticator: Authenticator, nowMs: number): Caller | Promise<Caller> {
  const token = presentedToken(fields)
  try {
    const caller = authenticator.authenticate(token, nowMs)
    return caller instanceof Promise ? caller.catch(refuse) : caller
  } catch (error) {
    return refuse(error)
  }
}

/** Refusals that a client can do something about: fetch a new token, come back later. All others look alike to it. */
const REFUSALS: ReadonlyMap<string, RefusalCode> = new Map([['JWT_EXPIRED', 'TOKEN_EXPIRED'], ['IDENTITY_KEYS_UNAVAILABLE', 'KEYS_UNAVAILABLE']])

function refuse(error: unknown): never {
  if (!(error instanceof JwtError || error instanceof IdentityError)) throw error
  const why = error instanceof IdentityError && error.detail !== undefined ? error.detail : error.message
  throw new Refusal(REFUSALS.get(error.code) ?? 'TOKEN_INVALID', { detail: `${error.code}: ${why}` })
}

import { presentedToken, type RequestFields } from '../http/index.ts'
import { type Authenticator, type Caller, IdentityError } from '../identity/index.ts'
import { JwtError } from '../jwt/index.ts'
import { Refusal } from './problem.ts'

/**
 * Tells who calls: at once, or later where keys have to be fetched first.
 *
 * @throws HttpError - where there is no token, or two.
 * @throws Refusal - `TOKEN_EXPIRED`, or `TOKEN_INVALID` for all the rest; why exactly stands in `detail`, for the log. The
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

function refuse(error: unknown): never {
  if (!(error instanceof JwtError || error instanceof IdentityError)) throw error
  const why = error instanceof IdentityError && error.detail !== undefined ? error.detail : error.message
  throw new Refusal(error.code === 'JWT_EXPIRED' ? 'TOKEN_EXPIRED' : 'TOKEN_INVALID', { detail: `${error.code}: ${why}` })
}

import { presentedToken, type RequestFields } from '../http/index.ts'
import { type Authenticator, type Caller, IdentityError } from '../identity/index.ts'
import { JwtError } from '../jwt/index.ts'
import { Refusal } from './problem.ts'

/**
 * Tells who calls.
 *
 * @throws HttpError - where there is no token, or two.
 * @throws Refusal - `TOKEN_EXPIRED`, or `TOKEN_INVALID` for all the rest; why exactly stands in `detail`, for the log.
 */
export function authenticate(fields: RequestFields, authenticator: Authenticator, nowMs: number): Caller {
  const token = presentedToken(fields)
  try {
    return authenticator.authenticate(token, nowMs)
  } catch (error) {
    if (!(error instanceof JwtError || error instanceof IdentityError)) throw error
    throw new Refusal(error.code === 'JWT_EXPIRED' ? 'TOKEN_EXPIRED' : 'TOKEN_INVALID', { detail: `${error.code}: ${error.message}` })
  }
}

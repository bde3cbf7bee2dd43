import { checkClaims, type ClaimRules, parseClaims, parseCompact, verifyCompact } from '../jwt/index.ts'
import { type Caller, callerOf, type ClaimNames } from './caller.ts'
import type { TrustedKeys } from './keys.ts'

export interface AuthenticatorOptions {
  readonly trusted: TrustedKeys
  readonly rules: ClaimRules
  readonly names: ClaimNames
}

interface Known {
  readonly caller: Caller
  /** Last second in which the token is good. */
  readonly untilS: number
}

// Tokens of people with many groups pass 16 KiB.
const MAX_TOKEN_BYTES = 32_768
const MAX_KNOWN = 1000

/** Tells who calls by their token. What was verified once is remembered, so a busy client costs one verification. */
export class Authenticator {
  readonly #options: AuthenticatorOptions
  /** Verified tokens only: a stranger cannot fill it. */
  readonly #known = new Map<string, Known>()

  constructor(options: AuthenticatorOptions) {
    this.#options = options
  }

  /**
   * @throws JwtError - what is wrong with the token.
   * @throws IdentityError - what its claims lack.
   */
  authenticate(token: string, nowMs: number): Caller {
    const nowS = nowMs / 1000
    const known = this.#known.get(token)
    if (known !== undefined && nowS < known.untilS) return known.caller
    this.#known.delete(token)
    const caller = this.#verify(token, nowS)
    this.#remember(token, { caller, untilS: caller.expiresS + (this.#options.rules.leewayS ?? 0) })
    return caller
  }

  #verify(token: string, nowS: number): Caller {
    const { trusted, rules, names } = this.#options
    const compact = parseCompact(token, MAX_TOKEN_BYTES)
    verifyCompact(compact, trusted)
    return callerOf(checkClaims(parseClaims(compact), rules, nowS), names)
  }

  #remember(token: string, known: Known): void {
    if (this.#known.size >= MAX_KNOWN) this.#known.delete(this.#known.keys().next().value!)
    this.#known.set(token, known)
  }
}

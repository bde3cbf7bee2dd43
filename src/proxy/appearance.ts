import type { CredentialSource } from '../credentials/index.ts'
import type { Caller } from '../identity/index.ts'

/** How a caller appears to AWS. */
export interface Appearance {
  /** What their requests are signed with. */
  readonly credentials: CredentialSource
}

/** Asked with every request. */
export type Appearances = (caller: Caller) => Appearance

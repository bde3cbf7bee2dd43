import { PURPOSES } from '../../src/cli/egress.ts'

/** In the tally, beside the purposes. */
export const ONLY_NAMED = 'a host that only an issuer names'

/** What all runs of a suite must have connected to. */
export const TALLIED: readonly string[] = [...PURPOSES, ONLY_NAMED]

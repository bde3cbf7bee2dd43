import type { Asker } from '../../src/asker/index.ts'
import { Policy, type PolicyOptions } from '../../src/policy/index.ts'

export const OPERATIONS = ['InvokeModel', 'Converse', 'ListFoundationModels', 'StartAsyncInvoke', 'OpenAI']

/** Nobody in particular, of the issuer that there is. */
export const asker = (changes: Partial<Asker> = {}): Asker => ({ issuer: 'https://sso', user: 'ann', groups: ['staff'], ...changes })

export const policy = (options: PolicyOptions, issuers: readonly (string | undefined)[] = ['https://sso']): Policy => new Policy(options, { issuers, operations: OPERATIONS })

import type { Caller } from '../identity/index.ts'
import { type MemberNames, memberNames, type Members, MemberScanner } from '../json/index.ts'
import type { Model, Models } from '../model/index.ts'
import { modelIn, type Policy, PolicyError } from '../policy/index.ts'
import { LENGTH_MEMBERS } from '../usage/index.ts'
import type { Operation } from './operations.ts'
import { Refusal } from './problem.ts'
import type { Route } from './route.ts'

/** Whether the model stands in the path, so that nothing of the body is needed to decide. */
export const isModelInPath = ({ model }: Operation): boolean => model === undefined || model === 'label'

/**
 * Finds what has to be known of a body before it goes up: its model, and how long its answer may get.
 *
 * @param isWeighed - Whether tokens are limited: otherwise the length is nobody's business.
 */
export function scannerFor(operation: Operation, isWeighed: boolean): MemberScanner | undefined {
  const names = namesFor(operation, isWeighed)
  return names && new MemberScanner(names)
}

const MODELS = { modelId: memberNames(['modelId']), model: memberNames(['model']) }
const LENGTHS = memberNames(LENGTH_MEMBERS)
const MODEL_AND_LENGTHS = memberNames(['model', ...LENGTH_MEMBERS])

function namesFor({ model, metered }: Operation, isWeighed: boolean): MemberNames | undefined {
  const weighs = isWeighed && metered === true
  if (model === undefined || model === 'label') return weighs ? LENGTHS : undefined
  return weighs ? MODEL_AND_LENGTHS : MODELS[model]
}

/**
 * The model that a request asks for; `undefined` for operations without one.
 *
 * @throws Refusal - `TWO_MODELS`: we could read one, and AWS another.
 */
export function modelOf({ operation, subject }: Route, members: Members | undefined, models: Models): Model | undefined {
  if (operation.model === undefined) return undefined
  if (operation.model === 'label') return models.of(subject!)
  try {
    return modelIn(members, operation.model, models)
  } catch (error) {
    if (error instanceof PolicyError) throw new Refusal('TWO_MODELS')
    throw error
  }
}

/**
 * Asks the policy.
 *
 * @returns The rule that allows it.
 * @throws Refusal - `MODEL_NOT_ALLOWED`, with the rule that denies it.
 */
export function authorise(caller: Caller, { name }: Operation, model: Model | undefined, policy: Policy): string {
  const { allow, rule } = policy.decide(caller, name, model === undefined ? [] : [model])
  if (!allow) throw new Refusal('MODEL_NOT_ALLOWED', { rule })
  return rule
}

import type { Members } from '../json/index.ts'
import { type Model, type Models, UNNAMED } from '../model/index.ts'
import { PolicyError } from './error.ts'

/**
 * The model that a body names: `modelId` of StartAsyncInvoke, `model` of the OpenAI and Anthropic surfaces. Where there is none that
 * can be read it is `UNNAMED`, which is opaque.
 *
 * @param members - What a `MemberScanner` has found; `undefined` where the body is no JSON object.
 * @throws PolicyError - `POLICY_DUPLICATE_MODEL`: we could read one, and AWS another.
 */
export function modelIn(members: Members | undefined, name: 'model' | 'modelId', models: Models): Model {
  const values = members?.get(name) ?? []
  if (values.length > 1) throw new PolicyError('POLICY_DUPLICATE_MODEL', `"${name}" stands twice in the body`)
  return typeof values[0] === 'string' ? models.of(values[0]) : UNNAMED
}

/** Strict JSON: one reading of a text, or a named refusal. */
export { JsonError } from './error.ts'
export type { JsonErrorCode } from './error.ts'
export { type MemberNames, memberNames, type Members, MemberScanner } from './members.ts'
export { parseJson, parseJsonWithLines } from './parse.ts'
export type { JsonOptions, JsonWithLines } from './parse.ts'

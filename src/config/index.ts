/** The configuration: one schema, three layers, every problem at once, secrets that do not print. */
export type { Files } from './files.ts'
export { loadConfig } from './load.ts'
export type { Loaded, LoadInput } from './load.ts'
export type { EffectiveOption } from './print.ts'
export { formatProblem } from './problem.ts'
export type { Place, Problem } from './problem.ts'
export type { Config, OptionName, Sources } from './schema.ts'
export { optionsTable } from './table.ts'

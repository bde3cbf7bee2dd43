/** TOML 1.0.0: a text becomes a value that knows its lines, or a named refusal. */
export { TomlError, type TomlErrorCode } from './errors.ts'
export { parseToml, type TomlDocument } from './parser.ts'
export { TomlDateTime, type DateTimeKind } from './scalars.ts'
export type { TomlTable, TomlValue } from './tree.ts'

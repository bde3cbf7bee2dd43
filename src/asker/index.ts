/** Who asks, as rules and templates see them. */
export { type Asker, Askers, type Described } from './askers.ts'
export { type Alphabet, claimsOf, fill, parseTemplate, type Template } from './template.ts'

/** Which model a request means, in whatever spelling, and patterns that name models. */
export { isInGeography, type Model, parseModel, regionGeography, UNNAMED } from './model.ts'
export { Models } from './models.ts'
export { Glob, ModelPatterns } from './patterns.ts'

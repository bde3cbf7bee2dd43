import { openDocument } from './document.ts'
import { Parser, type Node } from './parser.ts'

export { YamlError, type YamlErrorCode } from './error.ts'

/** What a YAML text says, and where. */
export interface YamlDocument {
  /** null, boolean, number, string, array or object; undefined when the text holds no document at all, only comments. */
  readonly value: unknown
  /**
   * The line, from 1, of the key or list member that a path leads to: `lineOf(['rules', '0', 'models'])`.
   * The empty path is the document's first line of content; undefined when nothing is there.
   */
  readonly lineOf: (path: readonly string[]) => number | undefined
}

/**
 * Parses a configuration file in a strict subset of YAML 1.2.2 with its core schema.
 *
 * Understood: block and flow collections, all five kinds of scalar, comments, one document. Refused, each by its own
 * code: anchors, aliases, tags, merge keys, complex keys, directives, several documents, duplicate keys, tabs that
 * indent, and whatever YAML readers disagree about. JSON text is understood, as far as its keys are distinct.
 *
 * @example parseYaml('server:\n  port: 3000\n').value // { server: { port: 3000 } }
 * @throws YamlError - for anything in the text, with line and column.
 */
export function parseYaml(text: string): YamlDocument {
  if (typeof text !== 'string') throw new TypeError('text must be a string')
  const scanner = openDocument(text)
  const root = scanner && new Parser(scanner).document()
  return {
    value: root?.value,
    lineOf: (path) => path.reduce<Node | undefined>((node, key) => node?.members?.get(key), root)?.line,
  }
}

import { blockScalar } from './block-scalar.ts'
import { YamlError, type Mark, type YamlErrorCode } from './error.ts'
import { isPlainSafe, plain, quoted } from './scalar.ts'
import type { Scanner } from './scanner.ts'
import { resolve } from './schema.ts'

/** A value, the line it begins on, and what its members were parsed from; a scalar that can be a key has a text. */
export interface Node {
  readonly line: number
  readonly value: unknown
  readonly text?: string
  readonly members?: ReadonlyMap<string, Node>
}

/** The collection a node is a direct member of: it decides whether a block collection may begin on the same line. */
type Parent = 'document' | 'sequence' | 'mapping'

type Misplaced = readonly [YamlErrorCode, string]

interface Key extends Mark {
  readonly name: string
}

const MAX_DEPTH = 64
/** YAML 1.2.2 section 7.4: what decides that a line begins with a key lies within this many characters. */
const MAX_IMPLICIT_KEY = 1024

/** Recursive descent over block and flow nodes. `n` is always the indentation of the block a node is in, -1 at the top. */
export class Parser {
  readonly #s: Scanner
  #depth = 0

  constructor(scanner: Scanner) {
    this.#s = scanner
  }

  /** l-bare-document: one node, then nothing but comments. */
  document(): Node {
    const node = this.#blockNode(-1, 'document')
    this.#s.separateLines()
    if (this.#s.peek() !== '') throw new YamlError('YAML_UNEXPECTED', 'content follows the end of the document', this.#s)
    return node
  }

  /** s-l+block-node: what stands after an indicator, or below it and indented further; nothing there is null. */
  #blockNode(n: number, parent: Parent): Node {
    const s = this.#s
    const indicator = s.mark()
    s.separateLines()
    const start = s.mark()
    const isSequence = s.atIndicator('-')
    // seq-space: "- " counts as indentation, so a sequence may stand right below its key.
    const least = isSequence && parent === 'mapping' ? n : n + 1
    if (s.peek() === '' || (s.atLineStart() && s.indent < least)) return { line: indicator.row + 1, value: null }

    const misplaced = this.#misplaced(indicator, parent)
    if (isSequence) return this.#blockCollection(start, misplaced, () => this.#blockSequence(start.column))
    if (s.peek() === '|' || s.peek() === '>') return { line: start.row + 1, value: blockScalar(s, n) }
    const node = this.#flowNode(n, false)
    if (!this.#mappingValue()) return node
    return this.#blockCollection(start, misplaced, () => this.#blockMapping(start.column, this.#implicitKey(node, start)))
  }

  /** Why no block collection may begin here: it wants a line of its own, or a "- " before it, and no tabs to indent it. */
  #misplaced(indicator: Mark, parent: Parent): Misplaced | undefined {
    const s = this.#s
    const isBelow = s.atLineStart()
    if (!isBelow && parent !== 'sequence') {
      return ['YAML_UNEXPECTED', 'a nested mapping or list begins on a line of its own; text that holds ": " must be quoted']
    }
    const hasTabs = s.line.slice(isBelow ? 0 : indicator.column, s.column).includes('\t')
    return hasTabs ? ['YAML_TAB', 'tabs may not indent'] : undefined
  }

  #blockCollection(start: Mark, misplaced: Misplaced | undefined, readCollection: () => Node): Node {
    if (misplaced !== undefined) throw new YamlError(...misplaced, start)
    return this.#nested(readCollection)
  }

  /** l+block-sequence. */
  #blockSequence(indent: number): Node {
    const s = this.#s
    const line = s.row + 1
    const items: Node[] = []
    do {
      const at = s.row + 1
      s.column++
      items.push({ ...this.#blockNode(indent, 'sequence'), line: at })
    } while (this.#nextEntry(indent) && s.atIndicator('-'))
    return sequence(line, items)
  }

  /** l+block-mapping, from behind the colon of its first key. */
  #blockMapping(indent: number, first: Key): Node {
    const members = new Map<string, Node>()
    for (let key = first; ; key = this.#blockKey(indent)) {
      this.#add(members, key, this.#blockNode(indent, 'mapping'))
      if (!this.#nextEntry(indent)) return mapping(first.row + 1, members)
    }
  }

  #blockKey(indent: number): Key {
    const start = this.#s.mark()
    const node = this.#flowNode(indent, false)
    if (!this.#mappingValue()) throw new YamlError('YAML_KEY', 'a key, a colon and a space are expected', start)
    return this.#implicitKey(node, start)
  }

  /** Steps to the next entry of a block collection; false when a line further left, or the end, closes it. */
  #nextEntry(indent: number): boolean {
    const s = this.#s
    s.separateLines()
    if (s.peek() === '') return false
    if (!s.atLineStart()) throw new YamlError('YAML_UNEXPECTED', 'content follows the end of a value', s)
    s.refuseTabs()
    if (s.indent > indent) throw new YamlError('YAML_INDENTATION', 'the indentation fits no collection that is open', s)
    return s.indent === indent
  }

  /** c-l-block-map-implicit-value: steps behind a colon that makes a key of what was read. */
  #mappingValue(): boolean {
    this.#s.skipWhite()
    if (!this.#s.atIndicator(':')) return false
    this.#s.column++
    return true
  }

  /** ns-flow-node, less what is refused. */
  #flowNode(n: number, inFlow: boolean): Node {
    const s = this.#s
    const line = s.row + 1
    const char = s.peek()
    if (char === '[') return this.#nested(() => this.#flowSequence(n))
    if (char === '{') return this.#nested(() => this.#flowMapping(n))
    if (s.atQuote()) {
      const text = quoted(s, n)
      return { line, value: text, text }
    }
    const start = s.mark()
    const text = plain(s, n, inFlow)
    const value = resolve(text)
    if (value === undefined) throw new YamlError('YAML_NUMBER', 'the number is too large to be held exactly: quote it', start)
    return { line, value, text }
  }

  /** c-flow-sequence. */
  #flowSequence(n: number): Node {
    const open = this.#s.mark()
    const items: Node[] = []
    this.#flowEntries(n, open, ']', () => items.push(this.#flowSequenceEntry(n, open)))
    return sequence(open.row + 1, items)
  }

  /** ns-flow-seq-entry: a node, or ns-flow-pair, a mapping of one key that is on one line with its colon. */
  #flowSequenceEntry(n: number, open: Mark): Node {
    const start = this.#s.mark()
    const node = this.#flowNode(n, true)
    this.#s.skipWhite()
    if (this.#s.peek() !== ':') return node
    const key = this.#implicitKey(node, start)
    const members = new Map<string, Node>()
    this.#add(members, key, this.#flowValue(n, open))
    return mapping(node.line, members)
  }

  /** c-flow-mapping. A key without a colon would be null in YAML; it is refused, for `{port:80}` is such a key. */
  #flowMapping(n: number): Node {
    const s = this.#s
    const open = s.mark()
    const members = new Map<string, Node>()
    this.#flowEntries(n, open, '}', () => {
      const start = s.mark()
      const isQuoted = s.atQuote()
      const key = this.#key(this.#flowNode(n, true), start)
      s.separateFlow(n, open)
      // As in JSON, a quoted key needs no space after its colon.
      const isValue = s.peek() === ':' && (isQuoted || !isPlainSafe(s.peek(1), true))
      if (!isValue) throw new YamlError('YAML_KEY', 'a key, a colon and a space are expected', start)
      this.#add(members, key, this.#flowValue(n, open))
    })
    return mapping(open.row + 1, members)
  }

  /** Entries between brackets: a comma after each, the last one's may be missing. */
  #flowEntries(n: number, open: Mark, close: string, readEntry: () => void): void {
    const s = this.#s
    s.column++
    for (s.separateFlow(n, open); s.peek() !== close; s.separateFlow(n, open)) {
      readEntry()
      s.separateFlow(n, open)
      if (s.peek() === close) break
      if (s.peek() !== ',') throw new YamlError('YAML_UNEXPECTED', 'a comma or a closing bracket is expected', s)
      s.column++
    }
    s.column++
  }

  /** The value after the colon of a flow pair, null when there is none. */
  #flowValue(n: number, open: Mark): Node {
    const s = this.#s
    s.column++
    s.separateFlow(n, open)
    return ',]}'.includes(s.peek()) ? { line: s.row + 1, value: null } : this.#flowNode(n, true)
  }

  /** ns-s-implicit-yaml-key: a key that is recognised by its colon alone is short and on one line. */
  #implicitKey(node: Node, start: Mark): Key {
    const { row, column } = this.#s
    if (node.text !== undefined && (row !== start.row || column - start.column > MAX_IMPLICIT_KEY)) {
      throw new YamlError('YAML_KEY', 'a key must be short and on one line', start)
    }
    return this.#key(node, start)
  }

  /** A scalar as a key of a JavaScript object, which is always text: `012` or `1.0` would lose what was written. */
  #key(node: Node, start: Mark): Key {
    const name = node.text
    if (name === undefined) throw new YamlError('YAML_COMPLEX_KEY', 'complex keys are not supported', start)
    if (name === '<<') throw new YamlError('YAML_MERGE_KEY', 'merge keys are not supported', start)
    if (name !== String(node.value)) throw new YamlError('YAML_KEY', 'this key is not text in YAML: quote it', start)
    return { ...start, name }
  }

  #add(members: Map<string, Node>, key: Key, value: Node): void {
    if (members.has(key.name)) throw new YamlError('YAML_DUPLICATE_KEY', 'the key is already in this mapping', key)
    members.set(key.name, { ...value, line: key.row + 1 })
  }

  #nested(readCollection: () => Node): Node {
    if (++this.#depth > MAX_DEPTH) throw new YamlError('YAML_DEPTH', 'collections are nested too deeply', this.#s)
    const node = readCollection()
    this.#depth--
    return node
  }
}

function sequence(line: number, items: readonly Node[]): Node {
  const members = new Map(items.map((item, index) => [String(index), item]))
  return { line, members, value: items.map((item) => item.value) }
}

/** fromEntries() defines its keys, so that `__proto__` becomes a key like any other. */
function mapping(line: number, members: ReadonlyMap<string, Node>): Node {
  return { line, members, value: Object.fromEntries([...members].map(([key, node]) => [key, node.value])) }
}

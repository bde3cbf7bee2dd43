import { dirname, extname, join, resolve } from 'node:path'
import { parseJsonWithLines } from '../json/index.ts'
import { parseToml } from '../toml/index.ts'
import { parseYaml } from '../yaml/index.ts'
import type { Environment } from './environment.ts'
import { readText } from './files.ts'
import type { Files } from './files.ts'
import { layer } from './layer.ts'
import type { Given, Layer } from './layer.ts'
import { describe, isMapping, suggest } from './problem.ts'
import type { Problem } from './problem.ts'
import { OPTIONS, SPELLINGS } from './schema.ts'

interface Document {
  readonly value: unknown
  readonly lineOf: (path: readonly string[]) => number | undefined
}

type Fault = Omit<Problem, 'where'>

/** The languages, by extension. A parser throws an error with a `line`. */
const LANGUAGES: ReadonlyMap<string, (text: string) => Document> = new Map<string, (text: string) => Document>([
  ['.yaml', parseYaml], ['.yml', parseYaml], ['.toml', parseToml], ['.json', parseJsonWithLines],
])

const CANDIDATES = ['config.yaml', 'config.toml', 'config.json']
const SYSTEM_FOLDER = '/etc/bedrock-sso-proxy'

const KEYS = new Map(SPELLINGS.map((spelling) => [spelling.key, spelling]))
const SECTIONS = new Set([...OPTIONS.keys()].flatMap((option) => prefixes(option.split('.'))))

export interface FileLayer extends Layer {
  /** The file that was looked at, if there is one. */
  readonly path: string | undefined
  /** False when the file could not be read as a whole, and so nothing is known of what it wanted. */
  readonly whole: boolean
}

/** The options that the configuration file gives, and what is wrong with it. Having no file is well. */
export function readFile(named: string | undefined, env: Environment, cwd: string, files: Files): FileLayer {
  const [path, ...others] = find(named ?? (env['BEDROCK_SSO_PROXY_CONFIG'] || undefined), cwd, files)
  if (path === undefined) return { path, whole: true, ...layer([], []) }
  if (others.length > 0) return unread(path, { expected: 'one configuration file in its folder', found: `${others.join(', ')} as well` })
  const parse = LANGUAGES.get(extname(path))
  if (parse === undefined) return unread(path, { expected: `a name that ends in ${[...LANGUAGES.keys()].join(', ')}` })
  const text = readText(files, path)
  const document = typeof text === 'string' ? read(parse, text) : text
  return 'expected' in document ? unread(path, document) : { path, whole: true, ...walk(path, document) }
}

function find(named: string | undefined, cwd: string, files: Files): readonly string[] {
  if (named !== undefined) return [resolve(cwd, named)]
  const folders = [cwd, SYSTEM_FOLDER].map((folder) => CANDIDATES.map((name) => join(folder, name)).filter(files.exists))
  return folders.find((present) => present.length > 0) ?? []
}

function unread(where: string, fault: Fault): FileLayer {
  return { path: where, whole: false, ...layer([], [{ where, ...fault }]) }
}

function read(parse: (text: string) => Document, text: string): Document | Fault {
  try {
    return parse(text)
  } catch (error) {
    const { line, message } = error as { readonly line?: unknown; readonly message: string }
    if (typeof line !== 'number') throw error
    return { line, expected: `a well-formed file (${message})` }
  }
}

/** Goes through the document as it is, so that no key of it stays unseen. */
function walk(where: string, { value, lineOf }: Document): Layer {
  const given: Given[] = []
  const problems: Problem[] = []
  const visit = (node: unknown, path: readonly string[]): unknown => {
    const key = path.join('.')
    const line = lineOf(path)
    // A key with a dot in it must not pass for a path.
    const plain = path.every((name) => name !== '' && !name.includes('.'))
    const spelling = plain ? KEYS.get(key) : undefined
    if (!spelling && !(plain && SECTIONS.has(key))) return problems.push({ where, line, key, expected: `a known key${nearest(path)}` })
    // Nothing behind a key, as where all below it is commented out: it counts as not there.
    if (node === null || node === undefined) return
    if (spelling) given.push({ spelling, place: { layer: 'file', where, line }, raw: node, folder: dirname(where), lineOf: (below) => lineOf([...path, ...below]) })
    else if (isMapping(node)) for (const [name, below] of Object.entries(node)) visit(below, [...path, name])
    else problems.push({ where, line, key: key || undefined, expected: 'a mapping of keys', found: describe(node, true) })
  }
  visit(value, [])
  return layer(given, problems)
}

/** Among the keys that may stand where this one does. */
function nearest(path: readonly string[]): string {
  const above = path.slice(0, -1)
  const siblings = [...KEYS.keys()].map((key) => key.split('.')).filter((key) => above.every((name, i) => key[i] === name))
  return suggest(path.at(-1)!, new Set(siblings.map((key) => key[above.length]!)))
}

/** `server.tls.key_file` stands in the sections '' (the whole file), `server` and `server.tls`. */
function prefixes(path: readonly string[]): readonly string[] {
  return path.map((_, i) => path.slice(0, i).join('.'))
}

import { posix } from 'node:path'

/** Files of the project: path from its root, in POSIX spelling, to content. */
export type Tree = ReadonlyMap<string, string>

/**
 * The house from the ground up. A room imports only from levels below its own, through the door of the other room, and of
 * Node only the modules in its row. `types:` marks a module of which it takes types alone: they are gone when it runs.
 */
export const HOUSE: readonly Readonly<Record<string, string>>[] = [
  { json: 'buffer', secret: '', log: '', model: '', turn: '', asker: 'crypto' },
  {
    jwt: 'buffer crypto', sigv4: 'crypto', eventstream: 'zlib', websocket: 'crypto', http: '',
    toml: '', yaml: '', resp: '', prometheus: '', partition: '',
  },
  { lock: 'fs' },
  {
    config: 'fs path', identity: 'crypto fs http https path tls types:stream', credentials: 'child_process crypto fs http https timers/promises tls types:stream',
    upstream: 'dns/promises http http2 net tls', limits: 'crypto fs net path tls zlib', policy: '', audit: 'crypto fs', usage: '', sso: 'crypto http types:net',
  },
  { proxy: 'crypto types:http types:stream' },
  { server: 'crypto fs http http2 https net perf_hooks types:stream tls' },
  // Below cli, so that cli and nobody else can know the stand-in.
  { demo: 'crypto events http http2 types:net timers/promises' },
  { cli: 'child_process crypto fs path util v8' },
  { bin: '' },
]

/** The leaves are the two lowest levels: no I/O, no clock, no chance of their own. */
const LEAF_LEVELS = 2

/** What an auditor asks first: who may do this at all. What no room may is refused whatever the rows above say. */
const POWERS: readonly { readonly power: string; readonly modules: string; readonly rooms: string }[] = [
  { power: 'open sockets', modules: 'dgram dns dns/promises http http2 https net tls', rooms: 'credentials demo identity limits server sso upstream' },
  { power: 'read and write files', modules: 'fs fs/promises', rooms: 'audit cli config credentials identity limits lock server' },
  { power: 'start processes', modules: 'child_process', rooms: 'cli credentials' },
  { power: 'fork workers', modules: 'cluster', rooms: 'server' },
  { power: 'run code that was not there at the start', modules: 'inspector module repl vm wasi worker_threads', rooms: '' },
]

const MAX_LINES = 300

/** Other ways to modules and to code that was not there at the start, and Node's own clients, for which no import is needed. */
const FORBIDDEN = [
  /\beval\b/, /\bnew Function\b/, /\bFunction\s*\(/, /\bWebAssembly\b/, /\bimport\s*\(/, /\brequire\s*\(/, /\bcreateRequire\b/,
  /\bgetBuiltinModule\b/, /\bprocess\.binding\b/, /\b_linkedBinding\b/, /\bdlopen\b/, /\bmainModule\b/,
  /\bglobalThis\b/, /(?<![.#\w])fetch\s*\(/, /\bnew (?:WebSocket|EventSource)\b/,
]

/** A leaf gets the time, randomness and output as arguments. */
const IMPURE = [
  /\bDate\.now\(\)/, /\bnew Date\(\)/, /\bperformance\./, /\bset(?:Timeout|Interval|Immediate)\b/, /\bMath\.random\b/, /\brandom(?:Bytes|UUID|Int|FillSync)\b/,
  /\bgetRandomValues\b/, /\bconsole\./, /\bprocess\./,
]

/** Each rule of the house, as a claim, with the check that finds what breaks it. */
export const RULES: ReadonlyMap<string, (tree: Tree) => string[]> = new Map([
  ['every import is plain to see, and of node: or of a file of ours', plain],
  ['every room is in the table and has a door', doors],
  ['a room imports from levels below it, through doors', levels],
  ['a test looks inside no room but its own', tests],
  ['a room touches no module of Node but those of its row', modules],
  ['a row grants nothing that its room does not use', exact],
  ['sockets, files and processes are for the rooms that need them', powers],
  ['nothing is evaluated, loaded or fetched on the side', forbidden],
  ['a leaf has no clock, no chance and no process of its own', pure],
  [`no file has more than ${MAX_LINES} lines`, short],
])

interface Import {
  readonly path: string
  readonly specifier: string
  /** The file meant by a relative specifier. */
  readonly target: string
  readonly typesOnly: boolean
}

const IMPORT = /^(?:import|export)( type)? (?:\*(?: as \w+)?|\w+|(?:\w+, )?\{[^}]*\}) from '([^']+)'$/gm
const GAP = String.raw`(?:\s|/\*[^]*?\*/|//.*\n)*`
/** Anything that may be an import, however it is written; the word 'from' in a list of words is none. */
const LIKE_IMPORT = new RegExp(String.raw`\bfrom${GAP}['"][^\s,'"]|\bimport${GAP}['"(]`, 'g')

function plain(tree: Tree): string[] {
  const odd = program(tree).filter(([, source]) => [...source.matchAll(IMPORT)].length !== [...source.matchAll(LIKE_IMPORT)].length)
  const strange = imports(program(tree)).filter(({ specifier, target }) => !(specifier.startsWith('.') ? tree.has(target) : /^node:[a-z0-9_/]+$/.test(specifier)))
  return [...odd.map(([path]) => `${path} imports in a way that is not plain to see`), ...strange.map(line)]
}

function doors(tree: Tree): string[] {
  const rooms = roomsOf(tree)
  return [
    ...rooms.filter((room) => level(room) === -1).map((room) => `${room} is not in the table`),
    ...rooms.filter((room) => !tree.has(door(room))).map((room) => `${room} has no door`),
  ]
}

function levels(tree: Tree): string[] {
  return imports(program(tree)).filter(({ path, specifier, target }) => {
    const [from, to] = [roomOf(path), roomOf(target)]
    return specifier.startsWith('.') && from !== to && !(level(to) < level(from) && target === door(to))
  }).map(line)
}

/** The files of cli are for all tests: they put a proxy together. */
function tests(tree: Tree): string[] {
  return imports(under(tree, 'test/')).filter(({ path, target }) => {
    const to = roomOf(target)
    return target.startsWith('src/') && to !== roomOf(path) && to !== 'cli' && target !== door(to)
  }).map(line)
}

function modules(tree: Tree): string[] {
  return nodeImports(tree).filter(({ path, module, typesOnly }) => {
    const row = rowOf(roomOf(path))
    return !row.includes(module) && !(typesOnly && row.includes(`types:${module}`))
  }).map(line)
}

function exact(tree: Tree): string[] {
  const used = new Set(nodeImports(tree).map(({ path, module, typesOnly }) => `${roomOf(path)} ${typesOnly ? 'types:' : ''}${module}`))
  return roomsOf(tree).flatMap((room) => rowOf(room).map((grant) => `${room} ${grant}`)).filter((granted) => !used.has(granted))
}

function powers(tree: Tree): string[] {
  return nodeImports(tree).filter(({ path, module, typesOnly }) => {
    return !typesOnly && POWERS.some(({ modules, rooms }) => words(modules).includes(module) && !words(rooms).includes(roomOf(path)))
  }).map(line)
}

function forbidden(tree: Tree): string[] {
  return program(tree).flatMap(([path, source]) => found(path, source, FORBIDDEN))
}

function pure(tree: Tree): string[] {
  const leaves = under(tree, 'src/').filter(([path]) => level(roomOf(path)) < LEAF_LEVELS)
  return leaves.flatMap(([path, source]) => found(path, source.replace(/^ *(?:\*|\/\/) .*/gm, ''), IMPURE))
}

function short(tree: Tree): string[] {
  return [...tree].map(([path, source]) => [path, source.split('\n').length - 1] as const).filter(([, lines]) => lines > MAX_LINES).map(([path, lines]) => `${path} has ${lines} lines`)
}

type Files = readonly (readonly [path: string, source: string])[]

function imports(files: Files): Import[] {
  return files.flatMap(([path, source]) => [...source.matchAll(IMPORT)].map(([, type, specifier]) => {
    return { path, specifier: specifier!, target: posix.join(posix.dirname(path), specifier!), typesOnly: type !== undefined }
  }))
}

function nodeImports(tree: Tree): (Import & { readonly module: string })[] {
  return imports(program(tree)).filter(({ specifier }) => specifier.startsWith('node:')).map((one) => ({ ...one, module: one.specifier.slice('node:'.length) }))
}

function found(path: string, source: string, patterns: readonly RegExp[]): string[] {
  return patterns.map((pattern) => pattern.exec(source)?.[0]).filter((text) => text !== undefined).map((text) => `${path}: ${text}`)
}

const line = ({ path, specifier }: Import): string => `${path} imports ${specifier}`
const words = (text: string): string[] => text.split(' ').filter((word) => word !== '')
const under = (tree: Tree, folder: string): Files => [...tree].filter(([path]) => path.startsWith(folder))
const program = (tree: Tree): Files => [...under(tree, 'src/'), ...under(tree, 'bin/')]
const roomsOf = (tree: Tree): string[] => [...new Set(under(tree, 'src/').map(([path]) => roomOf(path)))]
/** `jwt` of src/jwt/verify.ts and of test/jwt/verify.test.ts. */
const roomOf = (path: string): string => path.split('/')[path.startsWith('bin/') ? 0 : 1]!
const level = (room: string): number => HOUSE.findIndex((rooms) => Object.hasOwn(rooms, room))
const rowOf = (room: string): string[] => words(HOUSE[level(room)]?.[room] ?? '')
const door = (room: string): string => `src/${room}/${room === 'cli' ? 'main' : 'index'}.ts`
